"""Claiming contacts before they are changed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.safeguards.claims import Claims, open_claims
from tests.database import Database

ONE, TWO, THREE = "1", "2", "3"
LONG_AGO = "UPDATE contact_claims SET claimed_at = '2020-01-01 00:00:00.000000'"


@contextlib.contextmanager
def claims(
    database: Database,
    claimer: str = "one",
    vendor: str = "tether",
    tables: tuple[str, ...] = ("contact_claims",),
) -> Iterator[Claims]:
    locations = [TableLocation(database.conn_id, table) for table in tables]
    with open_claims(locations, vendor, claimer) as opened:
        yield opened
        opened.release()


def claim(one: Claims, keys: Iterable[str]) -> set[str]:
    """Return the contacts that were claimed."""
    keys = set(keys)
    return keys - one.claim(keys).keys()


def renew(one: Claims, keys: Iterable[str]) -> set[str]:
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
    assert database.select("contact_claims") == []


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


def test_an_earlier_attempt_that_goes_on_loses_its_claims(database: Database) -> None:
    with claims(database, "one") as old, claims(database, "other") as other:
        claim(old, [ONE, TWO])
        with claims(database, "one") as retry:
            # Also those that the retry does not change, so that it can release them.
            assert renew(old, [ONE, TWO]) == set()
            assert claim(retry, [ONE]) == {ONE}
            old.release()
            assert claim(other, [ONE, TWO]) == set()
        assert claim(other, [ONE, TWO]) == {ONE, TWO}


def test_claims_of_requests_in_flight_stay(database: Database) -> None:
    with claims(database, "one") as one, claims(database, "two") as two:
        claim(one, [ONE, TWO])
        one.release(except_of=[TWO])
        assert claim(two, [ONE, TWO]) == {ONE}
        database.run(LONG_AGO)
        assert claim(two, [TWO]) == {TWO}


def test_tasks_whose_names_differ_in_case_are_different(database: Database) -> None:
    with claims(database, "Outreach") as one, claims(database, "outreach") as two:
        assert claim(one, [ONE]) == {ONE}
        assert two.claim([ONE]) == {ONE: "Outreach"}


def test_a_claim_of_the_future_has_ended(database: Database) -> None:
    with claims(database, "one") as one, claims(database, "two") as two:
        claim(one, [ONE])
        database.run("UPDATE contact_claims SET claimed_at = '2126-01-01 00:00:00.000000'")
        assert claim(two, [ONE]) == {ONE}


def test_claims_that_have_ended_are_deleted(database: Database) -> None:
    with claims(database, "one") as one:
        claim(one, [ONE])
        database.run(LONG_AGO)
        with claims(database, "two", "mailstand"):
            assert database.select("contact_claims") == []


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
    keys = {str(number) for number in range(1201)}
    with claims(database, "one") as one, claims(database, "two") as two:
        assert claim(two, ["700"]) == {"700"}
        assert claim(one, keys) == keys - {"700"}
        assert renew(one, keys) == keys - {"700"}


def test_threads_never_share_a_contact(database: Database) -> None:
    keys = [str(number) for number in range(40)]
    won: dict[str, set[str]] = {}
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
            st.sets(st.sampled_from("123"), min_size=1),
        ),
        max_size=12,
    )
)
def test_no_contact_is_ever_claimed_twice(database: Database, steps: list[tuple[str, str, set[str]]]) -> None:
    with contextlib.ExitStack() as stack:
        opened = {name: stack.enter_context(claims(database, name)) for name in ("one", "two", "three")}
        held: dict[str, set[str]] = {name: set() for name in opened}
        for name, step, keys in steps:
            if step == "release":
                opened[name].release()
                held[name] = set()
                continue
            found = claim(opened[name], keys) if step == "claim" else renew(opened[name], keys & held[name])
            held[name] = found | (held[name] - keys)
            for other in opened.keys() - {name}:
                assert not found & held[other]


def test_claims_that_cannot_be_written_are_errors(database: Database) -> None:
    message = "Contacts could not be claimed in the table 'contact_claims', so no more contacts are changed"
    with claims(database, tables=("contact_claims", "other_claims")) as one:
        claim(one, [ONE])
        database.run("DROP TABLE contact_claims")
        for function in (claim, renew):
            with pytest.raises(ContactsError, match=message):
                function(one, [ONE])
        with pytest.raises(ContactsError, match=message):
            one.release()
        # The other table was released.
        assert database.select("other_claims") == []
        database.run("CREATE TABLE contact_claims AS SELECT * FROM other_claims")
    database.run("DROP TABLE contact_claims", "CREATE TABLE contact_claims (vendor VARCHAR(255))")
    with pytest.raises(InvalidRequest, match="incompatible"), claims(database):
        pass
