"""How reading, updating and waiting work, without Airflow. Only ``core.http`` sends requests."""
