"""The text of an approval request. It has references and no personal data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_contacts.core.updates.targets import Target, describe_changes
from airflow_provider_contacts.links import REFERENCES_TO_APPROVE

MAX_CONTACTS_SHOWN = 20
_UNSAFE_CHARACTERS = frozenset(" ()<>\\\n\r\t\"'`")


@dataclass(frozen=True, slots=True, repr=False)
class RequestSection:
    """The part of a request that is about one connection.

    :param title: the vendor's title.
    :param targets: the contacts to update.
    :param unchecked: how many cannot be checked against the suppressions.
    """

    title: str
    conn_id: str
    targets: Sequence[Target]
    unchanged: int
    suppressed: int
    unchecked: int

    @property
    def hidden(self) -> int:
        """How many contacts the section does not show."""
        return max(len(self.targets) - MAX_CONTACTS_SHOWN, 0)

    def to_lines(self) -> list[str]:
        """Return the lines of the section, in Markdown."""
        return [
            f"{self.title}, connection {_code(self.conn_id)}:",
            "",
            *(f"- {_code(change)}" for change in describe_changes(self.targets)),
            "",
            "| | contacts |",
            "|---|---|",
            f"| to update | {len(self.targets)} |",
            f"| already up to date | {self.unchanged} |",
            f"| suppressed, not updated | {self.suppressed} |",
            f"| not checked, so not updated | {self.unchecked} |",
            "",
            ", ".join(map(_link, self.targets[:MAX_CONTACTS_SHOWN]))
            + (f" and {self.hidden} more" if self.hidden else ""),
            "",
        ]


def write_request(
    sections: Sequence[RequestSection], *, number: str, all_contacts: str | None = None
) -> tuple[str, str]:
    """Return the subject and the body, in Markdown, of the request to update contacts.

    :param all_contacts: address of a page with all contacts, or None if the request shows them.
    :param number: identifies the request.
    """
    count = sum(len(section.targets) for section in sections)
    noun = "contact" if count == 1 else "contacts"
    titles = dict.fromkeys(section.title for section in sections)
    lines = [line for section in sections for line in section.to_lines()]
    if all_contacts is not None:
        xcom = f"the XCom `{REFERENCES_TO_APPROVE}`"
        lines += [f"All contacts are in {f'[{xcom}]({all_contacts})' if all_contacts else xcom}.", ""]
    return f"Update {count} {noun} in {', '.join(titles)}?", "\n".join([*lines, f"Request {_code(number)}"])


def _link(target: Target) -> str:
    name = _code("/".join(filter(None, (target.account_id, target.contact_id))))
    url = target.fields.get("url")
    if not isinstance(url, str) or not url.startswith("https://") or set(url) & _UNSAFE_CHARACTERS:
        return name
    # A URL in the vendor's app contains the contact's id. Another one, such as a profile, may
    # contain a name.
    has_id = re.search(rf"(?<![^\W_]){re.escape(target.contact_id)}(?![^\W_])", url)
    return f"[{name}]({url})" if has_id else name


def _code(text: str) -> str:
    return f"`{' '.join(text.replace('`', ' ').split())}`"
