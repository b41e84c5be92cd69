from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_contacts.errors import (
    AuthenticationError,
    ContactsError,
    InvalidRequest,
    RateLimited,
    UnsupportedByVendor,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.updates import (
    UpdateContactNotesOperator,
    UpdateContactStageOperator,
    UpdateContactTagsOperator,
)
from tests.conftest import Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.stores import BrokenStore, Store


def run(
    kind: type, templates: dict[str, Any] | None = None, store: Store | None = None, **arguments: Any
) -> Any:
    with DAG("test", schedule=None):
        operator = kind(task_id="update", **arguments)
    operator.render_template_fields(templates or {})
    return operator.execute({"task_state_store": store} if store else {})


def tag(contacts: Any, **arguments: Any) -> Any:
    arguments = {"add": ["New"], **arguments}
    return run(
        UpdateContactTagsOperator, contacts_conn_id="talktohumans_default", contacts=contacts, **arguments
    )


def listed(vendor: str = "talktohumans") -> list[dict[str, Any]]:
    return [contact.to_dict() for contact in ContactsHook.for_connection(f"{vendor}_default").list_contacts()]


def patches(sandbox: Sandbox) -> list[str]:
    return [entry["path"] for entry in sandbox.requests("talktohumans") if entry["method"] == "PATCH"]


def reference(contact: dict[str, Any]) -> dict[str, Any]:
    return {key: contact[key] for key in ("vendor", "account_id", "contact_id")}


def test_tags_of_listed_contacts(sandbox: Sandbox) -> None:
    contacts = listed()
    result = tag(contacts, add=["VIP"])
    rows = sandbox.state.tables["talktohumans"].rows
    assert all("VIP" in row.tags for row in rows)
    had = [reference(one) for one in contacts if "VIP" in one["tags"]]
    assert had
    assert result["unchanged"] == had
    assert len(result["updated"]) == len(patches(sandbox)) == 60 - len(had)
    assert result["failed"] == []
    json.dumps(result)
    assert tag(listed(), add=["VIP"])["updated"] == []


def test_references_and_ids(sandbox: Sandbox) -> None:
    contacts = [reference(one) for one in listed()[:8]]
    assert tag(contacts)["updated"] == contacts
    row = sandbox.state.tables["talktohumans"].rows[0]
    assert tag([row.contact_id, int(row.contact_id)], add=["By id"])["updated"] == [
        {"vendor": "talktohumans", "account_id": "", "contact_id": row.contact_id}
    ]
    assert "By id" in row.tags


def test_templates(sandbox: Sandbox) -> None:
    row = sandbox.state.tables["talktohumans"].rows[0]
    tag(
        "{{ who }}",
        templates={"who": row.contact_id, "tag": "From a template", "most": 1},
        add=["{{ tag }}"],
        max_updates="{{ most }}",
        preview="{{ False }}",
    )
    assert "From a template" in row.tags


@pytest.mark.parametrize("preview", [True, "True"])
def test_preview_writes_nothing(preview: Any, sandbox: Sandbox) -> None:
    contacts = listed()
    result = tag(contacts, preview=preview)
    assert result["updated"] == result["failed"] == []
    assert result["would_update"] == [reference(one) for one in contacts]
    assert patches(sandbox) == []


def test_empty_list_succeeds(sandbox: Sandbox) -> None:
    assert tag([]) == {"updated": [], "unchanged": [], "suppressed": [], "unchecked": [], "failed": []}


def test_bulk_stages_and_unknown_contacts(sandbox: Sandbox) -> None:
    contacts = [reference(one) for one in listed("tether")]
    ids = [*contacts[:30], "f" * 24, *contacts[30:]]
    before = len(sandbox.requests("tether"))
    result = run(
        UpdateContactStageOperator, contacts_conn_id="tether_default", contacts=contacts, stage="Lost"
    )
    sent = [entry for entry in sandbox.requests("tether")[before:] if not entry["path"].endswith("/login")]
    assert [entry["method"] for entry in sent] == ["POST", "PUT"]
    assert result["updated"] == contacts
    result = run(
        UpdateContactStageOperator,
        contacts_conn_id="tether_default",
        contacts=ids,
        stage="Qualified",
        on_failure="continue",
    )
    assert result["updated"] == contacts
    assert [one["contact_id"] for one in result["failed"]] == ["f" * 24]
    assert {row.status for row in sandbox.state.tables["tether"].rows} == {"Qualified"}


def test_refused_bulk_request_falls_back_to_single_updates(sandbox: Sandbox) -> None:
    sandbox.fail("tether", method="PUT", status=400, times=99)
    contacts = [reference(one) for one in listed("tether")]
    result = run(
        UpdateContactStageOperator, contacts_conn_id="tether_default", contacts=contacts, stage="Lost"
    )
    assert result["updated"] == contacts
    assert {row.status for row in sandbox.state.tables["tether"].rows} == {"Lost"}


@pytest.mark.parametrize("shown", [{"pipelineStage": None}, {"status": "Other"}])
@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: {"data": one}, lambda one: {"contact": one}])
def test_tether_answer_that_shows_another_stage_is_a_failure(
    shown: dict[str, Any], wrap: Any, connect: Any, scripted: ScriptedServer
) -> None:
    """A status that the contact's own pipeline lacks clears its stage."""
    contact = {"_id": "a" * 24, "status": "Won", "pipelineStage": "b" * 24, **shown}
    scripted.respond = lambda request: Reply(
        body={"stages": ["Won"]} if request.method == "GET" else {"success": True, **wrap(contact)}
    )
    conn_id = connect("t", conn_type="tether", host=scripted.url, password="secret-of-the-test")
    with pytest.raises(
        ContactsError, match="1 of 1 contacts could not be updated.*The response to the update shows"
    ):
        run(UpdateContactStageOperator, contacts_conn_id=conn_id, contacts=["a" * 24], stage="Won")


