"""One module per vendor, each with a ``SANDBOX_VENDOR``. Adding a module is enough to serve a vendor."""
