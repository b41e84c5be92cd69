"""Approvals, suppressions, and the audit of updates."""
