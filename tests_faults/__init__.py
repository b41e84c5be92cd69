"""Slow checks of what happens when vendors answer wrongly; `make test-faults`."""
