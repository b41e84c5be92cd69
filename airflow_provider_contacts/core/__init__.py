"""How listing works, without Airflow and, but for transport, without I/O."""
