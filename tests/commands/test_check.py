"""Testing connections."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Airflow
from tests.conftest import Sandbox
from tests.vendors import VENDORS


@pytest.mark.parametrize("vendor", VENDORS)
def test_check(vendor: str, sandbox: Sandbox, airflow: Airflow) -> None:
    code, out, _ = airflow("check", f"{vendor}_default")
    assert code == 0
    assert "accepts the credentials" in out
    sandbox.connect(vendor, password="wrong")
    code, out, _ = airflow("check", f"{vendor}_default")
    assert code == 1
    assert "Check the field" in out


def test_check_missing_connection(sandbox: Sandbox, airflow: Airflow) -> None:
    code, out, _ = airflow("check", "nowhere")
    assert code == 1
    assert "Connection 'nowhere' does not exist" in out
