"""Operators that list, filter and update contacts."""
