"""What protects people and proves what was done: suppressions, the audit, and approvals."""
