"""What the tests know of each vendor beside the sandbox. A further vendor adds a case here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One vendor.

    :param path: path of its list.
    :param parts: an Airflow connection without a host.
    :param id_key: the record's id.
    :param samples: a valid value for every filter that its page lists.
    :param enumerated: a filter that does not take just any text.
    :param narrow: a filter that some contacts of the sandbox pass and some do not.
    :param envelope: makes a page of records; ``last`` tells whether more follow.
    :param odd: values of a wrong type for optional fields.
    """

    vendor: str
    title: str
    path: str
    parts: dict[str, Any]
    id_key: str
    samples: dict[str, Any]
    enumerated: str
    narrow: dict[str, Any]
    envelope: Callable[[list[Any], bool], Any]
    odd: dict[str, Any]

    @property
    def conn_id(self) -> str:
        """Its default connection."""
        return f"{self.vendor}_default"

    def record(self, number: int) -> dict[str, Any]:
        """Return a record that holds an id and nothing else."""
        return {self.id_key: str(number)}

    def page(self, *records: Any, last: bool = True) -> Any:
        """Return a page of records."""
        return self.envelope(list(records), last)


def _cursor_page(records: list[Any], last: bool) -> Any:
    cursor = None if last else f"after-{records[-1]['contact_id'] if records else 0}"
    return {
        "data": {
            "contacts": records,
            "pagination": {"limit": 25, "has_more": not last, "next_cursor": cursor},
        }
    }


CASES = {
    case.vendor: case
    for case in (
        Case(
            vendor="talktohumans",
            title="TalkToHumans",
            path="/v1/contacts",
            parts={"conn_type": "talktohumans", "password": "secret-of-the-test"},
            id_key="contact_id",
            samples={
                "account_id": ["101", "102"],
                "query": "a",
                "company_name": "acme",
                "headline": "a",
                "search": "a",
                "location": "a",
                "company_size": "51-200",
                "tag": "VIP",
                "relationship_status": "connected",
                "invitation_status": "pending",
                "conversation_id": "5000",
            },
            enumerated="relationship_status",
            narrow={"tag": "VIP"},
            envelope=_cursor_page,
            odd={
                "name": 5,
                "tags": "VIP",
                "company": "Acme",
                "account": {"account_id": 42},
                "last_interaction_at": "yesterday",
                "connection_invitation": {"invite_state": "pending", "received_at": "soon"},
                "sequence": [],
                "locations": [{"city": 1}, "Paris"],
            },
        ),
        Case(
            vendor="thoughtly",
            title="Thoughtly",
            path="/contact",
            parts={
                "conn_type": "thoughtly",
                "password": "secret-of-the-test",
                "extra": {"team_id": "team-of-the-test"},
            },
            id_key="id",
            samples={
                "search": "a",
                "phone_numbers_only": True,
                "tags": ["VIP", "called"],
                "excluded_tags": ["callback"],
                "sort": "name",
                "sortDirection": "desc",
            },
            enumerated="sortDirection",
            narrow={"tags": ["VIP"]},
            envelope=lambda records, _last: {"data": {"contacts": records}, "error": None},
            odd={"name": ["A"], "tags": {"a": 1}, "attributes": [], "created_at": "now", "phone_number": 15},
        ),
        Case(
            vendor="mailstand",
            title="Mailstand",
            path="/contacts",
            parts={
                "conn_type": "mailstand",
                "password": "secret-of-the-test",
                "extra": {"workspace": "space_test"},
            },
            id_key="id",
            samples={
                "workspace": "space_sandbox",
                "campaign": "camp_spring",
                "search": "person",
                "stage": "Do Not Contact",
                "has_opened": True,
                "has_clicked": False,
                "has_replied": True,
                "has_bounced": False,
            },
            enumerated="stage",
            narrow={"stage": "Interested"},
            envelope=lambda records, last: {
                "status": "ok",
                "headers": [],
                "data": records,
                "total_found": len(records) * (1 if last else 3),
                "current_page": 1,
                "total_pages": 1,
            },
            odd={
                "email": 1,
                "stage": {},
                "created": "47 minutes ago",
                "last_reply": "soon",
                "mobile_phone": 12,
            },
        ),
        Case(
            vendor="tether",
            title="Tether",
            path="/api/contacts",
            parts={"conn_type": "tether", "password": "secret-of-the-test"},
            id_key="_id",
            samples={
                "search": "a",
                "source": "Webchat",
                "leadSource": "Webchat",
                "ownerFilter": "all",
                "status": "New Lead",
                "pipelineStage": "e" * 23 + "1",
                "pipelineId": "d" * 24,
                "dateRange": {"start": "2026-01-01", "end": "2026-12-31"},
                "owner": "a" * 24,
                "assignee": "a" * 24,
                "messageStatus": "replied",
                "lastMessageTimeRange": '{"start": "2026-01-01"}',
                "lastMessageDateRange": {"start": "2026-01-01"},
            },
            enumerated="dateRange",
            narrow={"status": "Qualified"},
            envelope=lambda records, last: {
                "success": True,
                "data": {
                    "contacts": records,
                    "total": len(records) * (1 if last else 3),
                    "page": 1,
                    "size": 200,
                },
                "meta": {},
                "contacts": records,
                "total": len(records),
            },
            odd={"firstName": [], "phoneNumber": {"a": 1}, "email": 7, "createdAt": 12, "status": False},
        ),
    )
}
VENDORS = list(CASES)
