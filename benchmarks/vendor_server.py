"""Two vendors that answer listings from pages in a file, for measuring a client. It shares no code with the package.

``python benchmarks/vendor_server.py --contacts 60000`` prints its URL and serves until it is
terminated. Records have the fields and lengths of the samples in the vendors' API docs. Every
request needs an ``Authorization`` header. Settings change while it runs: ``/settings?latency=0.05``
delays each later response by that many seconds, ``version=1`` serves the contacts with one in a
hundred changed, ``replied=5`` makes the first five contacts of Mailstand reply now, and
``serving=0`` serves a few contacts only, until ``serving=1``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import mmap
import tempfile
import time
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

ACCOUNTS = 4
_FEW = 50
_STAGES = ("New", "Interested", "Not Interested", "Nurture", "Replied")
_CITIES = (("Berlin", "Germany", "DE"), ("İzmir", "Türkiye", "TR"), ("São Paulo", "Brazil", "BR"))
_FIRST_NAMES = ("Renée", "Ελένη", "Anna", "Omar", "Mei")
_LAST_NAMES = ("García Márquez", "Nowak", "Smith", "Haddad", "Lin")


def mailstand_record(number: int, version: int) -> dict[str, object]:
    """Return a contact as Mailstand sends it.

    :param version: in version 1, one contact in a hundred has another stage than in version 0.
    """
    first, last = _FIRST_NAMES[number % 5], _LAST_NAMES[number // 5 % 5]
    city, country, _ = _CITIES[number % 3]
    stage = number + (version if number % 100 == 0 else 0)
    empty = {f"{name}_{part}": "" for name in ("website", "personal_note") for part in (1, 2, 3)}
    return {
        "active": "yes", "full_name": f"{first} {last}", "first_name": first, "middle_name": "", "last_name": last,
        "nickname": None, "title": "Head of Data", "company_name": f"Company {number % 997}",
        "company_formal_name": f"Company {number % 997} Inc.", "company_industry": "Manufacturing",
        "address_1": "5 Apple Road", "address_2": "", "city": city, "state": None, "zip": "19019", "country": country,
        "region": city, "timezone": "Europe/Berlin", "gender": None, "occupation": "Head of Data",
        "linkedin": f"https://www.linkedin.com/in/person-{number}", "twitter": "", "stack_overflow": "", **empty,
        "job_start_date": "01/01/2022", "school": "Yale", "graduation_date": "06/01/2023", "degree": "Masters",
        "locked_mailbox": None, "locked_mailbox_id": None, "locked_mailbox_color": None,
        "created_at": "47 minutes ago", "last_updated": "47 minutes ago", "last_activity": "47 minutes ago",
        "custom_1": None, "id": f"contact_{number:025x}", "email": f"person.{number}@contacts.example",
        "stage": _STAGES[stage % len(_STAGES)], "lead_score": "44", "created": 1_774_570_876 + number,
        "mobile_phone": f"+1416555{number % 10_000:04}", "work_phone": "", "home_phone": "", "voip_phone": "",
        "other_phone": "",
    }  # fmt: skip


def talktohumans_record(number: int, account: int) -> dict[str, object]:
    """Return a contact as TalkToHumans sends it."""
    first, last = _FIRST_NAMES[number % 5], _LAST_NAMES[number // 5 % 5]
    city, country, code = _CITIES[number % 3]
    company = f"Company {number % 997}"
    return {
        "account_relationship_id": f"1{number:06}", "contact_id": f"{number + 1}", "provider_participant_id": f"urn:{number}",
        "account": {"account_id": f"{account + 1}", "display_name": f"Account {account}",
                    "provider_account_id": f"acc{account}", "owner_user_id": "1"},
        "name": f"{first} {last}", "tags": [{"name": "VIP", "color": "blue"}] if number % 5 == 0 else [],
        "languages": [{"language": "English"}],
        "experiences": [{"experience_id": "3", "is_current": True, "company_participant_id": None,
                         "company_provider_participant_id": None, "company_name": company, "title": "Data Engineer",
                         "employment_type": "Full-time", "location": city, "start_at": "2021-03", "end_at": None,
                         "description": "Builds things. " * 4}],
        "educations": [],
        "locations": [{"is_primary": True, "is_headquarter": None, "linkedin_text": city, "display_text": city,
                       "country_code": code, "region_code": None, "country": code, "country_full": country, "state": None,
                       "city": city, "geographic_area": None}],
        "app_url": f"https://talktohumans.example/app/contacts/{number + 1}", "public_identifier": f"person-{number}",
        "first_name": first, "last_name": last, "headline": f"Data Engineer at {company}",
        "primary_role_title": "Data Engineer", "primary_company_name": company,
        "linkedin_url": f"https://www.linkedin.com/in/person-{number}", "avatar_url": None, "background_cover_url": None,
        "about": None, "profile_action_label": None, "profile_action_url": None, "follower_count": 10,
        "connections_count": 500,
        "connection_invitation": {"invite_id": f"inv{number}", "invite_state": "pending", "invite_type": "sent",
                                  "received_at": "2026-10-26T00:00:00Z"},
        "notes_json": None,
        "company": {"company_id": "4", "provider_participant_id": None, "name": company,
                    "industries": [{"name": "software", "title": "Software", "industry_urn": None,
                                    "provider_industry_id": None, "hierarchy": None}],
                    "locations": [], "public_identifier": None, "headline": None, "linkedin_url": None, "avatar_url": None,
                    "background_cover_url": None, "headcount": "51-200", "employee_count": 120, "founding_date": "1999",
                    "website_url": None, "follower_count": 1234, "about": None, "notes_json": None},
        "last_interaction_at": "2026-06-07T00:00:00Z",
        "sequence": {"sequence_id": "7", "status": "running", "stop_if_person_replies": True,
                     "steps": [{"step_id": "1", "step_type": "message", "trigger_type": "delay", "position": 1,
                                "message_mode": "template", "state": "sent", "template_run_public_id": None,
                                "scheduled_for": None}],
                     "reply_guard_after": None, "next_step_id": None, "next_step_scheduled_for": None},
    }  # fmt: skip


class Records:
    """JSON objects in a temporary file, separated by commas, so that a page is a slice of it."""

    def __init__(self, records: Iterable[dict[str, object]]) -> None:
        self._starts = array("Q", [0])
        with tempfile.TemporaryFile() as file:
            for record in records:
                file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b",")
                self._starts.append(file.tell())
            file.flush()
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if len(self) else b""

    def __len__(self) -> int:
        return len(self._starts) - 1

    def slice(self, start: int, stop: int) -> bytes:
        """Return some records as the inside of a JSON array."""
        stop = min(stop, len(self))
        return self._bytes[self._starts[start] : self._starts[stop] - 1] if start < stop else b""


@dataclass(slots=True)
class Server:
    """Answers requests.

    :param contacts: how many contacts each vendor has.
    """

    contacts: int
    latency: float = 0.0
    version: int = 0
    is_serving_all: bool = True
    replied: int = 0
    replied_at: int = 0
    requests: int = 0
    _mailstand: dict[int, Records] = field(default_factory=dict)
    _talktohumans: Records | None = None

    def respond(self, target: str) -> bytes:
        """Return the response's body for a request's target, or empty bytes for an unknown path."""
        parts = urlsplit(target)
        params = parse_qs(parts.query)
        routes = {
            "/mailstand/contacts": self._list_mailstand,
            "/talktohumans/v1/contacts": self._list_talktohumans,
            "/talktohumans/v1/accounts": lambda _params: json.dumps(
                {"data": {"accounts": [{"account_id": str(number + 1)} for number in range(ACCOUNTS)]}}
            ).encode(),
            "/settings": self._change_settings,
        }
        route = routes.get(parts.path)
        return b"" if route is None else route(params)

    def _change_settings(self, params: dict[str, list[str]]) -> bytes:
        requests = self.requests
        self.requests = -1  # this request does not count
        if "latency" in params:
            self.latency = float(params["latency"][0])
        if "version" in params:
            self.version = int(params["version"][0])
        if "serving" in params:
            self.is_serving_all = params["serving"][0] == "1"
            self._find_mailstand()  # a million records take longer to make than a client waits
        if "replied" in params:
            self.replied = int(params["replied"][0])
            self.replied_at = int(time.time())
        return json.dumps({"requests": requests}).encode()

    def _list_replies(self) -> bytes:
        """Return one page with the contacts who have replied."""
        records = [
            {**mailstand_record(number, 0), "last_reply": self.replied_at} for number in range(self.replied)
        ]
        page = {
            "status": "ok",
            "total_found": self.replied,
            "current_page": 1,
            "total_pages": 1,
            "data": records,
        }
        return json.dumps(page, ensure_ascii=False).encode()

    def _find_mailstand(self) -> Records:
        if self.version not in self._mailstand:
            records = (mailstand_record(number, self.version) for number in range(self.contacts))
            self._mailstand[self.version] = Records(records)
        return self._mailstand[self.version]

    def _list_mailstand(self, params: dict[str, list[str]]) -> bytes:
        if params.get("has_replied") == ["true"]:
            return self._list_replies()
        records = self._find_mailstand()
        size, number = int(params["display"][0]), int(params["page"][0])
        total = len(records) if self.is_serving_all else min(_FEW, len(records))
        head = f'{{"status":"ok","total_found":{total},"current_page":{number},"total_pages":{-(-total // size)},"data":['
        return head.encode() + records.slice((number - 1) * size, min(number * size, total)) + b"]}"

    def _list_talktohumans(self, params: dict[str, list[str]]) -> bytes:
        if self._talktohumans is None:
            share = -(-self.contacts // ACCOUNTS)
            self._talktohumans = Records(
                talktohumans_record(number, number // share) for number in range(self.contacts)
            )
        records = self._talktohumans
        share = -(-len(records) // ACCOUNTS)
        accounts = sorted(int(account) - 1 for account in params.get("account_id", [])) or range(ACCOUNTS)
        start, stop = accounts[0] * share, min((accounts[-1] + 1) * share, len(records))
        position = int(params.get("cursor", [str(start)])[0])
        end = min(position + int(params["limit"][0]), stop)
        pagination = {"has_more": end < stop, "next_cursor": str(end) if end < stop else None}
        tail = f'],"pagination":{json.dumps(pagination)}}}}}'.encode()
        return b'{"data":{"contacts":[' + records.slice(position, end) + tail


class Connection(asyncio.Protocol):
    """One connection of a client. Requests have no body."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer the requests that have arrived."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            body, status = b"", "401 Unauthorized"
            if b"\r\nauthorization:" in head.lower() or target.startswith("/settings"):
                body = self._server.respond(target)
                status = "200 OK" if body else "404 Not Found"
            self._server.requests += 1
            answer = (
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            asyncio.get_running_loop().call_later(self._server.latency, self._send, answer.encode() + body)

    def _send(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def serve(contacts: int) -> None:
    """Serve until cancelled."""
    server = Server(contacts)
    listener = await asyncio.get_running_loop().create_server(lambda: Connection(server), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    async with listener:
        await listener.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=1000)
    asyncio.run(serve(parser.parse_args().contacts))