@pytest.mark.parametrize(
    "answer",
    [
        {"message": "Contact updated successfully"},
        {"success": True, "data": {"_id": "a" * 24, "status": "Won", "pipelineStage": "b" * 24}},
        {"success": True},
    ],
)
def test_tether_answers_that_confirm_an_update(answer: Any, connect: Any, scripted: ScriptedServer) -> None:
    scripted.respond = lambda request: Reply(body={"stages": ["Won"]} if request.method == "GET" else answer)
    conn_id = connect("t", conn_type="tether", host=scripted.url, password="secret-of-the-test")
    result = run(UpdateContactStageOperator, contacts_conn_id=conn_id, contacts=["a" * 24], stage="Won")
    assert len(result["updated"]) == 1


def test_unsupported_vendor_is_reported_before_ids_are_checked(sandbox: Sandbox) -> None:
    with pytest.raises(UnsupportedByVendor, match="Thoughtly's API cannot change the tags"):
        run(
            UpdateContactTagsOperator,
            contacts_conn_id="thoughtly_default",
            contacts=["a@b.example"],
            add=["x"],
        )


@pytest.mark.parametrize("broken", ["get", "set", "delete"])
def test_update_succeeds_although_the_state_store_fails(broken: str, sandbox: Sandbox) -> None:
    store = BrokenStore(broken)
    contacts = listed()
    assert len(tag(contacts, store=store)["updated"]) == len(contacts)


def test_bare_id_and_reference_are_the_same_contact(sandbox: Sandbox) -> None:
    row = sandbox.state.tables["talktohumans"].rows[0]
    named = {"account_id": row.account_id, "contact_id": row.contact_id}
    assert tag([row.contact_id, named])["updated"] == [{"vendor": "talktohumans", **named}]
    assert len(patches(sandbox)) == 1


def test_unknown_tags_are_written(sandbox: Sandbox) -> None:
    contact = next(one for one in listed() if "VIP" in one["tags"])
    assert len(tag([contact], add=["VIP"])["unchanged"]) == 1
    assert len(tag([{**contact, "unknown_fields": ["tags"]}], add=["VIP"])["updated"]) == 1


@pytest.mark.parametrize("on_failure", ["fail", "continue"])
def test_long_retry_after_aborts_the_update(on_failure: str, sandbox: Sandbox) -> None:
    contacts = [reference(one) for one in listed()]
    sandbox.fail("talktohumans", method="PATCH", after=5, times=100, status=429, retry_after="600")
    with pytest.raises(RateLimited) as caught:
        tag(contacts, on_failure=on_failure)
    assert caught.value.retry_after == 600
    assert len(patches(sandbox)) < 20


def test_duplicates_are_updated_once(sandbox: Sandbox) -> None:
    contacts = listed()[:5]
    assert len(tag(contacts + contacts)["updated"]) == 5
    assert len(patches(sandbox)) == 5


