"""Operators over contacts."""
