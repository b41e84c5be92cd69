"""Stop outreach to a person at all vendors when they reply or opt out at one.

Two DAGs. `contacts_stop_everywhere` starts as soon as a poll finds contacts who have newly replied
in TalkToHumans, Mailstand or Tether; Thoughtly does not report replies.
`contacts_stop_everywhere_from_table` starts after `contacts_warehouse` has written changes: it
resolves the people, and stops outreach to all who have replied or unsubscribed according to the
table.

Both resolve which contacts belong to one person before they stop anyone. They only report what they
would do until the parameter `preview` is false. Adjust `ACTIONS` to your stages and tags: an action
changes a contact again only after another reply, or an opt-out. Needs a database with the
connection `warehouse`. To start the first one for contacts, enter one per line in the form, or:
`airflow dags trigger contacts_stop_everywhere --conf '{"contacts": "tether/ACCOUNT/ID"}'`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, AssetWatcher, Param, dag, task

from airflow_provider_contacts.conditions import Replied
from airflow_provider_contacts.operators.people import ResolvePeopleOperator
from airflow_provider_contacts.operators.sources import SqlContacts
from airflow_provider_contacts.operators.stop_outreach import StopOutreachOperator
from airflow_provider_contacts.triggers.contacts import ContactEventTrigger

REFERENCE = ("vendor", "account_id", "contact_id")
ACTIONS = {
    "talktohumans_default": {"add_tags": ["Replied elsewhere"]},
    "thoughtly_default": "manual",  # its API cannot change contacts
    "mailstand_default": {"stage": "Not Interested"},
    "tether_default": {"stage": "Lost"},
}
# Without the filter `campaign`, Mailstand reports replies and opt-outs only as stages.
OPTED_OUT_OR_REPLIED = """
    SELECT vendor, account_id, contact_id FROM contacts
    WHERE removed_at IS NULL AND (
        replied OR unsubscribed_at IS NOT NULL
        OR (vendor = 'mailstand' AND stage IN ('Replied', 'Do Not Contact'))
    )
"""
FILTERS = {"tether": {"ownerFilter": "all", "messageStatus": "replied"}}


def watch_replies(vendor: str) -> Asset:
    """Return an asset that is updated when contacts of a vendor reply."""
    trigger = ContactEventTrigger(
        contacts_conn_id=f"{vendor}_default",
        condition=Replied(),
        filters=FILTERS.get(vendor),
        poll_interval=60,
    )
    name = f"{vendor}_replies_everywhere"
    return Asset(name, watchers=[AssetWatcher(name=name, trigger=trigger)])


def parse_line(line: str) -> dict[str, str]:
    """Return the reference that a line of the form names."""
    parts = [part.strip() for part in line.split("/")]
    if len(parts) != len(REFERENCE):
        raise ValueError("Each line of `contacts` must be vendor/account/id.")
    return dict(zip(REFERENCE, parts, strict=True))


replies = [watch_replies(vendor) for vendor in ("talktohumans", "mailstand", "tether")]
preview = Param(True, type="boolean", description="Only report what would be done")


@dag(
    schedule=replies[0] | replies[1] | replies[2],
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    params={
        "preview": preview,
        "contacts": Param(
            "",
            type="string",
            format="multiline",
            description="For a manual run: vendor/account/id of a contact in each line",
        ),
    },
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_stop_everywhere() -> None:
    @task
    def list_replied(params: Any = None, triggering_asset_events: Any = None) -> list[dict[str, str]]:
        events = [event for found in (triggering_asset_events or {}).values() for event in found]
        replied = [
            {**contact, "cause": "reply", "caused_at": event.extra["payload"]["emitted_at"]}
            for event in events
            for contact in event.extra["payload"]["contacts"]
        ]
        return [*replied, *map(parse_line, filter(str.strip, params["contacts"].splitlines()))]

    stopped = StopOutreachOperator(
        task_id="stop_outreach",
        contacts=list_replied(),
        sql_conn_id="warehouse",
        actions=ACTIONS,
        preview="{{ params.preview }}",
    )
    ResolvePeopleOperator(task_id="resolve_people", sql_conn_id="warehouse") >> stopped


@dag(
    schedule=[Asset("contacts_table")],
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    params={"preview": preview},
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_stop_everywhere_from_table() -> None:
    resolved = ResolvePeopleOperator(task_id="resolve_people", sql_conn_id="warehouse")
    stopped = StopOutreachOperator(
        task_id="stop_outreach",
        contacts=SqlContacts("warehouse", OPTED_OUT_OR_REPLIED),
        sql_conn_id="warehouse",
        actions=ACTIONS,
        preview="{{ params.preview }}",
    )
    resolved >> stopped


contacts_stop_everywhere()
contacts_stop_everywhere_from_table()
