"""The entry point of the commands."""

from __future__ import annotations

import json
import subprocess
import sys


def test_definitions_import_nothing_of_the_commands() -> None:
    code = """
import json, sys
import airflow.cli.cli_config
import airflow_provider_contacts
before = set(sys.modules)
from airflow_provider_contacts.cli import get_contacts_cli_commands
get_contacts_cli_commands()
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    imported = json.loads(shown.splitlines()[-1])
    ours = [name for name in imported if name.startswith("airflow_provider_contacts")]
    allowed = ("cli", "commands", "conditions", "contact", "errors", "identity_keys")
    assert [name for name in ours if name.split(".")[1:2] not in [[name] for name in allowed]] == []
    commands = [name for name in ours if ".commands." in name]
    assert commands == ["airflow_provider_contacts.commands.definitions"]
    assert {"requests", "phonenumbers", "sqlalchemy"}.isdisjoint(imported)
