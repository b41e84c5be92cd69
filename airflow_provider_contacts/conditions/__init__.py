"""Conditions that mean the same for every vendor.

Conditions combine with ``&``, ``|`` and ``~``. Wherever a condition is accepted, its JSON is
accepted too. ::

    Replied() & ~Tagged("Do not chase")
    {"condition": "all", "of": [
        {"condition": "replied"},
        {"condition": "not", "of": {"condition": "tagged", "name": "Do not chase"}},
    ]}

A condition evaluates to True, False or None, where None means that the vendor does not report the
answer. A contact *matches* only if the condition is True. An unknown reply therefore matches
neither ``Replied()`` nor ``~Replied()``. A missing tag, stage or phone number counts as False only
if the record shows that it is missing: if a record has no ``tags``, neither ``Tagged("VIP")`` nor
``~Tagged("VIP")`` matches.
"""

from __future__ import annotations

from airflow_provider_contacts.conditions.base import Condition, get_condition_name
from airflow_provider_contacts.conditions.combined import AllOf, AnyCondition, AnyOf, Not
from airflow_provider_contacts.conditions.simple import (
    SIMPLE_CONDITIONS,
    Bounced,
    Clicked,
    Connected,
    HasPhone,
    InStage,
    InvitationPending,
    LastInteraction,
    Opened,
    Replied,
    Tagged,
    Unsubscribed,
)
from airflow_provider_contacts.conditions.times import TimeLike

__all__ = [
    "SIMPLE_CONDITIONS",
    "AllOf",
    "AnyCondition",
    "AnyOf",
    "Bounced",
    "Clicked",
    "Condition",
    "Connected",
    "HasPhone",
    "InStage",
    "InvitationPending",
    "LastInteraction",
    "Not",
    "Opened",
    "Replied",
    "Tagged",
    "TimeLike",
    "Unsubscribed",
    "get_condition_name",
]
