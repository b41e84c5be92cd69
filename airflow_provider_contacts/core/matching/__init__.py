"""Parse conditions, push them down to vendors, and describe what vendors support."""
