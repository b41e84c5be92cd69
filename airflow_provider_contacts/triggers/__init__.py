"""Triggers that poll a vendor for sensors and asset watchers."""
