"""Fault-injection tests; `make test-faults` runs them."""
