"""What a vendor supports, on the command line."""

from __future__ import annotations

import json
from typing import get_type_hints

import pytest

from airflow_provider_contacts.conditions import SIMPLE_CONDITIONS
from airflow_provider_contacts.core.filters import validate_filters
from airflow_provider_contacts.hooks.registry import list_vendors
from tests.commands.conftest import Airflow
from tests.conftest import Sandbox
from tests.vendors import VENDORS

DECLARED = {vendor.name: vendor.contacts.filters for vendor in list_vendors()}


@pytest.mark.parametrize("vendor", VENDORS)
def test_filters(vendor: str, sandbox: Sandbox, airflow: Airflow) -> None:
    code, out, _ = airflow("filters", f"{vendor}_default", "-o", "json")
    assert code == 0
    rows = json.loads(out)
    assert [row["filter"] for row in rows] == list(get_type_hints(DECLARED[vendor]))
    for row in rows:
        assert row["meaning"].endswith("."), row
        name, _, example = row["example"].partition("=")
        if "…" not in example:
            assert list(validate_filters({name: example}, DECLARED[vendor], vendor)) == [row["filter"]]
    # A connection type needs no connection.
    assert json.loads(airflow("filters", vendor, "-o", "json")[1]) == rows
    assert rows[0]["filter"] in airflow("filters", vendor)[1]


@pytest.mark.parametrize("vendor", VENDORS)
def test_conditions(vendor: str, sandbox: Sandbox, airflow: Airflow) -> None:
    code, out, _ = airflow("conditions", f"{vendor}_default", "-o", "json")
    assert code == 0
    rows = json.loads(out)
    assert len(rows) == len(SIMPLE_CONDITIONS)
    for row in rows:
        code, _, err = airflow("list", f"{vendor}_default", "--condition", row["condition"])
        is_supported = row["support"] not in (
            "no",
            "server only, with the filter `messageStatus`",
            "record, with the filter `campaign`",
        )
        assert (code == 0) is is_supported or "no such stage" in err, (row, err)


def test_legend(sandbox: Sandbox, airflow: Airflow) -> None:
    shown = {vendor: airflow("conditions", vendor)[2] for vendor in ("mailstand", "thoughtly")}
    assert all("server only: records do not report it" in legend for legend in shown.values())
    assert {vendor: "with the filter X" in legend for vendor, legend in shown.items()} == {
        "mailstand": True,
        "thoughtly": False,
    }


@pytest.mark.parametrize("command", ["filters", "conditions"])
def test_unknown_connection(command: str, sandbox: Sandbox, airflow: Airflow) -> None:
    code, _, err = airflow(command, "nowhere")
    assert code == 1
    assert "Connection 'nowhere' does not exist" in err
    assert "Connection types work too: mailstand, " in err
