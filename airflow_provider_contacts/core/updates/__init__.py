"""Updating many contacts: which ones, what is done already, and running the updates."""
