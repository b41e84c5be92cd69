"""Why outreach to a person is stopped, and whether that is news."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from airflow_provider_contacts.conditions.times import parse_time_or_duration
from airflow_provider_contacts.core.validation import is_empty_text
from airflow_provider_contacts.core.vendor import Vendor
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.people.lookup import Stop

CauseKind = Literal["manual", "reply", "opt_out"]
# From the weakest to the strongest.
CAUSES: tuple[CauseKind, ...] = ("manual", "reply", "opt_out")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why outreach to a person is stopped.

    :param at: when the person replied or opted out, in UTC, or None if it is unknown.
    """

    kind: CauseKind
    at: datetime | None = None


def parse_cause(name: str, value: object) -> CauseKind | None:
    """Return a kind of cause, or None if records and events decide.

    :param name: the argument's name, for messages.
    :raises InvalidRequest: if it is something else.
    """
    if is_empty_text(value):
        return None
    for cause in CAUSES:
        if value == cause:
            return cause
    raise InvalidRequest(f"`{name}` must be one of {', '.join(CAUSES)}.")


def read_cause(item: Mapping[str, object], where: str) -> Cause | None:
    """Return the cause that an item of ``contacts`` names as ``cause`` and ``caused_at``, or None.

    :param where: where the item is, for messages.
    :raises InvalidRequest: if it is invalid.
    """
    try:
        kind = parse_cause("cause", item.get("cause"))
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: {error}") from None
    if kind is None:
        return None
    return Cause(kind, _parse_moment(item.get("caused_at"), where))


def find_cause(fields: Mapping[str, object], vendor: Vendor) -> Cause | None:
    """Return what the record of a contact says: an opt-out, a reply, or nothing."""
    left_at = fields.get("unsubscribed_at")
    if left_at or vendor.updates.is_opt_out(fields.get("stage")):
        return Cause("opt_out", _to_moment(left_at))
    replied_at = fields.get("replied_at")
    if replied_at or fields.get("replied"):
        return Cause("reply", _to_moment(replied_at))
    return None


def combine_causes(causes: Iterable[Cause | None]) -> Cause:
    """Return the strongest kind of several causes, with the latest time of all.

    After a stop with this cause, none of them is news.
    """
    known = [cause for cause in causes if cause is not None]
    kind = max((cause.kind for cause in known), key=CAUSES.index, default=CAUSES[0])
    return Cause(kind, max((cause.at for cause in known if cause.at), default=None))


def is_news(cause: Cause, stop: Stop) -> bool:
    """Return whether a cause is not what an earlier stop was about.

    An opt-out always follows a reply, whatever their times are.
    """
    if cause.kind == "opt_out" and stop.cause != "opt_out":
        return True
    return cause.at is not None and cause.at > (stop.caused_at or stop.at)


def _parse_moment(value: object, where: str) -> datetime | None:
    if is_empty_text(value):
        return None
    try:
        moment = parse_time_or_duration(value, "caused_at", "from now")
    except ValueError:
        moment = None
    if not isinstance(moment, datetime):
        raise InvalidRequest(f"{where}: `caused_at` must be a time, such as 2026-03-01T12:00:00Z.")
    return moment


def _to_moment(value: object) -> datetime | None:
    """Return the time in a record, which is text in a listing and a time in a table, or None."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    if isinstance(value, str):
        try:
            return _to_moment(datetime.fromisoformat(value))
        except ValueError:
            return None
    return None
