"""The entry point of the ``airflow contacts`` commands. Airflow imports it in every process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand


def get_contacts_cli_commands() -> list[CLICommand]:
    """Return the ``airflow contacts`` commands."""
    from airflow_provider_contacts.commands.definitions import define_commands

    return [define_commands()]
