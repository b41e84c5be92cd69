"""What the ``airflow contacts`` commands do."""
