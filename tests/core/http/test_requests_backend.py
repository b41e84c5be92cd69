"""The backend for ``requests``."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_contacts.errors import (
    VendorUnavailable,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from tests.scripted import RawServer
from tests.tether import answer, page


def test_early_hints_do_not_answer_another_request(tether: Callable[..., str]) -> None:
    late = (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", answer(page({"_id": "first"}, total=1)))
    with RawServer(late, answer(page({"_id": "second"}, total=1))) as server:
        hook = ContactsHook.for_connection(tether(server.url, extra={"retry_limit": 0}))
        try:
            first = [contact.contact_id for contact in hook.list_contacts()]
        except VendorUnavailable:
            first = ["first"]
        assert first == ["first"]
        assert [contact.contact_id for contact in hook.list_contacts()] == ["second"]
