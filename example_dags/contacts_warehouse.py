"""Write the contacts of all vendors to one table of a warehouse.

Each vendor is a task. In TalkToHumans each LinkedIn account is one, because its API returns 25
contacts at a time, one page after another. The tasks write only what is new or has changed, at the
same time and to the same table.

`announce_changes` triggers DAGs that are scheduled on the asset `contacts_table`; it is skipped if
nothing has changed. `report_counts` logs the counts, and lets the run fail if a load has failed. A
listing cannot be backfilled: the vendors know the current state, not the state of a past day.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, Param, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_contacts.hooks.talktohumans import TalkToHumansHook
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

log = logging.getLogger(__name__)

contacts_table = Asset("contacts_table")


@dag(
    schedule="@daily",
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    params={
        "warehouse": Param("warehouse", type="string", description="Connection of the database"),
        "table": Param("contacts", type="string", description="Table, or schema.table"),
    },
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_warehouse() -> None:
    target = {"sql_conn_id": "{{ params.warehouse }}", "table": "{{ params.table }}"}

    @task
    def list_linkedin_accounts() -> list[dict[str, str]]:
        return [{"account_id": str(one["account_id"])} for one in TalkToHumansHook().list_accounts()]

    account_filters = list_linkedin_accounts()
    of_accounts = ContactsToSqlOperator.partial(
        task_id="load_talktohumans",
        contacts_conn_id="talktohumans_default",
        map_index_template="{{ task.filters.account_id }}",
        **target,
    ).expand(filters=account_filters)
    others = [
        ContactsToSqlOperator(task_id=f"load_{vendor}", contacts_conn_id=f"{vendor}_default", **target)
        for vendor in ("thoughtly", "mailstand", "tether")
    ]
    of_others = [load.output for load in others]

    # Even if a load has failed, what the others wrote must be announced, because the next run does
    # not write it again.
    @task(outlets=[contacts_table], trigger_rule="all_done")
    def announce_changes(filters: Any, of_accounts: Any, of_others: list[Any]) -> None:
        loads = [*(of_accounts or []), *of_others]
        has_failures = filters is None or len(loads) < len(filters) + len(of_others) or None in loads
        # A load that failed or was retried may have written rows.
        if not has_failures and not any(_has_written(load) for load in loads):
            raise AirflowSkipException("No contact has changed.")

    # A failed load fails the run; a skipped announcement does not.
    @task(trigger_rule="none_failed")
    def report_counts(of_accounts: Any, of_others: list[Any]) -> dict[str, int]:
        loads = [*(of_accounts or []), *of_others]
        counts = {name: sum(load[name] for load in loads) for name in ("new", "changed", "unchanged")}
        log.info("%d new, %d changed, %d unchanged contacts.", *counts.values())
        return counts

    announced = announce_changes(account_filters, of_accounts.output, of_others)
    announced >> report_counts(of_accounts.output, of_others)


def _has_written(load: dict[str, Any]) -> bool:
    return bool(load["new"] or load["changed"] or load["removed"]) or load["attempt"] > 1


contacts_warehouse()
