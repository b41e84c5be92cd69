"""A button on a task that opens the contact in the vendor's app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

__all__ = ["ContactLink", "push_contact_url", "push_references_to_approve"]

_XCOM_KEY = "contact_url"
REFERENCES_TO_APPROVE = "references_to_approve"


class ContactLink(BaseOperatorLink):
    """Link to the first contact that the task handled; empty if the vendor reports no address.

    TalkToHumans reports one (``app_url``).
    """

    name = "First contact"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL that the task pushed, or an empty string."""
        from airflow.providers.common.compat.sdk import XCom

        return XCom.get_value(key=_XCOM_KEY, ti_key=ti_key) or ""


def push_contact_url(context: Context, url: object) -> None:
    """Push an address for :class:`ContactLink`, which contains no personal data."""
    if (ti := context.get("ti")) is not None:
        # The address comes from the vendor, so only web URLs are linked. Airflow logs an error if
        # nothing is pushed.
        is_page = isinstance(url, str) and url.startswith("https://")
        ti.xcom_push(key=_XCOM_KEY, value=url if is_page else "")


def push_references_to_approve(context: Context, contacts: Sequence[Mapping[str, object]]) -> str:
    """Push the references of an approval request that does not show all of them.

    :return: the address of the page that shows them, or an empty string if it is unknown.
    """
    ti = context.get("ti")
    if ti is None:
        return ""
    ti.xcom_push(key=REFERENCES_TO_APPROVE, value=list(contacts))
    page, _, _ = (getattr(ti, "log_url", None) or "").partition("?")
    return f"{page}/xcom" if page else ""
