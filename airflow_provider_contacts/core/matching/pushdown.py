"""Divide a condition into filters for the vendor and tests on records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from airflow_provider_contacts.conditions import AllOf, AnyOf, Condition, Not, get_condition_name
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.filters import Filters
from airflow_provider_contacts.core.vendor import ConditionSupport
from airflow_provider_contacts.errors import MalformedResponse, UnansweredCondition, UnsupportedByVendor


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """The filters to send, and the conditions to test on records.

    It has no repr, because filters contain personal data.

    :param filters: the filters that the condition adds to the user's.
    :param pushed: conditions that the vendor's filters answer. A contact is dropped only if its
        record contradicts them: the vendor has ignored the filter.
    :param residual: conditions that the record itself must confirm.
    """

    filters: dict[str, object] = field(default_factory=dict)
    pushed: tuple[Condition, ...] = ()
    residual: tuple[Condition, ...] = ()

    @property
    def has_tests(self) -> bool:
        """Whether records need to be tested."""
        return bool(self.pushed or self.residual)

    def is_contradicted_by(self, contact: Contact) -> bool:
        """Return whether a contact's record contradicts a filter that returned it."""
        return any(part.evaluate(contact) is False for part in self.pushed)

    def evaluate(self, contact: Contact) -> bool | None:
        """Return whether a returned contact matches, or None if its record does not report it."""
        return False if self.is_contradicted_by(contact) else self.evaluate_residual(contact)

    def evaluate_residual(self, contact: Contact) -> bool | None:
        """Return whether the record confirms the residual conditions, or None if it is unknown."""
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
        self.evaluated = 0
        self.contradicted = 0
        self.unknown = 0

    def keep(self, contacts: list[Contact]) -> list[Contact]:
        """Return the matching contacts of a page."""
        if self._plan.has_tests:
            contacts = [contact for contact in contacts if self.test(contact)]
        if self._remaining is not None:
            contacts = contacts[: self._remaining]
            self._remaining -= len(contacts)
        return contacts

    def test(self, contact: Contact) -> bool | None:
        """Test a contact, count the result, and return whether it matches, or None if unknown."""
        self.evaluated += 1
        if self._plan.is_contradicted_by(contact):
            self.contradicted += 1
            return False
        value = self._plan.evaluate_residual(contact)
        self.unknown += value is None
        return value

    @property
    def has_reached_limit(self) -> bool:
        """Whether no further contact is wanted."""
        return self._remaining == 0

    def require_answers(self, where: str) -> None:
        """Check, after the last page, that the condition was answered for at least one contact.

        :param where: vendor and request, for messages.
        :raises MalformedResponse: if the records of all contacts contradict the filters that
            returned them.
        :raises UnansweredCondition: if no record reports what the condition asks.
        """
        if self.evaluated and self.contradicted == self.evaluated:
            raise MalformedResponse(
                f"{where}: The records of all {self.evaluated} contacts contradict the condition "
                f"{_names(self._plan.pushed)}, although the vendor's filter returned them. The vendor may "
                "ignore the filter, or compare names without regard to case. Check the spelling and the "
                "case of names in the condition."
            )
        if self.evaluated and self.unknown == self.evaluated:
            raise UnansweredCondition(
                f"{where}: None of the {self.evaluated} records reports the condition "
                f"{_names(self._plan.residual)}, so it is unknown whether any contact matches."
            )


def plan_condition(
    condition: Condition | None, filters: Filters, supports: Mapping[str, ConditionSupport], vendor: str
) -> Plan:
    """Divide a condition into filters and tests.

    :param filters: the user's filters; none of them is replaced.
    :param supports: the conditions that the vendor supports, by name.
    :param vendor: the vendor's title, for messages.
    :raises UnsupportedByVendor: if the vendor cannot answer; the error's ``condition`` names the
        part.
    """
    if condition is None:
        return Plan()
    condition = normalize(condition)
    for simple in condition.simple_conditions():
        _require_support(simple, filters, supports, vendor)
    # Only the parts of an `all` can be pushed down one by one. Pushing down a part of an `any`
    # would drop matches.
    added: dict[str, object] = {}
    pushed: list[Condition] = []
    residual: list[Condition] = []
    for part in condition.of if isinstance(condition, AllOf) else (condition,):
        simple, wanted = (part.of, False) if isinstance(part, Not) else (part, True)
        support = supports.get(get_condition_name(simple))  # None for `any`
        # A filter holds one value, so only the first of `Tagged("a") & Tagged("b")` is pushed down.
        part_filters = _find_filters(simple, wanted, support, {**filters, **added})
        added.update(part_filters or {})
        # A vendor may ignore a filter that is false and return all contacts, so the record has to
        # confirm a negation.
        if wanted and support and _is_answered(simple, support, is_asked=part_filters is not None):
            pushed.append(part)
        else:
            _require_on_records(part, filters, supports, vendor)
            residual.append(part)
    return Plan(added, tuple(pushed), tuple(residual))


