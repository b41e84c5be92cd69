"""The operator that resolves people."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Stats
from airflow.sdk import DAG, Asset

from airflow_provider_contacts.databases.tables import MissingTable
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.operators.people import ResolvePeopleOperator, parse_regions
from tests.conftest import Sandbox
from tests.database import Database, load


def make(**arguments: Any) -> ResolvePeopleOperator:
    with DAG("test", schedule=None):
        return ResolvePeopleOperator(task_id="resolve", **{"sql_conn_id": "warehouse", **arguments})


def test_result_metrics_and_asset_event(
    sandbox: Sandbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    gauges: dict[str, float] = {}
    monkeypatch.setattr(Stats, "gauge", lambda name, value, **_: gauges.update({name: value}))
    load(database, "mailstand")
    load(database, "thoughtly")
    asset = Asset("people")
    event = SimpleNamespace(extra={})
    result = make(outlets=[asset]).execute({"outlet_events": {asset: event}})
    assert list(result) == ["contacts", "people", "by_channels", "set_aside", "merged", "split"]
    assert result["contacts"] == len(database.rows())
    assert sum(result["by_channels"].values()) == result["people"]
    assert event.extra == {**result, "table": "contact_people"}
    assert gauges["contacts.people.people"] == result["people"]
    assert gauges["contacts.people.by_channels.2"] == result["by_channels"]["2"]
    assert set(gauges) >= {"contacts.people.set_aside.email.role_mailbox", "contacts.people.split"}


def test_templates_are_parsed(sandbox: Sandbox, database: Database) -> None:
    load(database, "thoughtly")
    operator = make(people_table="{{ name }}", max_contacts_per_key="{{ 1 }}", default_region="{{ none }}")
    operator.render_template_fields({"name": "people"})
    result = operator.execute({})
    assert result["people"] == result["contacts"] == len(database.rows("people"))


@pytest.mark.parametrize(
    "arguments",
    [
        {"contacts_table": ""},
        {"people_table": "a.b.c"},
        {"max_contacts_per_key": 0},
        {"max_contacts_per_person": "many"},
        {"max_emails_per_person": -1},
        {"default_region": "Germany"},
        {"default_region": {"hubspot": "DE"}},
        {"default_region": {"tether": ""}},
    ],
)
def test_invalid_literals_fail_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    [name] = arguments
    with pytest.raises(InvalidRequest, match=f"`{name}`"):
        make(**arguments)


def test_regions() -> None:
    assert parse_regions("default_region", None) == parse_regions("default_region", "") == {}
    assert parse_regions("default_region", "CA")["tether"] == "CA"
    assert parse_regions("default_region", {"tether": "CA"}) == {"tether": "CA"}


def test_missing_contacts(database: Database) -> None:
    with pytest.raises(MissingTable, match="'contacts' does not exist"):
        make().execute({})


def test_not_a_database(connect: Callable[..., str]) -> None:
    with pytest.raises(InvalidRequest, match="not a SQL database"):
        make(sql_conn_id=connect("mail", conn_type="mailstand")).execute({})
