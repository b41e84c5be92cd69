"""The README matches the code."""

from __future__ import annotations

import importlib
import json
import re
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from airflow.sdk import DAG

from airflow_provider_contacts.conditions import SIMPLE_CONDITIONS, Replied, Tagged, get_condition_name
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.condition_parsing import parse_condition
from airflow_provider_contacts.core.settings import Settings
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.hooks.registry import list_vendors
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.table import BOOKKEEPING_COLUMNS
from tests.conftest import Sandbox
from tests.vendors import VENDORS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def table(heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading."""
    lines = README.split(f"## {heading}\n", 1)[1].splitlines()
    rows = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
        elif rows:
            break
    return rows


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_local_links_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


@pytest.mark.parametrize(
    ("name", "tasks"), [("mailstand_to_files", ["export"]), ("on_reply", ["list_replied"])]
)
def test_dags_in_the_readme_build(name: str, tasks: list[str]) -> None:
    [code] = [block for block in blocks("python") if f"def {name}(" in block]
    scope: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert [task.task_id for task in scope[name]().tasks] == tasks


def test_sensor_in_the_readme_waits(sandbox: Sandbox) -> None:
    [code] = [block for block in blocks("python") if "ContactRepliedSensor(" in block]
    scope: dict[str, Any] = {}
    with DAG("readme", schedule=None):
        exec(compile(code, "README.md", "exec"), scope)
    sensor = scope["replied"]
    sensor.deferrable = False
    sensor.render_template_fields({"dag_run": SimpleNamespace(run_after=datetime(2026, 11, 1))})
    table = sandbox.state.tables["mailstand"]
    row = next(row for row in table.rows if row.campaign == "camp_spring")
    row.last["reply"] = 1_800_000_000
    table.invalidate(row)
    assert [one["contact_id"] for one in sensor.execute({})] == [row.contact_id]


def test_condition_json_in_the_readme() -> None:
    [text] = blocks("json")
    assert parse_condition(text) == Replied(datetime(2026, 3, 1)) & ~Tagged("Do not chase")


def test_python_in_the_readme_runs(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    code = [block for block in blocks("python") if "for_connection" in block]
    assert len(code) == 2
    for block in code:
        exec(compile(block, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "VIP" in out
    assert out.endswith("60\n")


def test_connections_in_the_readme_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.findall(r"^export (AIRFLOW_CONN_(\w+)_DEFAULT)='(.*)'$", README, re.MULTILINE)
    assert {vendor.lower() for _, vendor, _ in found} == set(VENDORS)
    for name, vendor, value in found:
        monkeypatch.setenv(name, value)
        hook = ContactsHook.for_connection(f"{vendor.lower()}_default")
        hook.list_contacts()
        assert json.loads(value)["conn_type"] == hook.vendor.name


def test_table_of_extras() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", README, re.MULTILINE))
    defaults = Settings(conn_id="", base_url="")
    assert float(listed["timeout"]) == defaults.timeout
    assert int(listed["retry_limit"]) == defaults.retry_limit
    assert int(listed["max_concurrency"]) == defaults.max_concurrency


def test_table_of_vendors(sandbox: Sandbox) -> None:
    rows = {row[0]: row[1:] for row in table("What each vendor supports")}
    hooks = {}
    for vendor in VENDORS:
        hook = ContactsHook.for_connection(f"{vendor}_default")
        hooks[hook.vendor.title] = hook
    assert set(rows[""]) == set(hooks)
    for index, title in enumerate(rows[""]):
        hook = hooks[title]
        paging = hook.vendor.contacts.paging
        assert int(rows["contacts per request"][index]) == paging.max_size
        ahead = rows["pages fetched ahead"][index]
        assert ("cursor" in ahead) == hasattr(paging, "cursor_param")
        rates = [
            f"{limit} per {'minute' if seconds == 60 else f'{seconds:.0f} s'}"
            for limit, seconds in hook.vendor.rates
        ]
        assert rows["published rate, kept by default"][index] == (", ".join(rates) or "none")
        assert rows["filters"][index] == hook.vendor.contacts.filters.__name__
        contacts = list(hook.list_contacts())
        for row, fields in (
            ("e-mail, phone", ("email", "phone")),
            ("tags", ("tags",)),
            ("stage", ("stage",)),
        ):
            has = any(getattr(contact, field) for contact in contacts for field in fields)
            assert (rows[row][index] not in ("no", "neither")) == has


def test_table_of_conditions(sandbox: Sandbox) -> None:
    header, _, *rows = table("Conditions")
    named = {}
    for row in rows:
        named[row[1]] = dict(zip(header[2:], row[2:], strict=True))
    assert list(named) == [get_condition_name(leaf) for leaf in SIMPLE_CONDITIONS]
    for vendor in list_vendors():
        for leaf in SIMPLE_CONDITIONS:
            name = get_condition_name(leaf)
            condition = leaf(name="Interested") if "name" in leaf.__struct_fields__ else leaf()
            support = vendor.contacts.conditions.get(name)
            if support is None:
                expected = "no"
            elif support.to_filters(condition, True) is not None:
                expected = "server" if support.is_on_record else "server only"
            else:
                needed = support.required_filter
                expected = f"with the filter `{needed}`" if needed else "record"
            assert named[name][vendor.title].strip("`") == expected.strip("`"), (name, vendor.title)


def test_table_of_updates(sandbox: Sandbox) -> None:
    header, _, *rows = table("Updates")
    assert sorted(header[1:]) == sorted(vendor.title for vendor in list_vendors())
    for kind, *cells in rows:
        for title, cell in zip(header[1:], cells, strict=True):
            vendor = next(one for one in list_vendors() if one.title == title)
            assert (getattr(vendor.updates, kind) is not None) == (cell != "no")
            if title == "Mailstand" and kind == "stage":
                for stage in cell.split(", "):
                    contact_id = sandbox.state.tables["mailstand"].rows[0].contact_id
                    ContactsHook.for_connection("mailstand_default").update_stage(
                        contact_id, stage, campaign="all"
                    )


def test_load_in_the_readme_runs(sandbox: Sandbox, connect: Any, tmp_path: Path) -> None:
    connect("warehouse", conn_type="sqlite", host=str(tmp_path / "x.db"))
    [code] = [block for block in blocks("python") if "ContactsToSqlOperator(" in block]
    with DAG("readme", schedule=None) as dag:
        exec(compile(code, "README.md", "exec"), {})
    operator = dag.get_task("load")
    operator.table = "main.contacts"
    assert operator.execute({})["new"] == 60


def test_table_of_columns() -> None:
    rows = {row[0]: row[1] for row in table("Export")}
    kinds: dict[str, str] = {}
    for cell, kind in rows.items():
        for name in re.findall(r"`?(\w+)`?", cell) if "every" not in cell else ():
            kinds[name] = kind
    for column in COLUMNS:
        kind = kinds.get(column.name)
        if kind is None:
            kind = "time in UTC, or null" if column.name.endswith("_at") else "text or null"
        expected = {"text": "text", "texts": "list of text", "time": "time", "flag": "true, false"}[
            column.kind
        ]
        assert kind.startswith(expected), column
        assert ("never null" in kind) != column.nullable, column
    assert set(BOOKKEEPING_COLUMNS) <= set(kinds)


def test_update_in_the_readme_runs(sandbox: Sandbox) -> None:
    [code] = [block for block in blocks("python") if "UpdateContactTagsOperator(" in block]
    scope: dict[str, Any] = {}
    with DAG("readme", schedule=None) as dag:
        exec(compile(code, "README.md", "exec"), scope)
    operator = dag.get_task("tag")
    operator.render_template_fields({"params": {"preview": False}})
    assert len(operator.execute({})["updated"]) == 2


def test_conditions_in_the_readme_are_valid(sandbox: Sandbox) -> None:
    [code] = [block for block in blocks("python") if "FilterContactsOperator" in block]
    scope: dict[str, Any] = {}
    with DAG("readme", schedule=None):
        exec(compile(code, "README.md", "exec"), scope)
    contacts = scope["listed"].execute({})
    scope["with_phone"].contacts = contacts
    kept = scope["with_phone"].execute({})
    assert {contact["contact_id"] for contact in kept} < {contact["contact_id"] for contact in contacts}


def test_table_of_fields() -> None:
    rows = README.split("A `Contact` has these fields:")[1].split("## ")[0]
    named = [
        name
        for line in rows.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    ]
    assert set(named) == {field.name for field in msgspec.structs.fields(Contact)}


def test_table_of_operators() -> None:
    _header, _, *rows = table("Operators and sensors")
    for class_cell, module, arguments, _returns in rows:
        name = re.findall(r"\w+", class_cell)[0]
        documented = getattr(importlib.import_module(f"airflow_provider_contacts.{module.strip('`')}"), name)
        assert re.findall(r"\w+", arguments) == list(documented.template_fields)
    assert len(rows) == 8
