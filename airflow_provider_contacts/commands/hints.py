"""Explain a listing without contacts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_contacts.conditions import Condition, InStage, Tagged
from airflow_provider_contacts.core.validation import closest
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.hooks.base import ContactsHook

# How many contacts are read to find similar tags and stages.
_SAMPLE_SIZE = 500


def explain_no_matches(
    hook: ContactsHook[Any], filters: Mapping[str, object], condition: Condition | None
) -> str:
    """Return why a listing may have found no contacts.

    It reads up to 500 contacts to find tags and stages that differ from the wanted ones only
    slightly.
    """
    if not filters and condition is None:
        return "There are no contacts."
    if similar := _find_similar(hook, list(_wanted_names(filters, condition))):
        return f"No contacts match. Did you mean {' or '.join(map(repr, similar))}?"
    if filters:
        names = ", ".join(filters)
        return f"No contacts match. Check the spelling and case of the values of these filters: {names}."
    return "No contacts match."


def _wanted_names(filters: Mapping[str, object], condition: Condition | None) -> Iterator[str]:
    for value in filters.values():
        yield from (str(item) for item in (value if isinstance(value, list) else [value]))
    for simple in () if condition is None else condition.simple_conditions():
        if isinstance(simple, Tagged):
            yield simple.name
        if isinstance(simple, InStage):
            yield from simple.names


def _find_similar(hook: ContactsHook[Any], wanted: list[str]) -> list[str]:
    """Return tags and stages that are spelled similarly to the wanted names."""
    if not wanted:
        return []
    try:
        sample = list(itertools.islice(hook.list_contacts(raw=False), _SAMPLE_SIZE))
    except ContactsError:
        return []  # only a hint is missing
    existing = {name for contact in sample for name in (*contact.tags, contact.stage) if name}
    by_folded_name = {name.casefold(): name for name in sorted(existing)}
    matches = [closest(name.casefold(), by_folded_name) for name in wanted if name not in existing]
    return [by_folded_name[match] for match in matches if match is not None]
