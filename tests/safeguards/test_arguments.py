"""Arguments about approvals, suppressions and the audit."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.safeguards.arguments import (
    parse_approvers,
    parse_optional_location,
    parse_threshold,
)


@pytest.mark.parametrize(
    ("value", "threshold"),
    [
        (True, 0),
        ("True", 0),
        (False, None),
        ("False", None),
        (None, None),
        ("", None),
        ("None", None),
        (0, 0),
        (50, 50),
        ("50", 50),
    ],
)
def test_thresholds(value: object, threshold: int | None) -> None:
    assert parse_threshold(value) == threshold


@pytest.mark.parametrize("value", [-1, "-1", "yes", 1.5, [], "{{ x }}"])
def test_invalid_thresholds(value: object) -> None:
    with pytest.raises(
        InvalidRequest, match="`require_approval` must be true, false, or a number of contacts"
    ):
        parse_threshold(value)


def test_approvers() -> None:
    ada = {"id": "ada", "name": "ada"}
    assert parse_approvers("ada") == parse_approvers(["ada"]) == parse_approvers(ada) == [ada]
    assert parse_approvers([{"id": "7"}, {"id": "8", "name": "Eve"}]) == [
        {"id": "7", "name": "7"},
        {"id": "8", "name": "Eve"},
    ]
    assert parse_approvers(()) == parse_approvers(None) == parse_approvers("") == []
    for bad in (5, [5], [""], [{}], [{"id": ""}], [{"id": "a", "more": "b"}], [{"id": 7}], {"ada"}):
        with pytest.raises(InvalidRequest, match="`approvers` must be a list of user ids"):
            parse_approvers(bad)


def test_locations() -> None:
    assert parse_optional_location("audit", " warehouse.contact_audit ") == "warehouse.contact_audit"
    assert parse_optional_location("audit", "warehouse.crm.contact_audit") == "warehouse.crm.contact_audit"
    assert parse_optional_location("audit", None) == parse_optional_location("audit", "None") == ""
    for bad in ("warehouse", "warehouse.", ".table", "a.b.c.d", "a..b", 5, "a.b\nc"):
        with pytest.raises(InvalidRequest, match="`audit` must be"):
            parse_optional_location("audit", bad)
