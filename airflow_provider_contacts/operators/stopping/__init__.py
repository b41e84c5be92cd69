"""How outreach to people is stopped, over several connections."""
