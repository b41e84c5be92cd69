"""Contacts in a SQL table."""
