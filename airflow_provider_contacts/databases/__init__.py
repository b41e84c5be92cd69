"""Connections to SQL databases, and the tables of this package in them."""
