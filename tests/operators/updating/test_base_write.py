"""The arguments that all writing operators share."""

from __future__ import annotations

from airflow_provider_contacts.operators.stop_outreach import StopOutreachOperator
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator
from airflow_provider_contacts.operators.updating.base_write import BaseWriteOperator


def test_all_writing_operators_have_the_arguments() -> None:
    for kind in (StopOutreachOperator, UpdateContactTagsOperator):
        assert issubclass(kind, BaseWriteOperator)
        assert set(BaseWriteOperator.template_fields) <= set(kind.template_fields)
        assert set(BaseWriteOperator.safeguards) <= set(kind.safeguards) <= set(kind.template_fields)


def test_safeguards_that_are_set_are_required() -> None:
    operator = UpdateContactTagsOperator(
        task_id="t",
        contacts_conn_id="c",
        contacts=[],
        add="x",
        audit="w.audit",
        contacts_table="w.contacts",
        suppressions="",
        require_approval=False,
    )
    assert operator.required_arguments == ["require_approval", "audit", "contacts_table"]
    assert operator.multiple_outputs
