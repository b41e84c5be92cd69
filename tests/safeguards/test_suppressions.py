"""The table of suppressions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases.dialects import to_utc
from airflow_provider_contacts.errors import ContactsError, InvalidConnection, InvalidRequest
from airflow_provider_contacts.safeguards.suppressions import (
    SUPPRESSION_REASON,
    SuppressionList,
    open_suppressions,
)
from tests.database import Database

KEYS = ["email:ada@example.com", "reference:tether/1"]
SCOPES = ("all", "tether")


@pytest.fixture
def opened(database: Database, secret: str) -> Callable[..., Any]:
    def function(create: bool = True, conn_id: str = secret) -> Any:
        return open_suppressions(
            TableLocation(database.conn_id, "contact_suppressions"), conn_id, create=create
        )

    return function


def add(
    suppressions: SuppressionList, *keys: str, scope: str = "all", until: datetime | None = None
) -> set[str]:
    return suppressions.add([keys], scope=scope, reason="unsubscribed", source="test", until=until)


def end(suppressions: SuppressionList, *keys: str, scope: str = "all") -> set[str]:
    result = suppressions.end([keys], scope=scope, reason="subscribed again", source="test")
    ended, kept = result.ended, result.kept
    assert kept == set()
    return ended


def rows(database: Database) -> list[dict[str, Any]]:
    query = sa.text("SELECT * FROM contact_suppressions WHERE kind <> 'check' ORDER BY since")
    with database.engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def test_suppressed_keys_are_found(opened: Any, database: Database) -> None:
    with opened() as suppressions:
        assert add(suppressions, *KEYS) == set(KEYS)
        assert add(suppressions, *KEYS, "email:eve@example.com") == {"email:eve@example.com"}
    with opened(create=False) as suppressions:
        assert suppressions.find_active([*KEYS, "email:bob@example.com"], SCOPES) == set(KEYS)
    found = rows(database)
    assert sorted(row["kind"] for row in found) == ["email", "email", "reference"]
    assert {(row["scope"], row["reason"], row["source"], row["until"]) for row in found} == {
        ("all", "unsubscribed", "test", None)
    }


def test_table_contains_no_personal_data(opened: Any, database: Database) -> None:
    with opened() as suppressions:
        add(suppressions, *KEYS)
    text = repr(rows(database))
    assert "ada" not in text
    assert "example.com" not in text


def test_scopes(opened: Any) -> None:
    with opened() as suppressions:
        add(suppressions, "email:a@b.example", scope="tether")
        assert suppressions.find_active(["email:a@b.example"], ("all", "tether")) == {"email:a@b.example"}
        assert suppressions.find_active(["email:a@b.example"], ("all", "mailstand")) == set()
        # A suppression everywhere says more.
        assert add(suppressions, "email:a@b.example") == {"email:a@b.example"}
        assert add(suppressions, "email:a@b.example", scope="mailstand") == set()


def test_suppressions_end_at_until(opened: Any, database: Database) -> None:
    now = datetime.now(timezone.utc)
    with opened() as suppressions:
        add(suppressions, "email:a@b.example", until=now + timedelta(hours=1))
        add(suppressions, "email:over@b.example", until=now - timedelta(seconds=1))
        assert suppressions.find_active(["email:a@b.example", "email:over@b.example"], SCOPES) == {
            "email:a@b.example"
        }
        assert add(suppressions, "email:a@b.example", until=now + timedelta(minutes=5)) == set()
        assert add(suppressions, "email:a@b.example", until=now + timedelta(hours=2)) == {"email:a@b.example"}
        assert add(suppressions, "email:a@b.example") == {"email:a@b.example"}
        assert add(suppressions, "email:a@b.example", until=now + timedelta(days=900)) == set()
    # A suppression that ends earlier is prolonged.
    assert len(rows(database)) == 2


def test_a_repeated_duration_prolongs_one_row(opened: Any, database: Database) -> None:
    with opened() as suppressions:
        for days in (30, 31, 30):
            until: Any = timedelta(days=days)
            add(suppressions, *KEYS, until=until)
    found = rows(database)
    assert len(found) == 2
    times = [datetime.fromisoformat(str(row["until"])) for row in found]
    left = [to_utc(time) - datetime.now(timezone.utc) for time in times]
    assert all(timedelta(days=30, hours=23) < one <= timedelta(days=31) for one in left)


HOUSEHOLD = "phone:+12015550101"


def test_a_shared_number_stays_until_all_are_allowed(opened: Any) -> None:
    ada, eve = ["email:ada@example.com", HOUSEHOLD], ["email:eve@example.com", HOUSEHOLD]
    with opened() as suppressions:

        def allow(*keys: str) -> tuple[set[str], set[str]]:
            result = suppressions.end([keys], scope="all", reason="subscribed again", source="test")
            return result.ended, result.kept

        suppressions.add([ada, eve], scope="all", reason="unsubscribed", source="test", until=None)
        # The number alone does not say who is meant.
        assert allow(HOUSEHOLD) == (set(), {HOUSEHOLD})
        assert allow(*ada) == (set(ada), {HOUSEHOLD})
        assert suppressions.find_active([*ada, *eve], SCOPES) == set(eve)
        assert allow(*eve) == (set(eve), set())
        assert suppressions.find_active([*ada, *eve], SCOPES) == set()


def test_a_number_on_a_list_stays_when_a_person_who_has_it_is_allowed(opened: Any) -> None:
    """Such as a list of numbers that must not be called."""
    ada = ["email:ada@example.com", HOUSEHOLD]
    with opened() as suppressions:
        suppressions.add([[HOUSEHOLD], ada], scope="all", reason="list", source="test", until=None)
        result = suppressions.end([ada], scope="all", reason="subscribed again", source="test")
        ended, kept = result.ended, result.kept
        assert (ended, kept) == (set(ada), {HOUSEHOLD})
        assert suppressions.find_active(ada, SCOPES) == {HOUSEHOLD}
        result = suppressions.end([[HOUSEHOLD]], scope="all", reason="removed", source="test")
        ended, kept = result.ended, result.kept
        assert (ended, kept) == ({HOUSEHOLD}, set())


def test_one_person_at_two_vendors_is_one_person(opened: Any, database: Database) -> None:
    lead = ["email:ada@example.com", "reference:tether/1", HOUSEHOLD]
    recipient = ["email:ada@example.com", "reference:mailstand/1"]
    with opened() as suppressions:
        suppressions.add([lead, recipient], scope="all", reason="unsubscribed", source="test", until=None)
        assert len({row["person"] for row in rows(database)}) == 1
        assert end(suppressions, *lead) == set(lead)
        assert suppressions.find_active(recipient, ("all",)) == {"reference:mailstand/1"}


def test_an_opt_out_is_recorded_after_outreach_was_stopped(opened: Any, database: Database) -> None:
    with opened() as suppressions:
        for reason in (SUPPRESSION_REASON, "unsubscribed", SUPPRESSION_REASON):
            suppressions.add([KEYS], scope="tether", reason=reason, source="test", until=None)
    assert sorted(row["reason"] for row in rows(database)) == [
        *[SUPPRESSION_REASON] * 2,
        *["unsubscribed"] * 2,
    ]


def test_ended_suppressions_stay_in_the_table(opened: Any, database: Database) -> None:
    with opened() as suppressions:
        add(suppressions, *KEYS)
        assert end(suppressions, KEYS[0], "email:never@example.com") == {KEYS[0]}
        assert suppressions.find_active(KEYS, SCOPES) == {KEYS[1]}
        assert end(suppressions, KEYS[0]) == set()
        assert add(suppressions, KEYS[0]) == {KEYS[0]}
        assert end(suppressions, KEYS[0]) == {KEYS[0]}
    found = [row for row in rows(database) if row["kind"] == "email"]
    assert [row["ended_reason"] for row in found] == ["subscribed again"] * 2
    # The second end did not change when the first suppression ended.
    assert found[0]["until"] <= found[1]["since"]


def test_ending_a_scope(opened: Any) -> None:
    key = "email:a@b.example"
    with opened() as suppressions:
        add(suppressions, key, scope="tether")
        add(suppressions, key, scope="mailstand")
        assert end(suppressions, key, scope="tether") == {key}
        assert suppressions.find_active([key], ("tether",)) == set()
        assert suppressions.find_active([key], ("mailstand",)) == {key}
        add(suppressions, key)
        assert end(suppressions, key) == {key}
        assert suppressions.find_active([key], ("all", "tether", "mailstand")) == set()


def test_many_keys(opened: Any) -> None:
    keys = [f"email:{number}@example.com" for number in range(1200)]
    with opened() as suppressions:
        assert add(suppressions, *keys) == set(keys)
        assert suppressions.find_active(keys, SCOPES) == set(keys)
        assert add(suppressions, *keys) == set()


def test_another_secret_is_rejected(opened: Any, connect: Callable[..., str]) -> None:
    with opened() as suppressions:
        add(suppressions, *KEYS)
    other = connect("other_secret", conn_type="generic", password="another long text")
    for create in (True, False):
        with pytest.raises(
            InvalidRequest,
            match="another secret than the password of connection 'other_secret'.*in a new table",
        ):
            opened(create, other).__enter__()
    empty = connect("no_secret", conn_type="generic")
    with pytest.raises(InvalidConnection, match="has no password"):
        opened(True, empty).__enter__()


def test_rows_without_a_mark_of_the_secret_are_rejected(opened: Any, database: Database) -> None:
    with opened() as suppressions:
        add(suppressions, *KEYS)
    database.run("DELETE FROM contact_suppressions WHERE kind = 'check'")
    with pytest.raises(InvalidRequest, match="another secret"):
        opened().__enter__()
    # Any secret fits an empty table.
    database.run("DELETE FROM contact_suppressions")
    with opened(create=False) as suppressions:
        assert suppressions.find_active(KEYS, SCOPES) == set()


def test_tables_that_cannot_be_used(opened: Any, database: Database, secret: str) -> None:
    with pytest.raises(ContactsError, match="The table 'contact_suppressions' does not exist"):
        opened(create=False).__enter__()
    database.run("CREATE TABLE contact_suppressions (key_hash VARCHAR(64))")
    for create in (True, False):
        with pytest.raises(
            InvalidRequest, match="The table 'contact_suppressions' is incompatible: missing columns"
        ):
            opened(create).__enter__()
    with pytest.raises(InvalidRequest, match="`suppressions_table` must be `table`"):
        open_suppressions(TableLocation("warehouse", "a.b.c"), secret, create=True).__enter__()
    with pytest.raises(ContactsError, match="Connection 'nowhere' does not exist"):
        open_suppressions(TableLocation("nowhere", "contact_suppressions"), secret, create=True).__enter__()


def test_two_secrets_cannot_both_be_valid(
    opened: Any, database: Database, connect: Callable[..., str]
) -> None:
    with opened():
        pass
    columns = "key_hash, kind, scope, person, source, since"
    with pytest.raises(sa.exc.IntegrityError):
        database.run(
            f"INSERT INTO contact_suppressions ({columns}) SELECT key_hash, kind, scope, person, "
            "'another', since FROM contact_suppressions"
        )
