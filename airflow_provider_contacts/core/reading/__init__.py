"""How contacts are read: pages, decoding, completeness."""
