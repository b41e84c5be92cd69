"""Contacts in files."""
