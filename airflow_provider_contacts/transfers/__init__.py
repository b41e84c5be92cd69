"""Operators that land contacts elsewhere."""
