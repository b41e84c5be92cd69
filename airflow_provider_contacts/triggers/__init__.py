"""Triggers that wait for contacts without a worker."""
