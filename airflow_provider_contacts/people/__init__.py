"""One person across vendors."""
