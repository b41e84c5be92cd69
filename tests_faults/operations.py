"""What a user does, and whether the result is right."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from airflow.cli import cli_parser
from airflow.sdk import DAG
from openlineage.client.serde import Serde

from airflow_provider_contacts.core.matching.parsing import parse_condition
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators import updates
from airflow_provider_contacts.sandbox.state import State
from airflow_provider_contacts.sandbox.vendor import SandboxVendor
from airflow_provider_contacts.sensors.contacts import ContactSensor
from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator
from airflow_provider_contacts.triggers import contacts as triggers
from airflow_provider_contacts.triggers import groups
from tests_faults.server import FaultyServer

_WATCH_SECONDS = 240.0


@dataclass
class Setting:
    """One vendor behind a faulty server, without a fault so far.

    :param arm: starts the fault.
    :param disarm: ends it.
    """

    vendor: SandboxVendor
    state: State
    server: FaultyServer
    conn_id: str
    arm: Callable[[], None]
    disarm: Callable[[], None]
    is_empty_right: bool

    @property
    def keys(self) -> set[tuple[str, str]]:
        """Account id and contact id of all contacts."""
        return {(row.account_id, row.contact_id) for row in self.state.tables[self.vendor.name].rows}


# Returns whether the result is right. Errors of the package mean that it failed clearly.
Operation = Callable[[Setting], bool]


def _keys(contacts: Any) -> list[tuple[str, str]]:
    return [(one["account_id"], one["contact_id"]) for one in contacts]


def _is_right(found: list[tuple[str, str]], setting: Setting) -> bool:
    if setting.is_empty_right and not found:
        return True  # the vendor reports that there are no contacts
    return len(found) == len(set(found)) and set(found) == setting.keys


def list_sync(setting: Setting) -> bool:
    """List all contacts."""
    setting.arm()
    hook = ContactsHook.for_connection(setting.conn_id)
    return _is_right([(one.account_id, one.contact_id) for one in hook.list_contacts()], setting)


def list_async(setting: Setting) -> bool:
    """List all contacts in an event loop."""
    setting.arm()

    async def read() -> list[tuple[str, str]]:
        hook = await ContactsHook.afor_connection(setting.conn_id)
        async with contextlib.aclosing(hook.alist_contacts()) as contacts:
            return [(one.account_id, one.contact_id) async for one in contacts]

    return _is_right(asyncio.run(read()), setting)


def _update(setting: Setting, kind: str) -> bool:
    sample = next(one for one in setting.vendor.samples.changes if one.kind == kind)
    operators: dict[str, type] = {
        "tags": updates.UpdateContactTagsOperator,
        "notes": updates.UpdateContactNotesOperator,
        "stage": updates.UpdateContactStageOperator,
    }
    rows = setting.state.tables[setting.vendor.name].rows[:6]
    references = [row.reference(setting.vendor.name) for row in rows]
    setting.arm()
    with DAG("faults", schedule=None):
        operator = operators[kind](
            task_id="update", contacts_conn_id=setting.conn_id, contacts=references, **sample.arguments
        )
    result = operator.execute({})
    return len(result["updated"]) == len(rows) and all(sample.is_made(row) for row in rows)


def tags(setting: Setting) -> bool:
    """Update tags."""
    return _update(setting, "tags")


def notes(setting: Setting) -> bool:
    """Update notes."""
    return _update(setting, "notes")


def stage(setting: Setting) -> bool:
    """Update stages."""
    return _update(setting, "stage")


def _condition(setting: Setting) -> Any:
    """Return a condition that records report without other filters, and that some contacts match."""
    rows = setting.state.tables[setting.vendor.name].rows
    return next(
        sample
        for sample in setting.vendor.samples.conditions
        if not sample.filters
        and sample.condition["condition"] in ("tagged", "in_stage")
        and any(map(sample.matches, rows))
    )


def sensor(setting: Setting) -> bool:
    """Wait for contacts that match."""
    sample = _condition(setting)
    setting.arm()
    with DAG("faults", schedule=None):
        task = ContactSensor(
            task_id="wait",
            contacts_conn_id=setting.conn_id,
            condition=sample.condition,
            poke_interval=0.1,
            timeout=3,
            max_consecutive_failures=1,
        )
    expected = {
        (row.account_id, row.contact_id)
        for row in setting.state.tables[setting.vendor.name].rows
        if sample.matches(row)
    }
    found = _keys(task.execute({}))  # type: ignore[typeddict-item]
    return bool(found) and set(found) == expected


def watcher(setting: Setting) -> bool:
    """Watch for contacts that match, while the fault comes and goes."""
    sample = _condition(setting)
    table = setting.state.tables[setting.vendor.name]
    trigger = triggers.ContactEventTrigger(
        contacts_conn_id=setting.conn_id,
        condition=parse_condition(sample.condition),  # type: ignore[arg-type]
        poll_interval=timedelta(seconds=0.1),
    )
    store = _Store()
    trigger.asset_state_store = store  # type: ignore[assignment]
    setting.disarm()

    async def watch() -> list[tuple[str, str]]:
        events = trigger.run()
        first = asyncio.ensure_future(anext(events))  # type: ignore[arg-type]
        while not store.has_baseline():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        setting.arm()
        started = time.monotonic()
        while setting.server.faulty < (1 if setting.server.once else 2):
            assert time.monotonic() - started < _WATCH_SECONDS
            await asyncio.sleep(0.02)
        setting.disarm()
        # A contact that matches is copied: it is the only one that is new.
        [added] = table.add(1)
        while not sample.matches(added):
            table.remove(added)
            [added] = table.add(1)
        event = await asyncio.wait_for(first, _WATCH_SECONDS)
        await events.aclose()  # type: ignore[attr-defined]
        new.append((added.account_id, added.contact_id))
        return _keys(event.payload["contacts"])

    new: list[tuple[str, str]] = []
    return asyncio.run(watch()) == new


class _Store:
    """A stand-in for the state store of one asset."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def has_baseline(self) -> bool:
        return any(isinstance(value, dict) for value in self.values.values())

    async def aget(self, key: str) -> Any:
        return self.values.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))


