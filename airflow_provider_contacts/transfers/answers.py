"""Add what a vendor's filter answers and its records do not report: who has replied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from airflow_provider_contacts.conditions import Replied
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.matching.parsing import ConditionLike
from airflow_provider_contacts.hooks.base import ContactsHook


def answers_replies(hook: ContactsHook[Any], filters: Any, condition: ConditionLike | None, log: Log) -> bool:
    """Return whether every contact of a listing has replied, although its record does not say so.

    That is so if the condition is ``Replied`` and the vendor's filter answers it. A vendor may
    ignore a filter, so it has to report fewer contacts with it than without it; three requests ask
    for the totals. The log says what was found.

    :raises ContactsError: if a request fails.
    """
    sent, plan = hook.plan_listing(filters, condition=condition)
    names = _find_answering_filters(hook, sent)
    if not names or not any(isinstance(part, Replied) for part in plan.pushed):
        return False
    others = {name: value for name, value in sent.items() if name not in names}
    # Asked before and after: contacts may be added or removed at the same moment.
    before = hook.read_total(others)
    total = hook.read_total(sent)
    after = hook.read_total(others)
    title = hook.vendor.title
    asked = ", ".join(f"`{name}`" for name in names)
    if total is None or before is None or after is None:
        log.warning(
            "%s reports no total, so it is unknown whether it applies %s. `replied` stays as its records "
            "report it.",
            title,
            asked,
        )
        return False
    if total >= min(before, after):
        log.warning(
            "%s reports %d contacts with %s and %d without, so it may ignore the filter. `replied` stays as "
            "its records report it.",
            title,
            total,
            asked,
            after,
        )
        return False
    log.info(
        "%s reports %d contacts with %s and %d without, so `replied` is true for those of this listing.",
        title,
        total,
        asked,
        after,
    )
    return True


def add_replies(contacts: Iterator[Contact]) -> Iterator[Contact]:
    """Yield contacts who have replied, and say so where their record does not."""
    for contact in contacts:
        yield contact if contact.replied is not None else msgspec.structs.replace(contact, replied=True)


def _find_answering_filters(hook: ContactsHook[Any], sent: dict[str, object]) -> list[str]:
    """Return the filters that answer ``Replied``, or none if records report it too."""
    support = hook.vendor.contacts.conditions.get("replied")
    if support is None or (
        support.is_on_record and (not support.record_filter or support.record_filter in sent)
    ):
        return []
    return list(support.to_filters(Replied(), True) or [support.required_filter])
