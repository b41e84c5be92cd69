"""Conditions at work: parsing, pushdown, descriptions."""
