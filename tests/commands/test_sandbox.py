"""Serving the sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest
import requests

from tests.commands.conftest import Airflow
from tests.conftest import Sandbox
from tests.vendors import VENDORS


def test_sandbox_serves_and_prints_connections() -> None:
    command = [sys.executable, "-m", "airflow", "contacts", "sandbox", "--port", "0", "--contacts", "30"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            connections: dict[str, Any] = {}
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("export AIRFLOW_CONN_"):
                    name, _, value = line.removeprefix("export AIRFLOW_CONN_").strip().partition("=")
                    connections[name] = json.loads(value.strip("'"))
                if line.startswith("Stop"):
                    break
            assert set(connections) == {f"{vendor.upper()}_DEFAULT" for vendor in VENDORS}
            base = connections["TETHER_DEFAULT"]["host"].removesuffix("/tether")
            with urllib.request.urlopen(f"{base}/sandbox/population", timeout=10) as answer:
                assert json.load(answer) == dict.fromkeys(VENDORS, 30)
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(f"{base}/tether/api/contacts", timeout=10)
            assert "tether: GET /api/contacts -> 401" in process.stdout.readline()
        finally:
            process.terminate()


def test_sandbox_port_is_taken(sandbox: Sandbox, airflow: Airflow) -> None:
    port = sandbox.url.split(":")[2].split("/")[0]
    code, _, err = airflow("sandbox", "--port", port)
    assert code == 1
    assert "--port" in err


def test_sandbox_serves_although_nobody_reads_its_lines() -> None:
    command = [sys.executable, "-m", "airflow", "contacts", "sandbox", "--port", "0", "--contacts", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base = (
                next(line for line in process.stdout if " at http://" in line).split(" at ")[1].split(". ")[0]
            )
            next(line for line in process.stdout if line.startswith("Stop"))
            with requests.Session() as session:
                for _ in range(1500):
                    assert session.get(f"{base}/tether/api/contacts", timeout=10).status_code == 401
        finally:
            process.terminate()
