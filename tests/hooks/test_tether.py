"""What is special about Tether."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_contacts.errors import (
    InvalidConnection,
)
from tests.conftest import Read, Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.vendors import CASES

TIMES = datetime(2023, 11, 7, 5, 31, 56, tzinfo=timezone.utc)


def test_bearer_and_paging(serve: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    read(serve("tether", {"_id": "1"}))
    assert scripted.received[0].headers["authorization"] == "Bearer secret-of-the-test"
    assert scripted.received[0].params == {
        "ownerFilter": ["all"],
        "size": ["200"],
        "page": ["1"],
        "pipelineId": ["d" * 24],
    }


def test_default_owner_filter_would_hide_contacts(sandbox: Sandbox, read: Read) -> None:
    assert len(read("tether_default", {"ownerFilter": "my"})) < len(read("tether_default")) == 60
    mine = read("tether_default", {"owner": "a" * 24})
    assert 0 < len(mine) < 60
    assert "ownerFilter" not in sandbox.requests("tether")[-1]["params"]


def test_instance_url_is_required(sandbox: Sandbox, read: Read) -> None:
    with pytest.raises(InvalidConnection, match="has no Host. Enter the URL of your Tether instance"):
        read(sandbox.connect("tether", host=""))


def test_token_without_login(sandbox: Sandbox, read: Read) -> None:
    conn_id = sandbox.connect("tether", login="", password="sandbox-token")
    assert len(read(conn_id)) == 60
    assert all(entry["method"] == "GET" for entry in sandbox.requests("tether"))


@pytest.mark.parametrize("total", [{}, {"total": 2}])
def test_older_shape(total: Any, connect: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    pages = [{"data": [{"_id": "1"}, {"_id": "2"}], **total}, {"data": []}]
    scripted.replies = [Reply(body=page) for page in pages]
    conn_id = connect("scripted", **{**CASES["tether"].parts, "host": scripted.url})
    assert [contact.contact_id for contact in read(conn_id)] == ["1", "2"]
    assert len(scripted.received) == (1 if total else 2)


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("+1", "+1"),
        ("", None),
        ([], None),
        (None, None),
        ([{"value": "+1"}, {"value": "+2", "isPrimary": True}], "+2"),
        ([{"value": "", "isPrimary": True}, {"value": "+3"}], "+3"),
        (["+4"], "+4"),
        ({"value": "+5"}, None),
    ],
)
def test_phone_and_email_in_every_shape(
    phone: Any, expected: str | None, serve: Callable[..., str], read: Read
) -> None:
    [contact] = read(serve("tether", {"_id": "1", "phoneNumber": phone, "email": phone}))
    assert contact.phone == contact.email == expected


def test_mapping(serve: Callable[..., str], read: Read) -> None:
    record = {
        "_id": "64",
        "firstName": "Ada",
        "lastName": "",
        "status": "Qualified",
        "organizationId": "org",
        "createdBy": {"_id": "1", "fullName": "Op"},
        "createdAt": "2023-11-07T05:31:56.000Z",
        "updatedAt": "2023-11-07T06:31:56.000+01:00",
    }
    [contact] = read(serve("tether", record))
    assert (contact.account_id, contact.name, contact.stage) == ("org", "Ada", "Qualified")
    assert (contact.created_at, contact.updated_at) == (TIMES, TIMES)