def _export_file(setting: Setting, export: Callable[[str], None]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "contacts.jsonl")
        path.write_text("old\n")
        setting.arm()
        try:
            export(str(path))
        except BaseException:
            assert path.read_text() == "old\n"
            raise
        return _is_right(_keys(json.loads(line) for line in path.read_text().splitlines()), setting)


def file(setting: Setting) -> bool:
    """Export a file over an older one."""

    def export(path: str) -> None:
        operator = ContactsToObjectStorageOperator(
            task_id="export", contacts_conn_id=setting.conn_id, path=path
        )
        operator.execute({})  # type: ignore[typeddict-item]
        _print_facets(operator)

    return _export_file(setting, export)


def command(setting: Setting) -> bool:
    """Export a file and test the connection on the command line."""

    def export(path: str) -> None:
        try:
            _run_command("export", setting.conn_id, path)
        finally:
            # It may fail; what it prints is searched.
            with contextlib.suppress(CommandFailed):
                _run_command("check", setting.conn_id)

    return _export_file(setting, export)


def _run_command(*arguments: str) -> None:
    args = _command_parser().parse_args(["contacts", *arguments])
    try:
        args.func(args)
    except SystemExit as error:
        raise CommandFailed(str(error)) from None


class CommandFailed(Exception):
    """A command has ended with an error."""


@functools.cache
def _command_parser() -> argparse.ArgumentParser:
    return cli_parser.get_parser()


def _print_facets(operator: Any) -> None:
    """Print what OpenLineage receives, where it is searched for personal data."""
    facets = operator.get_openlineage_facets_on_complete(None)
    assert facets.outputs
    print(Serde.to_json(facets))


def table(setting: Setting) -> bool:
    """Update a table that is up to date, and mark removed contacts."""
    with tempfile.TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{folder}/warehouse.db")

        def load() -> dict[str, Any]:
            with DAG("faults", schedule=None):
                operator = ContactsToSqlOperator(
                    task_id="load",
                    contacts_conn_id=setting.conn_id,
                    sql_conn_id="warehouse",
                    table="contacts",
                    mark_removed=True,
                )
            counts = operator.execute({})  # type: ignore[typeddict-item]
            _print_facets(operator)
            return counts

        def rows() -> list[Any]:
            with engine.connect() as connection:
                return list(
                    connection.execute(sa.text("SELECT * FROM contacts ORDER BY contact_id, account_id"))
                )

        os.environ["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(
            {"conn_type": "sqlite", "host": f"{folder}/warehouse.db"}
        )
        load()
        before = rows()
        setting.arm()
        try:
            counts = load()
        except Exception:
            assert rows() == before
            raise
        engine.dispose()
        return counts["removed"] == 0 and counts["new"] == 0 and len(rows()) == len(setting.keys)


OPERATIONS: dict[str, Operation] = {
    "list": list_sync,
    "list, async": list_async,
    "tags": tags,
    "notes": notes,
    "stage": stage,
    "sensor": sensor,
    "watcher": watcher,
    "file": file,
    "command line": command,
    "table": table,
}
UPDATES = ("tags", "notes", "stage")

groups.JOIN_WINDOW_SECONDS = 0.05
