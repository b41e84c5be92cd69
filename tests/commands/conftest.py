"""Run commands as a shell would."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from airflow.cli import cli_parser

Airflow = Callable[..., tuple[int, str, str]]


@pytest.fixture
def airflow(capsys: pytest.CaptureFixture[str]) -> Airflow:
    """Run an ``airflow contacts`` command through Airflow's own parser; return its exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        parsed = cli_parser.get_parser().parse_args(["contacts", *arguments])
        code = 0
        try:
            parsed.func(parsed)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
            if isinstance(stop.code, str):
                sys.stderr.write(stop.code)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
