"""The arguments of operators that write to vendors."""

from __future__ import annotations

from collections import UserList
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.operators.arguments import list_arguments, parse_arguments
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator
from airflow_provider_contacts.operators.updating.arguments import (
    WriteOptions,
    parse_approvers,
    parse_on_failure,
    parse_threshold,
)
from airflow_provider_contacts.safeguards.configuration import Safeguards


def make(**arguments: Any) -> UpdateContactTagsOperator:
    with DAG("test", schedule=None):
        return UpdateContactTagsOperator(
            task_id="t", contacts_conn_id="c", contacts=["1"], add="A", **arguments
        )


def parse(operator: UpdateContactTagsOperator) -> WriteOptions:
    return parse_arguments(operator, WriteOptions, operator.required_arguments)


def test_defaults() -> None:
    options = parse(make())
    assert options.require_approval is None
    assert (options.preview, options.max_updates, options.on_failure) == (False, 1000, "fail")
    assert options.approvers == []
    assert options.approval_timeout is None
    assert (options.sql_conn_id, options.suppressions_table, options.audit_table) == ("", "", "")
    assert options.secret_conn_id == ""
    assert (options.unchecked, options.fresh_check, options.leave_opt_out) == (None, True, False)


def test_rendered_templates() -> None:
    options = parse(
        make(
            require_approval="50",
            approvers="ada",
            approval_timeout="24h",
            sql_conn_id="company.dwh",
            suppressions_table="crm.s",
            secret_conn_id="",
            audit_table="None",
            max_updates="7",
        )
    )
    assert options.require_approval == 50
    assert options.approvers == [{"id": "ada", "name": "ada"}]
    assert options.approval_timeout == timedelta(hours=24)
    assert (options.suppressions_table, options.audit_table, options.max_updates) == ("crm.s", "", 7)
    assert options.secret_conn_id == ""
    # A connection id may contain a dot.
    assert options.locate("suppressions_table") == TableLocation("company.dwh", "crm.s")
    assert options.locate("audit_table") is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"require_approval": "perhaps"},
        {"approvers": [5]},
        {"approval_timeout": "soon"},
        {"sql_conn_id": 5},
        {"suppressions_table": "a.b.c"},
        {"secret_conn_id": 5},
        {"contacts_table": "a.b.c"},
        {"audit_table": "a."},
        {"on_failure": "ignore"},
        {"preview": "perhaps"},
        {"max_updates": 0},
        {"sql_conn_id": "postgresql://u:p@h/db"},
        {"unchecked": "ignore"},
    ],
)
def test_invalid_literals_fail_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    [name] = arguments
    assert name in list_arguments(WriteOptions)
    with pytest.raises(InvalidRequest, match=f"`{name}`"):
        make(**arguments)


@pytest.mark.parametrize("name", list_arguments(WriteOptions))
def test_rendered_values_are_parsed_as_literals_are(name: str) -> None:
    operator = make()
    setattr(operator, name, {"x"})
    with pytest.raises(InvalidRequest, match=f"`{name}`"):
        parse(operator)


def test_tables_need_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    options = parse(make(audit_table="contact_audit"))
    with pytest.raises(InvalidRequest, match="`audit_table` names a table, but no database"):
        options.find_safeguards()
    monkeypatch.setenv("AIRFLOW__CONTACTS__SQL_CONN_ID", "company")
    assert options.find_safeguards() == Safeguards([], [], [], [TableLocation("company", "contact_audit")])
    own = parse(make(audit_table="contact_audit", sql_conn_id="own")).find_safeguards()
    assert own.audits == [TableLocation("own", "contact_audit")]


def test_max_updates() -> None:
    options = parse(make(max_updates=2))
    options.check_count(2)
    with pytest.raises(InvalidRequest, match=r"3 contacts would be updated, more than max_updates \(2\)"):
        options.check_count(3)


def test_on_failure() -> None:
    assert parse_on_failure("on_failure", "continue") == "continue"
    with pytest.raises(InvalidRequest, match="`on_failure` must be `fail` or `continue`"):
        parse_on_failure("on_failure", None)


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
    assert parse_threshold("require_approval", value) == threshold


@pytest.mark.parametrize("value", [-1, "-1", "yes", 1.5, [], "{{ x }}"])
def test_invalid_thresholds(value: object) -> None:
    with pytest.raises(
        InvalidRequest, match="`require_approval` must be true, false, or a number of contacts"
    ):
        parse_threshold("require_approval", value)


def test_approvers() -> None:
    def parse(value: object) -> list[dict[str, str]]:
        return parse_approvers("approvers", value)

    ada = {"id": "ada", "name": "ada"}
    assert parse("ada") == parse(["ada"]) == parse(ada) == [ada]
    assert parse([{"id": "7"}, {"id": "8", "name": "Eve"}]) == [
        {"id": "7", "name": "7"},
        {"id": "8", "name": "Eve"},
    ]
    assert parse(()) == parse(None) == parse("") == []
    for bad in (5, [5], [""], [{}], [{"id": ""}], [{"id": "a", "more": "b"}], [{"id": 7}], {"ada"}):
        with pytest.raises(InvalidRequest, match="`approvers` must be a list of user ids"):
            parse(bad)


def test_an_address_is_not_shown() -> None:
    with pytest.raises(InvalidRequest) as caught:
        make(sql_conn_id="postgresql://u:p@h/db")
    assert "u:p" not in str(caught.value)


def test_a_secret_needs_its_table() -> None:
    options = parse(make(secret_conn_id="secret"))
    with pytest.raises(InvalidRequest, match="`secret_conn_id` is set without `suppressions_table`"):
        options.find_safeguards()


def test_people_need_their_contacts() -> None:
    options = parse(make(sql_conn_id="company", people_table="contact_people"))
    with pytest.raises(InvalidRequest, match="`people_table` needs `contacts_table`"):
        options.find_safeguards()
    both = parse(make(sql_conn_id="company", people_table="contact_people", contacts_table="contacts"))
    assert both.find_safeguards().people == [(TableLocation("company", "contact_people"), "contacts")]


def test_an_empty_list_is_not_a_safeguard() -> None:
    """Such as the output of a mapped task without items."""

    class Output(UserList[str]):
        """A sequence, but not a list."""

    operator = make(approvers=["ada"])
    operator.approvers = Output()  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest, match="`approvers` is set on the operator but is empty"):
        parse(operator)