def _find_filters(
    simple: Condition, wanted: bool, support: ConditionSupport | None, given: Filters
) -> Filters | None:
    """Return the filters for a condition, or None without any, or if they conflict with others."""
    filters = support.to_filters(simple, wanted) if support else None
    if filters is None or any(given.get(name, value) != value for name, value in filters.items()):
        return None
    return filters


def _is_answered(simple: Condition, support: ConditionSupport, *, is_asked: bool) -> bool:
    """Return whether the vendor's filters answer a condition exactly."""
    # If records do not report it, the required filter that the user set is trusted.
    is_set_by_user = bool(support.required_filter) and not support.is_on_record
    return support.is_exact(simple) and (is_asked or is_set_by_user)


def _require_on_records(
    part: Condition, filters: Filters, supports: Mapping[str, ConditionSupport], vendor: str
) -> None:
    for simple in part.simple_conditions():
        name = get_condition_name(simple)
        support = supports[name]
        if not support.is_on_record:
            raise UnsupportedByVendor(
                f"{vendor} records do not report the condition `{name}`, so it cannot be negated, used "
                "inside `any`, or combined with a conflicting filter.",
                condition=name,
            )
        if support.record_filter and support.record_filter not in filters:
            raise UnsupportedByVendor(
                f"{vendor} records report the condition `{name}` only if the filter "
                f"`{support.record_filter}` is set. Without it, the condition cannot be negated, used "
                "inside `any`, or have a time.",
                condition=name,
            )


def _require_support(
    simple: Condition, filters: Filters, supports: Mapping[str, ConditionSupport], vendor: str
) -> None:
    name = get_condition_name(simple)
    support = supports.get(name)
    if support is None:
        raise UnsupportedByVendor(f"{vendor} does not support the condition `{name}`.", condition=name)
    if problem := support.explain_unsupported(simple):
        raise UnsupportedByVendor(problem, condition=name)
    # Raises for a name that the vendor does not have, wherever it is in the condition.
    support.to_filters(simple, True)
    if (required := support.required_filter) and required not in filters:
        raise UnsupportedByVendor(
            f"{vendor} supports the condition `{name}` only if the filter `{required}` is set.",
            condition=name,
        )


def _names(parts: Iterable[Condition]) -> str:
    names = dict.fromkeys(get_condition_name(simple) for part in parts for simple in part.simple_conditions())
    return ", ".join(f"`{name}`" for name in names)


def normalize(condition: Condition) -> Condition:
    """Return an equivalent condition, flat, with ``not`` only around simple conditions.

    The rules hold for three values: if a condition is unknown, its normalized form is unknown too.
    """
    return _normalize(condition, negated=False)


def _normalize(condition: Condition, *, negated: bool) -> Condition:
    if isinstance(condition, Not):
        return _normalize(condition.of, negated=not negated)
    if not isinstance(condition, AllOf | AnyOf):
        return Not(condition) if negated else condition
    is_all = isinstance(condition, AllOf) is not negated
    combinator = AllOf if is_all else AnyOf
    parts: dict[Condition, None] = {}
    for part in condition.of:
        parts.update(dict.fromkeys(_parts(_normalize(part, negated=negated), combinator)))
    unique: tuple[Condition, ...] = tuple(parts)
    return unique[0] if len(unique) == 1 else combinator(unique)


def _parts(condition: Condition, combinator: type[AllOf | AnyOf]) -> Iterator[Condition]:
    if isinstance(condition, combinator):
        yield from condition.of
    else:
        yield condition
