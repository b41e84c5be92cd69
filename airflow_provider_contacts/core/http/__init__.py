"""Sending requests: retries, logins, rate limits, and errors that say why a request failed."""
