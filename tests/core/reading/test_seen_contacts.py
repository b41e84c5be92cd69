"""Which contacts a listing has returned."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.reading.seen_contacts import SeenContacts

keys = st.tuples(
    st.sampled_from(["", "a", "b", "a\0"]), st.sampled_from(["1", "2", "\0001", "ä", "\ud800", "12"])
)


@given(st.lists(st.lists(keys, max_size=6), max_size=6))
def test_every_contact_is_new_once(pages: list[list[tuple[str, str]]]) -> None:
    seen = SeenContacts()
    expected: set[tuple[str, str]] = set()
    for page in pages:
        contacts = [Contact("v", *key) for key in page]
        distinct = list(dict.fromkeys(key for key in page if key not in expected))
        new = seen.add(contacts)
        assert [(contact.account_id, contact.contact_id) for contact in new] == distinct
        expected.update(distinct)
        assert len(seen) == len(expected)
