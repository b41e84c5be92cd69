"""Base class of operators that read contacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.changes import TagsLike
from airflow_provider_contacts.core.matching.parsing import ConditionLike, parse_condition, to_templatable
from airflow_provider_contacts.operators.arguments import check_filters, check_literals
from airflow_provider_contacts.retry import RetryPolicyOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

__all__ = ["BaseContactsOperator", "ContactsLike", "FiltersLike", "TagsLike", "describe_task"]

# Ids, references or contacts: a list, the output of an upstream task, or a template that renders to
# a list.
ContactsLike: TypeAlias = "Sequence[str | int | Reference | Mapping[str, object]] | XComArg | str"
# The vendor's parameters: a mapping, the output of an upstream task, or a template that renders to
# a mapping.
FiltersLike: TypeAlias = "Mapping[str, object] | XComArg | str"


class BaseContactsOperator(RetryPolicyOperator):
    """Base class of the operators that read contacts.

    All arguments are templated.

    :param contacts_conn_id: connection of any vendor.
    :param filters: the vendor's own parameters.
    :param condition: a condition, or its JSON, that contacts have to match as well.
    """

    template_fields: Sequence[str] = ("contacts_conn_id", "filters", "condition")
    template_fields_renderers: ClassVar[dict[str, str]] = {"filters": "json", "condition": "json"}

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        filters: FiltersLike | None = None,
        condition: ConditionLike | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contacts_conn_id = contacts_conn_id
        # Templates replace these values before they are used.
        self.filters: Any = filters
        self.condition: Any = to_templatable(condition)
        check_literals(self, check_filters, self.filters)
        check_literals(self, parse_condition, self.condition)


def describe_task(context: Context) -> str:
    """Return DAG, task, run and map index of a task instance, as text."""
    ti = dict(context).get("ti")
    parts = [getattr(ti, name, "") for name in ("dag_id", "task_id", "run_id")]
    map_index = getattr(ti, "map_index", -1)
    return " / ".join(filter(None, [*parts, f"map index {map_index}" if map_index >= 0 else ""]))
