"""How vendors divide listings into pages."""
