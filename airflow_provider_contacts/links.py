"""A button on a task that leads to the contact in the vendor's own app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

URL_KEY = "contact_url"


class ContactLink(BaseOperatorLink):
    """Leads to the contact that a task has dealt with, where the vendor gives its address.

    TalkToHumans gives one (``app_url``); of a task with several contacts it is the first one's. Without an
    address the button leads nowhere.
    """

    name = "Contact"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that the task has left, or empty text."""
        from airflow.providers.common.compat.sdk import XCom

        return XCom.get_value(key=URL_KEY, ti_key=ti_key) or ""


def leave_url(context: Any, url: str | None) -> None:
    """Leave an address for :class:`ContactLink`; it holds the vendor's own id and nothing else of a person."""
    if (ti := context.get("ti")) is not None:
        # Only what a browser opens as a page: the address comes from outside. Airflow logs an error for nothing.
        is_page = isinstance(url, str) and url.startswith("https://")
        ti.xcom_push(key=URL_KEY, value=url if is_page else "")
