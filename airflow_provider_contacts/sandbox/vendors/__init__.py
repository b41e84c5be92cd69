"""One module per vendor, each with a ``SANDBOX_VENDOR``, by which it is served."""
