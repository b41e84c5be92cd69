"""One file per vendor, and the hook they share."""
