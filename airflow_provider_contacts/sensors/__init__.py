"""Sensors that wait for contacts."""