@pytest.mark.parametrize(
    ("contacts", "message"),
    [
        (["5000", "x"], "Item 2 of `contacts`: A TalkToHumans contact id must be a decimal id"),
        ([{"contact_id": "5000"}, {"name": "Ada Lovelace"}], "Item 2 of `contacts` has no `contact_id`"),
        ([None], "Item 1 of `contacts` is not"),
        ([True], "Item 1 of `contacts` is not"),
        ([{"vendor": "tether", "contact_id": "1"}], "Item 1 .* belongs to a different vendor"),
        (5.5, "must be a list"),
        ("", "must be a list"),
    ],
)
def test_invalid_contacts_are_rejected_before_the_first_write(
    contacts: Any, message: str, sandbox: Sandbox
) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        tag(contacts)
    assert "Lovelace" not in str(caught.value)
    assert not sandbox.requests("talktohumans")


def test_max_updates_is_checked_before_the_first_write(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidRequest, match="60 contacts would be updated, more than max_updates"):
        tag(listed(), max_updates=59)
    assert patches(sandbox) == []
    assert len(tag(listed(), max_updates=60)["updated"]) == 60


@pytest.mark.parametrize(
    "arguments",
    [{"max_updates": ""}, {"max_updates": 0}, {"on_failure": "ignore"}, {"preview": "maybe"}, {"add": []}],
)
def test_bad_arguments(arguments: dict[str, Any], sandbox: Sandbox) -> None:
    with pytest.raises(InvalidRequest):
        tag(["5000"], **arguments)
    assert not sandbox.requests("talktohumans")


def test_fail_tries_all_and_then_fails(sandbox: Sandbox) -> None:
    contacts = listed()
    sandbox.fail("talktohumans", method="PATCH", status=404, times=3, after=5)
    sandbox.fail("talktohumans", method="PATCH", status=400, times=1, after=20)
    with pytest.raises(
        ContactsError, match=r"4 of 60 contacts could not be updated; 56 were updated. .*NotFound"
    ) as caught:
        tag(contacts)
    assert "InvalidRequest" in str(caught.value)
    rows = sandbox.state.tables["talktohumans"].rows
    assert sum("New" in row.tags for row in rows) == 56


def test_continue_returns_what_failed(sandbox: Sandbox) -> None:
    sandbox.fail("talktohumans", method="PATCH", status=404, times=3, after=5)
    result = tag(listed(), on_failure="continue")
    assert len(result["updated"]) == 57
    assert len(result["failed"]) == 3
    assert all(one["error"].startswith("NotFound: ") for one in result["failed"])
    assert result["failed"][0].keys() == {"vendor", "account_id", "contact_id", "error"}


@pytest.mark.parametrize("on_failure", ["fail", "continue"])
def test_invalid_key_aborts_the_update(on_failure: str, sandbox: Sandbox) -> None:
    contacts = listed()
    sandbox.fail("talktohumans", method="PATCH", status=401, times=99, after=10)
    with pytest.raises(AuthenticationError):
        tag(contacts, on_failure=on_failure)
    assert len(patches(sandbox)) < 20


def test_unsupported(sandbox: Sandbox) -> None:
    with pytest.raises(UnsupportedByVendor, match="Thoughtly's API cannot change the tags"):
        run(UpdateContactTagsOperator, contacts_conn_id="thoughtly_default", contacts=["1"], add=["x"])
    with pytest.raises(UnsupportedByVendor, match="Vendors that can: Mailstand, Tether"):
        run(UpdateContactStageOperator, contacts_conn_id="talktohumans_default", contacts=["1"], stage="x")


def test_notes(sandbox: Sandbox) -> None:
    contacts = listed()[:3]
    run(
        UpdateContactNotesOperator,
        {"run": "r1"},
        contacts_conn_id="talktohumans_default",
        contacts=contacts,
        notes={"seen_by": "{{ run }}"},
    )
    rows = sandbox.state.tables["talktohumans"].rows[:3]
    assert [json.loads(row.notes) for row in rows] == [{"seen_by": "r1"}] * 3


