"""The sandbox keeps to the API pages, whoever asks."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from airflow_provider_contacts.sandbox.app import create_state
from tests.conftest import Sandbox

BEARER = {"Authorization": "Bearer sandbox-key"}
THOUGHTLY = {"x-api-token": "sandbox-key", "team_id": "sandbox-team"}
TETHER = {"Authorization": "Bearer sandbox-token"}
WORKSPACE = "workspace=space_sandbox&display=5&page=1"
strict = pytest.mark.sandbox(violations=True)


def get(sandbox: Sandbox, path: str, **options: Any) -> requests.Response:
    return requests.get(f"{sandbox.url}{path}", timeout=5, **options)


def post(sandbox: Sandbox, path: str, **body: Any) -> requests.Response:
    return requests.post(f"{sandbox.url}{path}", json=body, timeout=5)


@strict
@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/talktohumans/v1/contacts?tags=a", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?limit=0", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?limit=ten", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?tag=a&tag=b", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?account_id=007", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?invitation_status=accepted", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?cursor=made-up", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?query=", {"headers": BEARER}),
        ("/thoughtly/contact?limit=51", {"headers": THOUGHTLY}),
        ("/thoughtly/contact?page=-1", {"headers": THOUGHTLY}),
        ("/thoughtly/contact?tags[]=a", {"headers": THOUGHTLY}),
        ("/thoughtly/contact?phone_numbers_only=1", {"headers": THOUGHTLY}),
        ("/thoughtly/contact?sortDirection=up", {"headers": THOUGHTLY}),
        ("/mailstand/contacts?workspace=space_sandbox&page=1", {"auth": ("sandbox-key", "")}),
        ("/mailstand/contacts?display=5&page=1", {"auth": ("sandbox-key", "")}),
        ("/mailstand/contacts?workspace=space_sandbox&display=5", {"auth": ("sandbox-key", "")}),
        ("/mailstand/contacts?workspace=space_sandbox&display=2001&page=1", {"auth": ("sandbox-key", "")}),
        (f"/mailstand/contacts?{WORKSPACE}&stage=replied", {"auth": ("sandbox-key", "")}),
        (f"/mailstand/contacts?{WORKSPACE}&tag=a", {"auth": ("sandbox-key", "")}),
        ("/tether/api/contacts?page=0", {"headers": TETHER}),
        ("/tether/api/contacts?limit=5", {"headers": TETHER}),
        ("/tether/api/contacts?dateRange=yesterday", {"headers": TETHER}),
    ],
)
def test_undocumented_requests_are_rejected_and_recorded(
    path: str, options: dict[str, Any], sandbox: Sandbox
) -> None:
    assert get(sandbox, path, **options).status_code == 400
    [violation] = get(sandbox, "/sandbox/violations").json()
    assert violation["vendor"] == path.split("/")[1]
    assert violation["problem"]


@strict
def test_unknown_endpoints_are_recorded(sandbox: Sandbox) -> None:
    assert get(sandbox, "/tether/api/tags", headers=TETHER).status_code == 404
    assert len(get(sandbox, "/sandbox/violations").json()) == 1


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/talktohumans/v1/contacts", {}),
        ("/talktohumans/v1/contacts", {"auth": ("sandbox-key", "")}),
        ("/thoughtly/contact", {"headers": {"x-api-token": "sandbox-key"}}),
        ("/thoughtly/contact", {"headers": {**THOUGHTLY, "team_id": "other"}}),
        (f"/mailstand/contacts?{WORKSPACE}", {"headers": BEARER}),
        (f"/mailstand/contacts?{WORKSPACE}", {"auth": ("sandbox-key", "word")}),
        ("/tether/api/contacts", {"headers": BEARER}),
    ],
)
def test_credentials(path: str, options: dict[str, Any], sandbox: Sandbox) -> None:
    assert get(sandbox, path, **options).status_code == 401


def test_talktohumans_clamps_at_25(sandbox: Sandbox) -> None:
    data = get(sandbox, "/talktohumans/v1/contacts?limit=500", headers=BEARER).json()["data"]
    assert (len(data["contacts"]), data["pagination"]["limit"]) == (25, 25)
    assert len(get(sandbox, "/talktohumans/v1/contacts", headers=BEARER).json()["data"]["contacts"]) == 10


def test_tether_returns_own_contacts_by_default(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/tether/api/contacts", headers=TETHER).json()
    assert answer["total"] == answer["data"]["total"] < 60
    assert answer["contacts"] == answer["data"]["contacts"]
    everyone = get(sandbox, "/tether/api/contacts?ownerFilter=all&size=60", headers=TETHER).json()
    phones = {type(contact["phoneNumber"]) for contact in everyone["contacts"]}
    assert phones == {str, list}


def test_mailstand_reports_events_with_a_campaign_only(sandbox: Sandbox) -> None:
    auth = {"auth": ("sandbox-key", "")}
    plain = get(sandbox, f"/mailstand/contacts?{WORKSPACE}", **auth).json()["data"][0]
    with_campaign = get(sandbox, f"/mailstand/contacts?{WORKSPACE}&campaign=camp_spring", **auth).json()[
        "data"
    ][0]
    assert "last_reply" not in plain
    assert "last_reply" in with_campaign
    assert plain["created_at"] == "47 minutes ago"


def test_mailstand_rate_limit(sandbox: Sandbox) -> None:
    with requests.Session() as session:
        session.auth = ("sandbox-key", "")
        statuses = [
            session.get(f"{sandbox.url}/mailstand/workspaces", timeout=5).status_code for _ in range(101)
        ]
    assert statuses == [200] * 100 + [429]


def test_replies_and_invitations(sandbox: Sandbox) -> None:
    pending = get(sandbox, "/talktohumans/v1/contacts?invitation_status=pending", headers=BEARER).json()
    contact = pending["data"]["contacts"][0]
    who = {
        "vendor": "talktohumans",
        "contact_id": contact["contact_id"],
        "account_id": contact["account"]["account_id"],
    }
    assert post(sandbox, "/sandbox/accept", **who).status_code == 200
    assert post(sandbox, "/sandbox/reply", **who).json() == [who]
    [now] = [
        one
        for one in get(
            sandbox, f"/talktohumans/v1/contacts?account_id={who['account_id']}&limit=25", headers=BEARER
        ).json()["data"]["contacts"]
        if one["contact_id"] == who["contact_id"]
    ]
    assert now["sequence"]["status"] == "replied"
    assert now["connection_invitation"]["invite_state"] == "accepted"
    assert post(sandbox, "/sandbox/reply", vendor="thoughtly", contact_id="x").status_code == 404


def test_adding_and_removing_contacts(sandbox: Sandbox) -> None:
    [added] = post(sandbox, "/sandbox/add", vendor="tether").json()
    assert get(sandbox, "/sandbox/population").json()["tether"] == 61
    assert post(sandbox, "/sandbox/remove", **added).json() == [added]
    assert get(sandbox, "/sandbox/population").json()["tether"] == 60


def test_faults_and_their_log(sandbox: Sandbox) -> None:
    post(sandbox, "/sandbox/fail", vendor="tether", status=503, retry_after="7", latency=0.1)
    started = time.monotonic()
    answer = get(sandbox, "/tether/api/contacts", headers=TETHER)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert time.monotonic() - started >= 0.1
    assert get(sandbox, "/tether/api/contacts", headers=TETHER).status_code == 200
    log = get(sandbox, "/sandbox/requests?vendor=tether").json()
    assert [entry["status"] for entry in log] == [503, 200]
    assert post(sandbox, "/sandbox/fail", vendor="tether", colour="red").status_code == 400
    post(sandbox, "/sandbox/fail", vendor="tether", reset=True)
    with pytest.raises(requests.ConnectionError):
        get(sandbox, "/tether/api/contacts", headers=TETHER)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("add", {}),
        ("add", {"vendor": "x"}),
        ("add", {"vendor": "tether", "count": "x"}),
        ("fail", {"vendor": "tether", "status": "503"}),
        ("reply", {"contact_id": "1"}),
    ],
)
def test_invalid_control_requests(path: str, body: dict[str, Any], sandbox: Sandbox) -> None:
    assert post(sandbox, f"/sandbox/{path}", **body).status_code == 400


def patch(sandbox: Sandbox, contact_id: str, **body: Any) -> requests.Response:
    url = f"{sandbox.url}/talktohumans/v1/contacts/{contact_id}"
    return requests.patch(url, json=body, headers=BEARER, timeout=5)


def test_update_contact(sandbox: Sandbox) -> None:
    row = sandbox.state.tables["talktohumans"].rows[0]
    update = {"add": [{"name": "New", "color": "red"}], "remove": list(row.tags)}
    answer = patch(sandbox, row.contact_id, tags=update).json()
    assert answer["data"]["contact"]["tags"] == [{"name": "New"}]
    answer = patch(sandbox, row.contact_id, tags={"set": []}, notes_json='{"a": 1}').json()
    assert answer["data"]["contact"]["tags"] == []
    assert answer["data"]["contact"]["notes_json"] == '{"a": 1}'
    twin = sandbox.state.tables["talktohumans"].rows[9]
    assert patch(sandbox, twin.contact_id, tags={"set": []}).status_code == 400
    assert patch(sandbox, twin.contact_id, tags={"set": []}, account_id=twin.account_id).status_code == 200


@strict
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tag": "x"},
        {"tags": {"set": [], "add": []}},
        {"tags": {"add": ["x"]}},
        {"tags": {"remove": [{"name": "x"}]}},
        {"tags": {"add": [{"name": ""}]}},
        {"tags": []},
        {"notes_json": "{not json"},
        {"tags": {"set": []}, "account_id": 42},
    ],
)
def test_bad_updates(body: dict[str, Any], sandbox: Sandbox) -> None:
    assert patch(sandbox, "5000", **body).status_code == 400
    assert len(sandbox.state.violations) == 1


def test_people_depend_on_the_seed_and_overlap() -> None:
    one, other = create_state(100, 7), create_state(100, 8)
    again = create_state(100, 7)
    numbers = {}
    for vendor, table in one.tables.items():
        assert [row.json() for row in table.rows] == [row.json() for row in again.tables[vendor].rows]
        assert [row.json() for row in table.rows] != [row.json() for row in other.tables[vendor].rows]
        numbers[vendor] = {row.person.number for row in table.rows}
    assert set.intersection(*numbers.values())
