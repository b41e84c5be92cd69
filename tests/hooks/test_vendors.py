"""What is special about each vendor."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_contacts.errors import (
    InvalidConnection,
    MalformedResponse,
    NotFound,
    QuotaExhausted,
    RateLimited,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.hooks.mailstand import MailstandHook
from airflow_provider_contacts.hooks.talktohumans import TalkToHumansHook
from airflow_provider_contacts.hooks.tether import TetherHook
from airflow_provider_contacts.hooks.thoughtly import ThoughtlyHook
from tests.conftest import Read, Sandbox
from tests.scripted import Asked, Reply, ScriptedServer
from tests.vendors import CASES

TIMES = datetime(2023, 11, 7, 5, 31, 56, tzinfo=timezone.utc)


@pytest.fixture
def serve(connect: Callable[..., str], scripted: ScriptedServer) -> Callable[..., str]:
    """Serve one listing of a vendor from the scripted server."""

    def served(vendor: str, *records: Any) -> str:
        case = CASES[vendor]
        scripted.replies = [Reply(body=case.page(*records)), Reply(body=case.page())]
        return connect("scripted", **{**case.parts, "host": scripted.url})

    return served


def test_for_connection_returns_the_vendors_hook(sandbox: Sandbox) -> None:
    for vendor, hook in (
        ("talktohumans", TalkToHumansHook),
        ("thoughtly", ThoughtlyHook),
        ("mailstand", MailstandHook),
        ("tether", TetherHook),
    ):
        assert type(ContactsHook.for_connection(f"{vendor}_default")) is hook
        assert hook().contacts_conn_id == f"{vendor}_default"
        assert hook.hook_name == hook.vendor.title
        assert hook.conn_type == hook.vendor.name == vendor


def test_hook_of_another_vendor(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidConnection, match="has the type 'tether', but Mailstand needs 'mailstand'"):
        MailstandHook("tether_default").list_contacts()


@pytest.mark.parametrize("extra", ["not json", "[1]", '"x"'])
def test_extra_must_be_an_object(extra: str, monkeypatch: pytest.MonkeyPatch, connect: Any) -> None:
    connect("broken", conn_type="tether", host="https://tether.example", password="p", extra=extra)
    with pytest.raises(InvalidConnection, match="Extra of connection 'broken' is not a JSON object"):
        TetherHook("broken").list_contacts()


def test_connection_as_a_uri(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    address = sandbox.url.removeprefix("http://").replace("/", "%2F")
    monkeypatch.setenv(
        "AIRFLOW_CONN_BY_URI",
        f"mailstand://http://:sandbox-key@{address.split('%2F')[0]}/{address.split('%2F')[1]}%2Fmailstand?workspace=space_sandbox",
    )
    assert len(list(MailstandHook("by_uri").list_contacts())) == 60


def test_pages_are_requested_lazily(sandbox: Sandbox) -> None:
    """No page is requested before it is needed."""
    hook = ContactsHook.for_connection("talktohumans_default", page_size=5)
    contacts = hook.list_contacts()
    assert sandbox.requests("talktohumans") == []
    next(contacts)
    assert len(sandbox.requests("talktohumans")) == 1


class TestTalkToHumans:
    def test_bearer_and_paging(self, serve: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
        read(serve("talktohumans", {"contact_id": "1"}))
        assert scripted.asked[0].headers["authorization"] == "Bearer secret-of-the-test"
        assert scripted.asked[0].params == {"limit": ["25"]}

    def test_filters_go_with_every_cursor(self, sandbox: Sandbox, read: Read) -> None:
        contacts = read("talktohumans_default", {"account_id": "101"}, page_size=5)
        assert {contact.account_id for contact in contacts} == {"101"}
        assert all("account_id" in entry["params"] for entry in sandbox.requests("talktohumans"))

    def test_person_in_two_accounts_is_two_contacts(self, sandbox: Sandbox, read: Read) -> None:
        contacts = read("talktohumans_default")
        ids = [contact.contact_id for contact in contacts]
        assert len(set(ids)) < len(ids) == 60

    def test_mapping(self, serve: Callable[..., str], read: Read) -> None:
        record = {
            "contact_id": "7",
            "account": {"account_id": "42"},
            "name": "Ada L.",
            "tags": [{"name": "Hot lead"}, {"name": "VIP"}],
            "locations": [{"city": "Bath"}, {"is_primary": True, "city": "London", "country_full": "UK"}],
            "primary_role_title": "Countess",
            "primary_company_name": "",
            "company": {"name": "Engines"},
            "linkedin_url": "https://linkedin.com/in/ada",
            "connection_invitation": {"invite_state": "pending", "received_at": "2023-11-07T05:31:56Z"},
            "last_interaction_at": "2023-11-07T05:31:56Z",
            "sequence": {"status": "Replied"},
            "app_url": "https://talktohumans.app/c/7",
        }
        [contact] = read(serve("talktohumans", record))
        assert (contact.account_id, contact.contact_id, contact.tags) == ("42", "7", ("Hot lead", "VIP"))
        assert (contact.city, contact.country, contact.company) == ("London", "UK", "Engines")
        assert (contact.invitation_state, contact.invited_at) == ("pending", TIMES)
        assert (contact.replied, contact.last_interaction_at) == (True, TIMES)
        assert contact.url == "https://talktohumans.app/c/7"

    @pytest.mark.parametrize(
        ("sequence", "replied"), [(None, None), ({}, None), ({"status": "active"}, False)]
    )
    def test_replied_has_three_values(
        self, sequence: Any, replied: bool | None, serve: Callable[..., str], read: Read
    ) -> None:
        [contact] = read(serve("talktohumans", {"contact_id": "7", "sequence": sequence}))
        assert contact.replied is replied

    def test_accounts(self, sandbox: Sandbox) -> None:
        assert [account["account_id"] for account in TalkToHumansHook().list_accounts()] == ["101", "102"]

    @pytest.mark.parametrize(
        "wrap", [lambda items: {"data": items}, lambda items: {"data": {"accounts": items}}]
    )
    def test_accounts_in_either_shape(
        self, wrap: Callable[[Any], Any], connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        scripted.replies = [Reply(body=wrap([{"account_id": "1"}]))]
        conn_id = connect("scripted", **{**CASES["talktohumans"].parts, "host": scripted.url})
        assert TalkToHumansHook(conn_id).list_accounts() == [{"account_id": "1"}]

    def test_accounts_on_several_pages(self, connect: Callable[..., str], scripted: ScriptedServer) -> None:
        def decide(asked: Asked) -> Reply:
            number = int(asked.params.get("cursor", ["1"])[0])
            pagination = {"has_more": number < 3, "next_cursor": str(number + 1)}
            return Reply(body={"data": {"accounts": [{"account_id": str(number)}], "pagination": pagination}})

        scripted.decide = decide
        conn_id = connect("scripted", **{**CASES["talktohumans"].parts, "host": scripted.url})
        assert [one["account_id"] for one in TalkToHumansHook(conn_id).list_accounts()] == ["1", "2", "3"]

    @pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {"accounts": "x"}}, {"data": ["x"]}])
    def test_accounts_in_an_unknown_shape(
        self, body: Any, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        scripted.replies = [Reply(body=body)]
        conn_id = connect("scripted", **{**CASES["talktohumans"].parts, "host": scripted.url})
        with pytest.raises(MalformedResponse, match="GET /v1/accounts: The response has no list of accounts"):
            TalkToHumansHook(conn_id).list_accounts()


class TestThoughtly:
    def test_headers_and_paging(
        self, serve: Callable[..., str], scripted: ScriptedServer, read: Read
    ) -> None:
        read(serve("thoughtly", {"id": "1"}), {"tags": ["a", "b"], "phone_numbers_only": "True"})
        assert scripted.asked[0].headers["x-api-token"] == "secret-of-the-test"
        assert scripted.asked[0].headers["team_id"] == "team-of-the-test"
        assert "authorization" not in scripted.asked[0].headers
        assert scripted.asked[0].params == {
            "tags": ["a", "b"],
            "phone_numbers_only": ["true"],
            "limit": ["50"],
            "page": ["0"],
        }

    @pytest.mark.parametrize("team_id", ["", None, "  "])
    def test_team_id_is_required(self, team_id: Any, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(InvalidConnection, match=r"no Team ID. Enter it in the field Team ID \(`team_id`"):
            read(sandbox.connect("thoughtly", extra={"team_id": team_id}))
        assert not sandbox.requests("thoughtly")

    def test_invalid_team(self, sandbox: Sandbox) -> None:
        worked, message = ThoughtlyHook(
            sandbox.connect("thoughtly", extra={"team_id": "other"})
        ).test_connection()
        assert not worked
        assert "`team_id`" in message

    def test_pages_counted_from_one(
        self, connect: Callable[..., str], scripted: ScriptedServer, read: Read
    ) -> None:
        people = [{"id": str(number)} for number in range(120)]

        def decide(asked: Asked) -> Reply:
            page = max(1, int(asked.params["page"][0]))
            return Reply(body=CASES["thoughtly"].page(*people[(page - 1) * 50 : page * 50]))

        scripted.decide = decide
        conn_id = connect("scripted", **{**CASES["thoughtly"].parts, "host": scripted.url})
        assert [contact.contact_id for contact in read(conn_id)] == [one["id"] for one in people]

    def test_shorter_pages_than_requested(
        self, connect: Callable[..., str], scripted: ScriptedServer, read: Read
    ) -> None:
        def decide(asked: Asked) -> Reply:
            page = int(asked.params["page"][0])
            return Reply(
                body=CASES["thoughtly"].page(
                    *[{"id": str(n)} for n in range(page * 20, min(45, page * 20 + 20))]
                )
            )

        scripted.decide = decide
        conn_id = connect("scripted", **{**CASES["thoughtly"].parts, "host": scripted.url})
        assert len(read(conn_id)) == 45

    def test_published_rate_is_kept(self, sandbox: Sandbox) -> None:
        hook = ThoughtlyHook()
        limiter = hook._get_transport(hook.settings)._limiter
        assert limiter is not None
        assert limiter.rates == ((100, 60.0),)

    def test_mapping(self, serve: Callable[..., str], read: Read) -> None:
        record = {
            "id": "c1",
            "name": "Ada L.",
            "email": "",
            "phone_number": "+12125550123",
            "country_code": "US",
            "tags": ["called"],
            "attributes": {"first_name": "Ada", "company": "Engines", "title": 5},
            "created_at": "2023-11-07T05:31:56Z",
        }
        [contact] = read(serve("thoughtly", record))
        assert (contact.account_id, contact.first_name, contact.company) == (
            "team-of-the-test",
            "Ada",
            "Engines",
        )
        assert (contact.email, contact.title, contact.replied) == (None, None, None)
        assert contact.created_at == TIMES
        assert contact.identity_keys() == ("phone:+12125550123",)


class TestMailstand:
    def test_basic_auth_and_paging(
        self, serve: Callable[..., str], scripted: ScriptedServer, read: Read
    ) -> None:
        read(serve("mailstand", {"id": "1"}))
        expected = base64.b64encode(b"secret-of-the-test:").decode()
        assert scripted.asked[0].headers["authorization"] == f"Basic {expected}"
        assert scripted.asked[0].params == {"workspace": ["space_test"], "display": ["2000"], "page": ["1"]}

    def test_workspace_is_required(self, sandbox: Sandbox, read: Read) -> None:
        conn_id = sandbox.connect("mailstand", extra={"workspace": ""})
        with pytest.raises(InvalidConnection, match=r"the field Workspace \(`workspace`.*or set the filter"):
            read(conn_id)
        assert len(read(conn_id, {"workspace": "space_sandbox"})) == 60
        worked, message = ContactsHook.for_connection(conn_id).test_connection()
        assert worked
        assert "Still missing: Mailstand lists the contacts of one workspace" in message
        assert sandbox.requests("mailstand")[-1]["path"] == "/workspaces"

    def test_filter_overrides_the_connections_workspace(self, sandbox: Sandbox, read: Read) -> None:
        assert read("mailstand_default", {"workspace": "space_empty"}) == []

    def test_workspace_of_the_connection_is_checked(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(
            InvalidConnection, match="Connection 'mailstand_default'.*`workspace` must be a workspace id"
        ):
            read(sandbox.connect("mailstand", extra={"workspace": "My Space"}))

    def test_missing_record_is_not_found(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(NotFound, match="returned 400 .Missing Record"):
            read("mailstand_default", {"workspace": "space_other"})

    def test_two_kinds_of_429(self, sandbox: Sandbox, read: Read) -> None:
        credits = '{"statusCode": 429, "error": "Too Many Requests", "message": "not enough credits"}'
        sandbox.fail("mailstand", status=429, body=credits, times=5)
        with pytest.raises(QuotaExhausted, match="not enough credits"):
            read("mailstand_default")
        assert len(sandbox.requests("mailstand")) == 1
        sandbox.state.reset()
        fast = '{"statusCode": 429, "error": "Rate Limited", "message": "slow down"}'
        sandbox.fail("mailstand", status=429, body=fast, times=1)
        assert len(read("mailstand_default")) == 60
        sandbox.fail("mailstand", status=429, body=fast, times=9)
        with pytest.raises(RateLimited, match="requests_per_minute"):
            read(sandbox.connect("mailstand", extra={"retry_limit": 0}))

    def test_published_rate_is_never_exceeded(self, sandbox: Sandbox) -> None:
        list(MailstandHook(page_size=1).list_contacts())
        assert {entry["status"] for entry in sandbox.requests("mailstand")} == {200}

    def test_errors_as_an_array(
        self, connect: Callable[..., str], scripted: ScriptedServer, read: Read
    ) -> None:
        scripted.replies = [
            Reply(status=400, body=[{"statusCode": 400, "error": "Missing Record", "message": "no"}])
        ]
        with pytest.raises(NotFound):
            read(connect("scripted", **{**CASES["mailstand"].parts, "host": scripted.url}))

    def test_mapping(self, serve: Callable[..., str], read: Read) -> None:
        record = {
            "id": "contact_1",
            "email": "ada@engines.example",
            "stage": "Interested",
            "full_name": "Ada L.",
            "mobile_phone": "",
            "home_phone": "1 (212) 555-0123",
            "country": "USA",
            "created": 1654714807,
            "created_at": "47 minutes ago",
            "last_updated": "47 minutes ago",
            "last_reply": 1654714808,
            "last_open": None,
            "last_bounce": "1654714809",
        }
        [contact] = read(serve("mailstand", record))
        assert (contact.account_id, contact.stage, contact.replied) == ("space_test", "Interested", True)
        assert contact.created_at == datetime(2022, 6, 8, 19, 0, 7, tzinfo=timezone.utc)
        assert contact.replied_at == datetime(2022, 6, 8, 19, 0, 8, tzinfo=timezone.utc)
        assert contact.bounced_at == datetime(2022, 6, 8, 19, 0, 9, tzinfo=timezone.utc)
        assert (contact.opened_at, contact.updated_at) == (None, None)
        assert contact.identity_keys() == ("email:ada@engines.example", "phone:+12125550123")

    @pytest.mark.parametrize(
        ("record", "replied"),
        [({}, None), ({"last_reply": None}, False), ({"last_reply": 5}, True), ({"stage": "Replied"}, None)],
    )
    def test_replied_has_three_values(
        self, record: Any, replied: bool | None, serve: Callable[..., str], read: Read
    ) -> None:
        [contact] = read(serve("mailstand", {"id": "1", **record}))
        assert contact.replied is replied

    @pytest.mark.sandbox(contacts=4100)
    def test_contact_removed_during_the_listing(self, sandbox: Sandbox) -> None:
        """If one is removed before the last page, another one moves, so the listing is read again."""
        conn_id = sandbox.connect("mailstand", extra={"max_concurrency": 1})
        contacts = MailstandHook(conn_id).list_contacts(raw=False)
        first = next(contacts)
        table = sandbox.state.tables["mailstand"]
        table.remove(table.find(first.contact_id)[0])
        seen = {(contact.account_id, contact.contact_id) for contact in contacts}
        assert seen == sandbox.keys("mailstand")
        assert len(sandbox.requests("mailstand")) == 6


class TestTether:
    def test_bearer_and_paging(self, serve: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
        read(serve("tether", {"_id": "1"}))
        assert scripted.asked[0].headers["authorization"] == "Bearer secret-of-the-test"
        assert scripted.asked[0].params == {"ownerFilter": ["all"], "size": ["200"], "page": ["1"]}

    def test_default_owner_filter_would_hide_contacts(self, sandbox: Sandbox, read: Read) -> None:
        assert len(read("tether_default", {"ownerFilter": "my"})) < len(read("tether_default")) == 60
        mine = read("tether_default", {"owner": "a" * 24})
        assert 0 < len(mine) < 60
        assert "ownerFilter" not in sandbox.requests("tether")[-1]["params"]

    def test_instance_url_is_required(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(InvalidConnection, match="has no Host. Enter the URL of your Tether instance"):
            read(sandbox.connect("tether", host=""))

    def test_token_without_login(self, sandbox: Sandbox, read: Read) -> None:
        conn_id = sandbox.connect("tether", login="", password="sandbox-token")
        assert len(read(conn_id)) == 60
        assert all(entry["method"] == "GET" for entry in sandbox.requests("tether"))

    @pytest.mark.parametrize("total", [{}, {"total": 2}])
    def test_older_shape(
        self, total: Any, connect: Callable[..., str], scripted: ScriptedServer, read: Read
    ) -> None:
        pages = [{"data": [{"_id": "1"}, {"_id": "2"}], **total}, {"data": []}]
        scripted.replies = [Reply(body=page) for page in pages]
        conn_id = connect("scripted", **{**CASES["tether"].parts, "host": scripted.url})
        assert [contact.contact_id for contact in read(conn_id)] == ["1", "2"]
        assert len(scripted.asked) == (1 if total else 2)

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
        self, phone: Any, expected: str | None, serve: Callable[..., str], read: Read
    ) -> None:
        [contact] = read(serve("tether", {"_id": "1", "phoneNumber": phone, "email": phone}))
        assert contact.phone == contact.email == expected

    def test_mapping(self, serve: Callable[..., str], read: Read) -> None:
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


# One that follows a cursor, and one whose pages are fetched ahead.
@pytest.mark.parametrize("vendor", ["talktohumans", "tether"])
@pytest.mark.parametrize("end", ["break", "raise RuntimeError('mine')", "await asyncio.sleep(0); break"])
def test_stopping_an_async_listing_early_is_silent(vendor: str, end: str, sandbox: Sandbox) -> None:
    code = (
        "import asyncio\n"
        "from airflow_provider_contacts.hooks.base import ContactsHook\n"
        "async def main():\n"
        f"    hook = await ContactsHook.afor_connection('{vendor}_default', page_size=5)\n"
        "    async for contact in hook.alist_contacts():\n"
        f"        {end}\n"
        "try:\n    asyncio.run(main())\nexcept RuntimeError as error:\n    assert str(error) == 'mine'\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "never" not in done.stderr


def test_connection_test_has_a_deadline(connect: Callable[..., str], scripted: ScriptedServer) -> None:
    scripted.replies = [Reply(body=b"{" + b" " * 10_000, drip=0.05)]
    conn_id = connect("scripted", **{**CASES["tether"].parts, "host": scripted.url})
    started = time.monotonic()
    worked, message = TetherHook(conn_id).test_connection()
    assert not worked
    assert "within 10 s. Check Host" in message
    assert time.monotonic() - started < 11