@pytest.mark.parametrize(("vendor", "campaign"), [("mailstand", "all"), ("tether", None)])
def test_stages(vendor: str, campaign: str | None, sandbox: Sandbox) -> None:
    stage = "Nurture" if vendor == "mailstand" else "contacted"
    result = run(
        UpdateContactStageOperator,
        contacts_conn_id=f"{vendor}_default",
        contacts=listed(vendor),
        stage=stage,
        campaign=campaign,
        leave_opt_out=True,
    )
    assert len(result["updated"]) + len(result["unchanged"]) == 60
    table = sandbox.state.tables[vendor]
    assert all(
        (row.stage if vendor == "mailstand" else row.status).casefold() == stage.casefold()
        for row in table.rows
    )
    lookups = [entry for entry in sandbox.requests(vendor) if entry["method"] == "POST"]
    assert len([one for one in lookups if not one["path"].endswith("/login")]) == (vendor == "tether")


@pytest.mark.parametrize("fresh_check", [True, False])
def test_contacts_who_have_opted_out_keep_their_stage(
    fresh_check: bool, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = sandbox.state.tables["mailstand"].rows
    for row in rows:
        row.stage = "Interested"
        sandbox.state.tables["mailstand"].invalidate(row)
    known, unknown, hidden, *_ = rows
    known.stage = "Do Not Contact"
    contacts = listed("mailstand")
    # After the listing; and in a campaign that a listing does not show.
    unknown.stage = "Do Not Contact"
    hidden.other_stages = {"camp_other": "Do Not Contact"}
    result = run(
        UpdateContactStageOperator,
        contacts_conn_id="mailstand_default",
        contacts=contacts,
        stage="Nurture",
        campaign="all",
        fresh_check=fresh_check,
    )
    log = caplog.text + capsys.readouterr().out
    assert ("is not asked whether contacts have opted out (fresh_check is false)" in log) != fresh_check
    kept = [known, unknown, hidden] if fresh_check else [known]
    assert result["suppressed"] == [row.reference("mailstand") for row in kept]
    assert len(result["updated"]) == 60 - len(kept)
    assert known.stage == "Do Not Contact"
    assert [row.stage for row in (unknown, hidden)] == (
        ["Do Not Contact", "Interested"] if fresh_check else ["Nurture", "Nurture"]
    )


class TestResuming:
    def test_retry_continues(self, sandbox: Sandbox) -> None:
        contacts, store = listed(), Store()
        sandbox.fail("talktohumans", method="PATCH", status=401, times=99, after=30)
        with pytest.raises(AuthenticationError):
            tag(contacts, store=store)
        first = patches(sandbox)
        assert store.values
        sandbox.state.reset()
        result = tag(contacts, store=store)
        assert len(result["updated"]) == 60
        assert all("New" in row.tags for row in sandbox.state.tables["talktohumans"].rows)
        assert len(patches(sandbox)) <= 60 - len(first) + 2 * 4
        assert len(patches(sandbox)) < 40
        assert store.values == {}

    def test_retry_repeats_only_failed_contacts(self, sandbox: Sandbox) -> None:
        contacts, store = listed(), Store()
        sandbox.fail("talktohumans", method="PATCH", status=404, times=3)
        with pytest.raises(ContactsError, match="3 of 60"):
            tag(contacts, store=store)
        sandbox.state.reset()
        assert len(tag(contacts, store=store)["updated"]) == 60
        assert len(patches(sandbox)) == 3

    def test_clearing_after_success_repeats_everything(self, sandbox: Sandbox) -> None:
        contacts, store = listed(), Store()
        tag(contacts, store=store)
        assert store.values == {}
        sandbox.state.reset()
        tag(contacts, store=store)
        assert len(patches(sandbox)) == 60

    def test_another_change_starts_from_the_beginning(self, sandbox: Sandbox) -> None:
        contacts, store = listed(), Store()
        sandbox.fail("talktohumans", method="PATCH", status=404, times=1)
        with pytest.raises(ContactsError):
            tag(contacts, store=store)
        sandbox.state.reset()
        tag(contacts, store=store, add=["Other"])
        assert len(patches(sandbox)) == 60

    def test_progress_contains_no_personal_data(self, sandbox: Sandbox) -> None:
        contacts, store = listed(), Store()
        sandbox.fail("talktohumans", method="PATCH", status=404, times=1)
        with pytest.raises(ContactsError):
            tag(contacts, store=store)
        assert set(store.values) == {"contacts-update", "contacts-update-0"}
        assert set(store.values["contacts-update-0"]) <= set("0123456789abcdef:")
        assert store.values["contacts-update"].keys() == {"digest", "blocks"}

    def test_another_connection_starts_from_the_beginning(self, sandbox: Sandbox) -> None:
        contacts, store = listed(), Store()
        sandbox.fail("talktohumans", method="PATCH", status=401, times=9, after=30)
        with pytest.raises(AuthenticationError):
            tag(contacts, store=store)
        sandbox.state.reset()
        conn_id = sandbox.connect("talktohumans", conn_id="other")
        run(UpdateContactTagsOperator, store=store, contacts_conn_id=conn_id, contacts=contacts, add=["New"])
        assert len(patches(sandbox)) == 60

    def test_change_that_was_undone_is_repeated(self, sandbox: Sandbox) -> None:
        contacts, store = listed(), Store()
        sandbox.fail("talktohumans", method="PATCH", status=401, times=9, after=30)
        with pytest.raises(AuthenticationError):
            tag(contacts, store=store)
        sandbox.state.reset()
        references = [reference(one) for one in contacts]
        tag(references, store=store, add=(), remove=["New"])
        tag(contacts, store=store)
        assert all("New" in row.tags for row in sandbox.state.tables["talktohumans"].rows)

    def test_retry_continues_in_another_order(self, sandbox: Sandbox) -> None:
        contacts, store = listed(), Store()
        sandbox.fail("talktohumans", method="PATCH", status=404, times=1)
        with pytest.raises(ContactsError):
            tag(contacts, store=store)
        sandbox.state.reset()
        tag(contacts[::-1], store=store)
        assert len(patches(sandbox)) == 1

    @pytest.mark.sandbox(contacts=510)
    def test_more_than_one_block(self, sandbox: Sandbox) -> None:
        contacts, store = listed(), Store()
        sandbox.fail("talktohumans", method="PATCH", status=404, times=2)
        with pytest.raises(ContactsError, match="2 of 510"):
            tag(contacts, store=store, max_updates=2000)
        assert len(store.values) == 3
        sandbox.state.reset()
        tag(contacts, store=store, max_updates=2000)
        assert len(patches(sandbox)) == 2
        assert store.values == {}


def test_nothing_is_sent_after_an_abort(sandbox: Sandbox) -> None:
    import threading

    contacts = listed()
    sandbox.fail("talktohumans", method="PATCH", status=401, times=1)
    sandbox.fail("talktohumans", method="PATCH", status=503, retry_after="30", times=99)
    with pytest.raises(AuthenticationError):
        tag(contacts)
    for thread in [one for one in threading.enumerate() if one.name == "contacts-update"]:
        thread.join(5)
        assert not thread.is_alive()
    assert len(patches(sandbox)) <= 5


@pytest.mark.parametrize(
    ("contacts", "arguments"),
    [
        ([{"contact_id": "5000", "account_id": {"email": "ada@engines.example"}}], {}),
        ([{"contact_id": "5000", "account_id": "ada@engines.example"}], {}),
        ([{"contact_id": "5000", "account_id": "\ud800"}], {}),
        (["5000"], {"add": ["\ud800"]}),
        (["5000"], {"add": "['a', 'b']"}),
    ],
)
def test_odd_input_is_rejected_before_the_first_write(
    contacts: Any, arguments: dict[str, Any], sandbox: Sandbox
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        tag(contacts, **arguments)
    assert "ada@" not in str(caught.value)
    assert not sandbox.requests("talktohumans")


def test_color_is_written_if_the_tag_exists(sandbox: Sandbox) -> None:
    contacts = [one for one in listed() if "VIP" in one["tags"]][:2]
    assert len(tag(contacts, add=[{"name": "VIP", "color": "red"}])["updated"]) == 2


def test_causes_are_grouped(sandbox: Sandbox) -> None:
    sandbox.fail("talktohumans", method="PATCH", status=404, times=7)
    with pytest.raises(ContactsError, match=r"7 x NotFound: .*/v1/contacts/…"):
        tag(listed())


def test_refused_update_logs_no_progress(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    operator = UpdateContactStageOperator(
        task_id="stage", contacts_conn_id="mailstand_default", contacts=["contact_1"], stage="Interested"
    )
    with pytest.raises(InvalidRequest, match="Set `campaign`"):
        operator.execute({})
    assert "to update" not in capsys.readouterr().out
