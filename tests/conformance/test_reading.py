"""What holds for reading at every vendor, sync and async."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_contacts.errors import (
    AuthenticationError,
    ContactsError,
    IncompleteListing,
    InvalidConnection,
    InvalidRequest,
    MalformedRecord,
    MalformedResponse,
    NotFound,
    PermissionDenied,
    RateLimited,
    VendorUnavailable,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.hooks.registry import hook_classes
from tests.conftest import Read, Sandbox
from tests.leaks import everything_about
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.vendors import CASES, VENDORS

pytestmark = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture
def point(connect: Callable[..., str], scripted: ScriptedServer) -> Callable[..., str]:
    """Point a vendor's connection at the scripted server."""

    def pointed(vendor: str, **changes: Any) -> str:
        parts = {**CASES[vendor].parts, "host": scripted.url, **changes}
        parts["extra"] = {**CASES[vendor].parts.get("extra", {}), **changes.get("extra", {})}
        return connect(f"{vendor}_default", **parts)

    return pointed


def keys(contacts: list[Any]) -> list[tuple[str, str]]:
    return [(contact.account_id, contact.contact_id) for contact in contacts]


class TestComplete:
    def test_every_contact_is_returned_once(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        contacts = read(f"{vendor}_default")
        assert len(contacts) == len(set(keys(contacts)))
        assert set(keys(contacts)) == sandbox.keys(vendor)
        assert {contact.vendor for contact in contacts} == {vendor}

    @pytest.mark.parametrize("size", [1, 7, 20, 25])
    def test_any_page_size(self, vendor: str, size: int, sandbox: Sandbox, read: Read) -> None:
        assert set(keys(read(f"{vendor}_default", page_size=size))) == sandbox.keys(vendor)

    @pytest.mark.parametrize("limit", [1, 24, 25, 26, 60, 500])
    def test_limit(self, vendor: str, limit: int, sandbox: Sandbox, read: Read) -> None:
        contacts = read(f"{vendor}_default", limit=limit)
        assert len(set(keys(contacts))) == min(limit, 60)
        size = min(limit, ContactsHook.for_connection(f"{vendor}_default").vendor.contacts.paging.max_size)
        pages = [entry for entry in sandbox.requests(vendor) if entry["method"] == "GET"]
        assert len(pages) <= -(-limit // size) + 1

    def test_raw_is_the_vendors_json(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        rows = {(row.account_id, row.contact_id): row for row in sandbox.state.tables[vendor].rows}
        with_raw, without = read(f"{vendor}_default"), read(f"{vendor}_default", raw=False)
        for contact in with_raw:
            assert bytes(contact.raw) == rows[contact.account_id, contact.contact_id].json()
        assert [contact.to_dict() for contact in with_raw] == [contact.to_dict() for contact in without]
        assert all("raw" not in contact.to_dict() for contact in with_raw)
        json.dumps([contact.to_dict() for contact in with_raw])

    def test_raw_contacts_are_the_same_contacts(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        hook = ContactsHook.for_connection(f"{vendor}_default")
        raw = [(contact.reference(), bytes(contact.raw)) for contact in hook.list_raw_contacts()]
        assert raw == [(contact.reference(), bytes(contact.raw)) for contact in read(f"{vendor}_default")]
        narrow = CASES[vendor].samples.narrow
        some = {contact.contact_id for contact in hook.list_raw_contacts(narrow)}
        assert some == {contact.contact_id for contact in hook.list_contacts(narrow)}

    def test_repr_contains_no_personal_data(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        for contact in read(f"{vendor}_default", limit=10):
            shown = repr(contact)
            for value in (contact.name, contact.email, contact.phone, contact.linkedin_url):
                assert not value or value not in shown

    @pytest.mark.sandbox(contacts=0)
    def test_empty_account(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        assert read(f"{vendor}_default") == []
        assert sandbox.requests(vendor)

    def test_records_with_mistyped_fields_are_kept(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        case = CASES[vendor]
        odd, nulls = (
            {**case.record(2), **case.samples.odd_values},
            {**case.record(3), **dict.fromkeys(case.samples.odd_values)},
        )
        page = case.page(case.record(1), odd, nulls)
        scripted.replies = [Reply(body=page), Reply(body=case.page())]
        contacts = read(point(vendor))
        assert [contact.contact_id for contact in contacts] == ["1", "2", "3"]
        assert json.loads(bytes(contacts[1].raw)) == odd
        for contact in contacts:
            assert contact.replied_at is None
            json.dumps(contact.to_dict())

    def test_numeric_ids_become_text(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        case = CASES[vendor]
        scripted.replies = [Reply(body=case.page({case.samples.id_key: 42})), Reply(body=case.page())]
        assert [contact.contact_id for contact in read(point(vendor), raw=False)] == ["42"]

    @pytest.mark.parametrize("record", [{"name": "No Id"}, "id", None])
    def test_record_without_id(
        self, vendor: str, record: Any, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        case = CASES[vendor]
        scripted.replies = [Reply(body=case.page(case.record(1), record))]
        with pytest.raises(MalformedRecord, match="Record 2 of a page") as caught:
            read(point(vendor), raw=False)
        assert json.loads(caught.value.raw) == record
        assert "No Id" not in str(caught.value)

    def test_empty_id(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        scripted.replies = [Reply(body=CASES[vendor].page({CASES[vendor].samples.id_key: ""}))]
        with pytest.raises(MalformedRecord, match="empty id"):
            read(point(vendor), raw=False)


class TestFilters:
    def test_every_documented_filter_is_accepted(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        case = CASES[vendor]
        declared = ContactsHook.for_connection(case.conn_id).vendor.contacts.filters.__annotations__
        assert set(declared) == set(case.samples.filters)
        for name, value in case.samples.filters.items():
            sandbox.state.requests.clear()
            read(case.conn_id, {name: value})
            assert all(
                name in entry["params"] for entry in sandbox.requests(vendor) if entry["method"] == "GET"
            )

    def test_filter_is_applied(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        contacts = read(f"{vendor}_default", CASES[vendor].samples.narrow)
        assert 0 < len(contacts) < 60
        for contact in contacts:
            assert "VIP" in contact.tags or contact.stage in ("Interested", "Qualified")

    def test_unknown_filter(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        for name in ("tagg", "searc", "stge", "Search", "", "cursor ", "x-api-token"):
            with pytest.raises(InvalidRequest, match=f"Unknown filter `{name}`") as caught:
                read(f"{vendor}_default", {name: "someone@example.com"})
            assert "someone" not in str(caught.value)
        assert not sandbox.requests(vendor)

    def test_misspelled_filter_is_suggested(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(InvalidRequest, match="Did you mean `search`"):
            read(f"{vendor}_default", {"serach": "a"})

    @pytest.mark.parametrize("value", ["", None, [], {}])
    def test_empty_value_never_widens_a_listing(
        self, vendor: str, value: Any, sandbox: Sandbox, read: Read
    ) -> None:
        for name in CASES[vendor].samples.filters:
            with pytest.raises(InvalidRequest, match=f"`{name}` is empty"):
                read(f"{vendor}_default", {name: value})
        assert not sandbox.requests(vendor)

    def test_value_outside_its_set(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        name, value = CASES[vendor].samples.enumerated, "nonsense@example.com"
        with pytest.raises(InvalidRequest, match=f"`{name}` must be") as caught:
            read(f"{vendor}_default", {name: value})
        assert "nonsense" not in str(caught.value)
        assert not sandbox.requests(vendor)

    def test_paging_parameters_are_not_filters(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        paging = ContactsHook.for_connection(f"{vendor}_default").vendor.contacts.paging
        for name in paging.reserved_params:
            with pytest.raises(InvalidRequest, match=f"`{name}` cannot be a filter"):
                read(f"{vendor}_default", {name: 1})

    def test_filters_must_be_a_mapping(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(InvalidRequest, match="mapping"):
            read(f"{vendor}_default", "search=a")  # type: ignore[arg-type]

    def test_invalid_page_size_and_limit(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        for page_size in (0, -1, 100_000, "5"):
            with pytest.raises(InvalidRequest, match="must be"):
                read(f"{vendor}_default", page_size=page_size)  # type: ignore[arg-type]
        for limit in (0, -5, "5", 2.5):
            with pytest.raises(InvalidRequest, match="must be"):
                read(f"{vendor}_default", limit=limit)
        assert not sandbox.requests(vendor)


class TestConnection:
    def test_invalid_key(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        conn_id = sandbox.connect(vendor, password="not-the-key")
        with pytest.raises(AuthenticationError, match=r"Check the fields? .*\(password\)") as caught:
            read(conn_id)
        assert "not-the-key" not in str(caught.value)
        assert len(sandbox.requests(vendor)) == 1

    def test_missing_key(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(InvalidConnection, match=r"Enter it in the field .*\(password\)"):
            read(sandbox.connect(vendor, password=""))
        assert not sandbox.requests(vendor)

    @pytest.mark.parametrize(
        "host",
        ["http://contacts.example", "http://192.0.2.1:80", "http://localhost.evil.example"],
    )
    def test_plain_http_is_rejected_except_on_loopback(
        self, vendor: str, host: str, sandbox: Sandbox, read: Read
    ) -> None:
        with pytest.raises(InvalidConnection, match="Host of connection .* plain http"):
            read(sandbox.connect(vendor, host=host))

    def test_missing_connection(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(InvalidConnection, match="'nowhere' does not exist.*AIRFLOW_CONN_NOWHERE"):
            read("nowhere")

    def test_connection_of_another_provider(
        self, vendor: str, connect: Callable[..., str], read: Read
    ) -> None:
        for conn_type in ("smtp", "unheard_of"):
            with pytest.raises(InvalidConnection, match=f"has the type '{conn_type}'"):
                read(connect("other", conn_type=conn_type, host="localhost"), page_size=5)

    def test_host_with_path_prefix(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        scripted.replies = [
            Reply(body=CASES[vendor].page(CASES[vendor].record(1))),
            Reply(body=CASES[vendor].page()),
        ]
        assert len(read(point(vendor, host=f"{scripted.url}/behind/a/proxy/"))) == 1
        assert scripted.received[0].path == f"/behind/a/proxy{CASES[vendor].samples.path}"
        assert scripted.received[0].headers["user-agent"].startswith("airflow-provider-contacts/")

    def test_check(self, vendor: str, sandbox: Sandbox) -> None:
        assert ContactsHook.for_connection(f"{vendor}_default").test_connection() == (
            True,
            f"{CASES[vendor].title} accepts the credentials at {sandbox.url}/{vendor}.",
        )
        worked, message = ContactsHook.for_connection(
            sandbox.connect(vendor, password="wrong")
        ).test_connection()
        assert not worked
        assert "Check the field" in message
        assert "wrong" not in message
        worked, message = ContactsHook.for_connection(sandbox.connect(vendor, password="")).test_connection()
        assert not worked
        assert "(password)" in message

    def test_misspelled_extra(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        conn_id = sandbox.connect(vendor, extra={"requests_per_min": 1})
        with pytest.raises(
            InvalidConnection, match="unknown field `requests_per_min`. Did you mean `requests_per_minute`"
        ):
            read(conn_id)

    def test_http_server_behind_https(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        started = time.monotonic()
        with pytest.raises(VendorUnavailable, match="does not speak TLS.*write http:// in Host"):
            read(sandbox.connect(vendor, host=sandbox.url.removeprefix("http://")))
        assert time.monotonic() - started < 3

    def test_netrc_does_not_replace_the_credentials(
        self, vendor: str, sandbox: Sandbox, read: Read, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login other password other\ndefault login other password other\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        assert read(f"{vendor}_default")


class TestFaults:
    @pytest.mark.parametrize(
        "fault",
        [
            {"status": 500},
            {"status": 502, "body": "<html>", "content_type": "text/html"},
            {"status": 503, "retry_after": "0"},
            {"status": 504},
            {"status": 408},
            {"reset": True},
            {"cut": True},
            {"status": 200, "body": '{"data": {"contacts": [{"id'},
        ],
        ids=lambda fault: "-".join(str(value) for value in fault.values())[:20],
    )
    def test_transient_faults_are_retried(
        self, vendor: str, fault: dict[str, Any], sandbox: Sandbox, read: Read
    ) -> None:
        sandbox.fail(vendor, path=CASES[vendor].samples.path, **fault)
        assert set(keys(read(f"{vendor}_default"))) == sandbox.keys(vendor)

    def test_timeout(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        sandbox.fail(vendor, path=CASES[vendor].samples.path, latency=0.5)
        with pytest.raises(VendorUnavailable, match=r"No response within 0.2 s \(timeout of connection"):
            read(sandbox.connect(vendor, extra={"timeout": 0.2, "retry_limit": 0}))

    def test_retries_end(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        sandbox.fail(vendor, path=CASES[vendor].samples.path, status=503, times=10)
        with pytest.raises(VendorUnavailable, match="returned 503"):
            read(sandbox.connect(vendor, extra={"retry_limit": 1}))
        assert len([entry for entry in sandbox.requests(vendor) if entry["status"] == 503]) == 2

    def test_retry_after_is_respected(self, vendor: str, sandbox: Sandbox, read: Read) -> None:
        body = '{"statusCode": 429, "error": "Rate Limited", "message": "slow down"}'
        sandbox.fail(vendor, path=CASES[vendor].samples.path, status=429, body=body, retry_after="1")
        assert set(keys(read(f"{vendor}_default"))) == sandbox.keys(vendor)
        entries = [entry for entry in sandbox.requests(vendor) if entry["path"] == CASES[vendor].samples.path]
        assert entries[0]["status"] == 429
        assert entries[1]["at"] - entries[0]["at"] >= 0.99

    @pytest.mark.parametrize("status", [429, 503])
    def test_long_retry_after_is_not_slept(
        self, vendor: str, status: int, sandbox: Sandbox, read: Read
    ) -> None:
        body = '{"error": "Rate Limited", "message": "slow down"}'
        sandbox.fail(
            vendor, path=CASES[vendor].samples.path, status=status, body=body, retry_after="3600", times=9
        )
        started = time.monotonic()
        with pytest.raises(RateLimited, match="3600 s") as caught:
            read(f"{vendor}_default")
        assert caught.value.retry_after == 3600
        assert time.monotonic() - started < 5

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (400, InvalidRequest),
            (401, AuthenticationError),
            (403, PermissionDenied),
            (404, NotFound),
            (409, InvalidRequest),
            (422, InvalidRequest),
            (501, VendorUnavailable),
        ],
    )
    def test_status(
        self,
        vendor: str,
        status: int,
        error: type[ContactsError],
        read: Read,
        scripted: ScriptedServer,
        point: Callable[..., str],
    ) -> None:
        scripted.replies = [Reply(status=status, body={"error": {"code": "nope", "message": "it is so"}})]
        with pytest.raises(
            error, match=rf"GET {CASES[vendor].samples.path} returned {status} \(nope: it is so\)"
        ) as caught:
            read(point(vendor))
        assert type(caught.value) is error
        # A rejected page size looks the same, so a smaller one is tried once.
        has_large_pages = hook_classes()[vendor].vendor.contacts.paging.max_size > 50
        assert len(scripted.received) == (2 if status in (400, 422) and has_large_pages else 1)

    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_web_page_of_a_proxy_is_transient(
        self, vendor: str, status: int, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        page = b"<html><body>nginx secret-of-the-test</body></html>"
        scripted.replies = [Reply(status=status, body=page, headers={"Content-Type": "text/html"})]
        with pytest.raises(VendorUnavailable, match="probably from a proxy or web server") as caught:
            read(point(vendor, extra={"retry_limit": 1}))
        assert caught.value.transient
        assert not caught.value.permanent
        assert "secret-of-the-test" not in everything_about(caught.value)
        assert len(scripted.received) == 2

    def test_connection_refused(self, vendor: str, connect: Callable[..., str], read: Read) -> None:
        parts = {**CASES[vendor].parts, "host": "http://127.0.0.1:9"}
        parts["extra"] = {**parts.get("extra", {}), "retry_limit": 0}
        with pytest.raises(VendorUnavailable, match="check Host of connection"):
            read(connect("gone", **parts))


class TestMalformed:
    @pytest.mark.parametrize(
        ("body", "match"),
        [
            (b"<!doctype html><html>Welcome</html>", "web page.*Host"),
            (b"Welcome", "not JSON"),
            (b"", "not JSON"),
            (b"null", "no list of contacts"),
            (b"[]", "no list of contacts"),
            (b"{}", "no list of contacts"),
            (b'{"data": null}', "no list of contacts"),
            (b'{"data": {"contacts": null}}', "no list of contacts"),
            (b'{"data": {"contacts": {"1": {}}}}', "no list of contacts"),
            (b'{"contacts": []}', "no list of contacts"),
            (b"\xff\xfe{}", "not JSON"),
        ],
    )
    def test_response_that_is_not_a_page(
        self,
        vendor: str,
        body: bytes,
        match: str,
        read: Read,
        scripted: ScriptedServer,
        point: Callable[..., str],
    ) -> None:
        scripted.replies = [Reply(body=body)]
        with pytest.raises(MalformedResponse, match=match):
            read(point(vendor), raw=False)
        assert len(scripted.received) == 1

    @pytest.mark.parametrize(
        "body",
        [
            {"error": {"code": "quota", "message": "for someone@example.com"}},
            {"data": {}, "error": {"message": "for someone@example.com"}},
            {"success": False, "message": "for someone@example.com"},
            {"errors": [{"message": "for someone@example.com"}]},
            [{"error": "quota", "message": "for someone@example.com"}],
            {"message": "for someone@example.com", "code": "quota"},
        ],
    )
    def test_error_inside_a_200(
        self, vendor: str, body: Any, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        scripted.replies = [Reply(body=body)]
        with pytest.raises(MalformedResponse, match=r"returned 200 with an error in its body .*for \*\*\*"):
            read(point(vendor), raw=False)

    def test_error_next_to_contacts(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        page = CASES[vendor].page(CASES[vendor].record(1))
        scripted.replies = [Reply(body={**page, "error": {"code": 401, "message": "no"}})]
        with pytest.raises(AuthenticationError):
            read(point(vendor))

    def test_byte_order_mark(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        case = CASES[vendor]
        marked = b"\xef\xbb\xbf" + json.dumps(case.page(case.record(1))).encode()
        scripted.replies = [Reply(body=marked), Reply(body=case.page())]
        assert len(read(point(vendor))) == 1

    def test_repeated_page(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        case = CASES[vendor]
        # As many as a page may have. A shorter one that is repeated is the last one.
        size = hook_classes()[vendor].vendor.contacts.paging.max_size
        records = [case.record(number + 1) for number in range(size)]
        scripted.replies = [Reply(body=case.page(*records, last=False))]
        with pytest.raises(
            (MalformedResponse, IncompleteListing), match=f"{case.title}: GET {case.samples.path}"
        ):
            read(point(vendor, extra={"requests_per_minute": 100_000}))


class TestSecrets:
    def test_redirect_to_another_origin(
        self, vendor: str, sandbox: Sandbox, read: Read, scripted: ScriptedServer
    ) -> None:
        sandbox.fail(
            vendor,
            path=CASES[vendor].samples.path,
            status=302,
            location=f"{scripted.url}/x?search=someone",
        )
        with pytest.raises(InvalidConnection, match="redirected to another address") as caught:
            read(f"{vendor}_default")
        assert "someone" not in str(caught.value)
        assert scripted.received == []

    def test_redirect_within_the_origin(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        case = CASES[vendor]
        pages = iter([case.page(case.record(1)), case.page()])

        def respond(request: ReceivedRequest) -> Reply:
            if request.path == case.samples.path:
                return Reply(status=307, headers={"Location": f"/moved?{request.query}"})
            return Reply(body=next(pages))

        scripted.respond = respond
        assert len(read(point(vendor), {"search": "Ada Lovelace"})) == 1
        assert scripted.received[1].path == "/moved"
        assert scripted.received[1].params["search"] == ["Ada Lovelace"]

    def test_redirect_that_drops_the_query(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        scripted.replies = [Reply(status=301, headers={"Location": "/moved"})]
        with pytest.raises(InvalidConnection, match="redirected to a different query"):
            read(point(vendor), {"search": "Ada"})
        assert len(scripted.received) == 1

    def test_too_many_redirects(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        scripted.respond = lambda request: Reply(status=307, headers={"Location": f"/again?{request.query}"})
        with pytest.raises(InvalidConnection, match="too many redirects"):
            read(point(vendor))
        assert len(scripted.received) == 6

    def test_no_redirect_sends_credentials_elsewhere(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        with ScriptedServer() as evil:
            evil.replies = [Reply(body=CASES[vendor].page())]
            where = evil.url.removeprefix("http://")
            scripted.respond = lambda request: Reply(
                status=302, headers={"Location": f"//{where}/x?{request.query}"}
            )
            with pytest.raises(InvalidConnection, match="is redirected to"):
                read(point(vendor))
            assert evil.received == []
        assert len(scripted.received) == 1

    def test_sent_values_are_masked_in_error_messages(
        self, vendor: str, read: Read, scripted: ScriptedServer, point: Callable[..., str]
    ) -> None:
        case = CASES[vendor]

        def echo(request: Any) -> Reply:
            said = (
                json.dumps([request.headers, request.params])
                + " call +1 (212) 555-0123 or a.b@c.example\n\x1b[31m"
            )
            return Reply(status=400, body={"message": said, "code": "echo"})

        scripted.respond = echo
        with pytest.raises(InvalidRequest) as caught:
            read(point(vendor), {"search": "Ada Lovelace"})
        message = str(caught.value)
        for secret in (
            "secret-of-the-test",
            "team-of-the-test",
            "c2VjcmV0",
            "Lovelace",
            "555-0123",
            "a.b@c",
            "\x1b",
            "\n",
        ):
            assert secret not in message
        assert case.samples.path in message

    def test_no_query_in_any_log(
        self,
        vendor: str,
        sandbox: Sandbox,
        read: Read,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level("DEBUG")
        sandbox.fail(vendor, path=CASES[vendor].samples.path, status=503)
        read(f"{vendor}_default", {"search": "lovelace"})
        lines = "\n".join([record.getMessage() for record in caplog.records] + list(capsys.readouterr()))
        assert "returned 503" in lines
        assert "lovelace" not in lines
        assert "sandbox-key" not in lines
        assert "sandbox-password" not in lines

    def test_session_drops_credentials_on_a_redirect(
        self, vendor: str, sandbox: Sandbox, scripted: ScriptedServer
    ) -> None:
        scripted.replies = [Reply()]
        if vendor == "tether":
            sandbox.connect(vendor, login="", password="sandbox-token")
        sandbox.fail(vendor, status=302, location=scripted.url)
        session = ContactsHook.for_connection(f"{vendor}_default").get_conn()
        session.get(f"{sandbox.url}/{vendor}{CASES[vendor].samples.path}", timeout=5)
        assert not {"authorization", "x-api-token", "team_id"} & scripted.received[0].headers.keys()
