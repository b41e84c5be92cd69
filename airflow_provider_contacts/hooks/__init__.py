"""Hooks: from an Airflow connection to a vendor's contacts. Each vendor is one file."""
