"""Operators that write contacts to files and databases."""
