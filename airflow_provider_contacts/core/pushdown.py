"""Divide a condition into filters for the vendor and tests on records, and decide which contacts match."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airflow_provider_contacts.conditions import AllOf, Condition, Not, get_condition_name
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.filters import Filters
from airflow_provider_contacts.core.vendor import ConditionSupport
from airflow_provider_contacts.errors import UnsupportedByVendor


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """The filters to send, and the conditions to test on records.

    It has no repr, because filters contain personal data.

    :param filters: the filters that the condition adds to the user's.
    :param pushed: conditions that the vendor's filters answer. A contact is dropped only if its record contradicts
        them, so that an ignored filter is harmless.
    :param residual: conditions that the record itself must confirm.
    """

    filters: dict[str, object] = field(default_factory=dict)
    pushed: tuple[Condition, ...] = ()
    residual: tuple[Condition, ...] = ()

    @property
    def has_tests(self) -> bool:
        """Whether records need to be tested."""
        return bool(self.pushed or self.residual)

    def evaluate(self, contact: Contact) -> bool | None:
        """Return whether a returned contact matches, or None if its record does not report it."""
        if any(part.evaluate(contact) is False for part in self.pushed):
            return False
        values = [part.evaluate(contact) for part in self.residual]
        if False in values:
            return False
        return None if None in values else True


class Selection:
    """Keeps the matching contacts of a listing, up to a limit.

    :param plan: decides which contacts match.
    :param limit: how many contacts to keep, or None for all.
    """

    def __init__(self, plan: Plan, limit: int | None) -> None:
        self._plan = plan
        self._remaining = limit
        self.unknown = 0

    def keep(self, contacts: list[Contact]) -> Iterable[Contact]:
        """Return the matching contacts of a page."""
        if self._plan.has_tests:
            # False and unknown are both dropped, but only unknown is worth a line in the log.
            evaluated = [(contact, self._plan.evaluate(contact)) for contact in contacts]
            contacts = [contact for contact, value in evaluated if value]
            self.unknown += sum(value is None for _, value in evaluated)
        if self._remaining is not None:
            contacts = contacts[: self._remaining]
            self._remaining -= len(contacts)
        return contacts

    @property
    def has_reached_limit(self) -> bool:
        """Whether no further contact is wanted."""
        return self._remaining == 0


def plan_condition(
    condition: Condition | None, filters: Filters, supports: Mapping[str, ConditionSupport], vendor: str
) -> Plan:
    """Divide a condition into filters and tests.

    :param filters: the user's filters; none of them is replaced.
    :param supports: the conditions that the vendor supports, by name.
    :param vendor: the vendor's title, for messages.
    :raises UnsupportedByVendor: if the vendor cannot answer; the error's ``condition`` names the part.
    """
    if condition is None:
        return Plan()
    for simple in condition.simple_conditions():
        _require_support(simple, filters, supports, vendor)
    # Only the parts of an `all` can be pushed down one by one. Pushing down a part of an `any` would drop matches.
    added: dict[str, object] = {}
    pushed: list[Condition] = []
    residual: list[Condition] = []
    for part in condition.of if isinstance(condition, AllOf) else (condition,):
        # A filter holds one value, so only the first of `Tagged("a") & Tagged("b")` is pushed down.
        part_filters = _filters_for(part, {**filters, **added}, supports)
        added.update(part_filters or {})
        if _is_pushed_down(part, part_filters is not None, supports):
            pushed.append(part)
        else:
            _require_on_records(part, supports, vendor)
            residual.append(part)
    return Plan(added, tuple(pushed), tuple(residual))


def _filters_for(part: Condition, given: Filters, supports: Mapping[str, ConditionSupport]) -> Filters | None:
    """Return the filters for one part, or None if there are none or they conflict with the given ones."""
    simple, wanted = _without_not(part)
    support = supports.get(get_condition_name(simple))
    filters = support.to_filters(simple, wanted) if support else None
    if filters is None or any(given.get(name, value) != value for name, value in filters.items()):
        return None
    return filters


def _is_pushed_down(part: Condition, asked: bool, supports: Mapping[str, ConditionSupport]) -> bool:
    simple, wanted = _without_not(part)
    support = supports.get(get_condition_name(simple))
    if support is None or not support.is_exact(simple):
        return False
    # If records do not report it, the required filter that the user set is trusted.
    set_by_user = wanted and bool(support.required_filter(simple)) and not support.is_on_record
    return asked or set_by_user


def _without_not(part: Condition) -> tuple[Condition, bool]:
    return (part.of, False) if isinstance(part, Not) else (part, True)


def _require_on_records(part: Condition, supports: Mapping[str, ConditionSupport], vendor: str) -> None:
    for simple in part.simple_conditions():
        name = get_condition_name(simple)
        if not supports[name].is_on_record:
            raise UnsupportedByVendor(
                f"{vendor} records do not report the condition `{name}`, so it cannot be negated, used inside `any`, "
                "or combined with a conflicting filter.",
                condition=name,
            )


def _require_support(
    simple: Condition, filters: Filters, supports: Mapping[str, ConditionSupport], vendor: str
) -> None:
    name = get_condition_name(simple)
    support = supports.get(name)
    if support is None:
        raise UnsupportedByVendor(f"{vendor} does not support the condition `{name}`.", condition=name)
    if (required := support.required_filter(simple)) and required not in filters:
        raise UnsupportedByVendor(
            f"{vendor} supports the condition `{name}` only if the filter `{required}` is set."
        )
