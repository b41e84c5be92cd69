"""Claiming contacts before they are changed."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_contacts.contact import ContactKey
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.safeguards.claims import Claims, open_claims
from tests.database import Database

LOG = logging.getLogger("test")
ONE, TWO, THREE = ("101", "1"), ("101", "2"), ("101", "3")
LONG_AGO = "UPDATE contact_claims SET claimed_at = '2020-01-01 00:00:00.000000'"


@contextlib.contextmanager
def claims(
    database: Database,
    claimer: str = "one",
    vendor: str = "tether",
    tables: tuple[str, ...] = ("contact_claims",),
) -> Iterator[Claims]:
    locations = [TableLocation(database.conn_id, table) for table in tables]
    with open_claims(locations, vendor, claimer, LOG) as opened:
        yield opened


def claim(one: Claims, keys: Iterable[ContactKey]) -> set[ContactKey]:
    """Return the contacts that were claimed."""
    keys = set(keys)
    return keys - one.claim(keys).keys()


def renew(one: Claims, keys: Iterable[ContactKey]) -> set[ContactKey]:
    """Return the contacts that are still claimed."""
    keys = set(keys)
    return keys - one.renew(keys).keys()


def test_only_one_task_claims_a_contact(database: Database) -> None:
    with claims(database, "one") as one, claims(database, "two") as two:
        assert claim(one, [ONE, TWO]) == {ONE, TWO}
        assert claim(two, [TWO, THREE]) == {THREE}
        assert two.claim([TWO, THREE]) == {TWO: "one"}
        # Claiming twice is harmless, and so are the same ids at another vendor.
        assert claim(one, [ONE]) == {ONE}
        with claims(database, "two", "mailstand") as other:
            assert claim(other, [ONE]) == {ONE}
        one.release()
        assert claim(two, [ONE, TWO]) == {ONE, TWO}
    assert database.rows("contact_claims") == []


def test_a_retry_takes_over_the_claims_of_its_task(database: Database) -> None:
    with claims(database, "one") as one, claims(database, "one") as retry:
        claim(one, [ONE])
        assert claim(retry, [ONE, TWO]) == {ONE, TWO}


def test_outside_of_a_task_every_run_is_another_one(database: Database) -> None:
    with claims(database, "") as one, claims(database, "") as two:
        assert claim(one, [ONE]) == {ONE}
        assert claim(two, [ONE]) == set()


def test_a_claim_ends_after_an_hour(database: Database) -> None:
    with claims(database, "one") as one, claims(database, "two") as two:
        claim(one, [ONE])
        assert claim(two, [ONE]) == set()
        database.run(LONG_AGO)
        assert claim(two, [ONE]) == {ONE}
        assert renew(one, [ONE]) == set()


def test_claims_are_renewed_while_a_task_goes_on(database: Database) -> None:
    with claims(database, "one") as one, claims(database, "two") as two:
        claim(one, [ONE, TWO])
        database.run(LONG_AGO)
        assert renew(one, [ONE, TWO]) == {ONE, TWO}
        assert claim(two, [ONE, TWO]) == set()
        database.run(LONG_AGO)
        assert claim(two, [TWO]) == {TWO}
        two.release()
        # What another task may have changed is lost, even if that task has finished.
        assert renew(one, [ONE, TWO]) == {ONE}


def test_a_contact_without_an_account_is_any_with_its_id(database: Database) -> None:
    bare = ("", "1")
    with claims(database, "one") as one, claims(database, "two") as two:
        assert claim(one, [bare]) == {bare}
        assert claim(two, [ONE, TWO]) == {TWO}
    with claims(database, "one") as one, claims(database, "two") as two:
        assert claim(one, [ONE, ("102", "1")]) == {ONE, ("102", "1")}
        assert claim(two, [bare]) == set()
    with claims(database, "one") as one, claims(database, "two") as two:
        assert claim(one, [ONE]) == {ONE}
        assert claim(two, [("102", "1")]) == {("102", "1")}
        assert claim(one, [ONE, bare]) == {ONE}


def test_a_contact_is_claimed_in_all_tables(database: Database) -> None:
    with (
        claims(database, "one", tables=("contact_claims",)) as one,
        claims(database, "two", tables=("other_claims",)) as two,
        claims(database, "three", tables=("contact_claims", "other_claims")) as three,
    ):
        claim(one, [ONE])
        claim(two, [TWO])
        assert claim(three, [ONE, TWO, THREE]) == {THREE}


def test_many_contacts_are_claimed(database: Database) -> None:
    keys = {("101", str(number)) for number in range(1201)}
    with claims(database, "one") as one, claims(database, "two") as two:
        assert claim(two, [("101", "700")]) == {("101", "700")}
        assert claim(one, keys) == keys - {("101", "700")}
        assert renew(one, keys) == keys - {("101", "700")}


def test_threads_never_share_a_contact(database: Database) -> None:
    keys = [("101", str(number)) for number in range(40)]
    won: dict[str, set[ContactKey]] = {}
    start = threading.Barrier(4)
    end = threading.Barrier(4)

    def run(name: str) -> None:
        with claims(database, name) as one:
            start.wait()
            won[name] = claim(one, keys)
            end.wait()

    with claims(database):
        pass
    threads = [threading.Thread(target=run, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, won.values())) == len(keys)
    assert set().union(*won.values()) == set(keys)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["one", "two", "three"]),
            st.sampled_from(["claim", "renew", "release"]),
            st.sets(
                st.tuples(st.sampled_from(["", "101", "102"]), st.sampled_from("12")), min_size=1, max_size=3
            ),
        ),
        max_size=12,
    )
)
def test_no_contact_is_ever_claimed_twice(
    database: Database, steps: list[tuple[str, str, set[ContactKey]]]
) -> None:
    with contextlib.ExitStack() as stack:
        opened = {name: stack.enter_context(claims(database, name)) for name in ("one", "two", "three")}
        held: dict[str, set[ContactKey]] = {name: set() for name in opened}
        for name, step, keys in steps:
            if step == "release":
                opened[name].release()
                held[name] = set()
                continue
            found = claim(opened[name], keys) if step == "claim" else renew(opened[name], keys & held[name])
            held[name] = found | (held[name] - keys)
            for other in opened.keys() - {name}:
                for account_id, contact_id in found:
                    for other_account, other_contact in held[other]:
                        is_same = "" in (account_id, other_account) or account_id == other_account
                        assert not (contact_id == other_contact and is_same)


def test_claims_that_cannot_be_written_are_errors(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with claims(database) as one:
        claim(one, [ONE])
        database.run("DROP TABLE contact_claims")
        message = (
            "Contacts could not be claimed in the table 'contact_claims', so no more contacts are changed"
        )
        with pytest.raises(ContactsError, match=message):
            claim(one, [TWO])
        with pytest.raises(ContactsError, match=message):
            renew(one, [ONE])
    assert "The claims could not be released, so they end after an hour." in caplog.text
    database.run("CREATE TABLE contact_claims (vendor VARCHAR(255))")
    with pytest.raises(InvalidRequest, match="incompatible"), claims(database):
        pass
