"""Rewrite a condition into one that means the same, in a form whose parts can be pushed down."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_contacts.conditions import AllOf, AnyCondition, AnyOf, Condition, Not


def normalize(condition: Condition) -> Condition:
    """Return an equivalent condition with nested ``all`` and ``any`` flattened, and ``not`` only around simple conditions.

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
    unique: tuple[AnyCondition, ...] = tuple(parts)
    return unique[0] if len(unique) == 1 else combinator(unique)


def _parts(condition: Condition, combinator: type[AllOf | AnyOf]) -> Iterator[Condition]:
    if isinstance(condition, combinator):
        yield from condition.of
    else:
        yield condition
