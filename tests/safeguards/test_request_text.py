"""The text of an approval request."""

from __future__ import annotations

from typing import Any

from airflow_provider_contacts.core.changes import parse_tag_change
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.safeguards.request_text import RequestSection, write_request


def targets(count: int, url: object = None) -> list[Target]:
    change = parse_tag_change(["VIP"])
    fields = {"name": "Ada Lovelace", "email": "ada@example.com", "url": url}
    return [Target("42", str(number), fields, change) for number in range(1, count + 1)]


def write(found: list[Target], **more: Any) -> tuple[str, str]:
    section = RequestSection(
        "TalkToHumans", "talktohumans_default", found, unchanged=3, suppressed=2, unchecked=1
    )
    return write_request([section], number="abc", **more)


def test_text() -> None:
    subject, body = write(targets(1, "https://app.example/contacts/1"))
    assert subject == "Update 1 contact in TalkToHumans?"
    assert body == (
        "TalkToHumans, connection `talktohumans_default`:\n\n"
        "- `add 'VIP'`\n\n"
        "| | contacts |\n|---|---|\n| to update | 1 |\n| already up to date | 3 |\n| suppressed, not updated "
        "| 2 |\n| not checked, so not updated | 1 |\n\n"
        "[`42/1`](https://app.example/contacts/1)\n\n"
        "Request `abc`"
    )


def test_long_lists_are_cut() -> None:
    _, body = write(targets(25))
    assert body.count("`42/") == 20
    assert "`42/20` and 5 more\n" in body
    for url, shown in (
        ("", "the XCom `references_to_approve`"),
        ("https://a.example/x", "(https://a.example/x)"),
    ):
        _, body = write(targets(25), all_contacts=url)
        assert f"{shown}." in body


def test_text_has_no_personal_data_and_no_foreign_markup() -> None:
    for url in (
        "javascript:alert(1)",
        "http://app.example",
        "https://a.example/)[x](https://evil.example",
        "https://www.linkedin.com/in/ana-silva-1980",
        5,
    ):
        _, body = write(targets(1, url))
        assert "\n`42/1`\n" in body
        assert "Ada" not in body
        assert "example.com" not in body
    odd = [Target("", "1", {}, parse_tag_change(["`](https://evil.example)\n# Title"]))]
    _, body = write(odd)
    assert "\n# Title" not in body
    assert body.count("`") % 2 == 0
