"""Write contacts to one table of a warehouse: a task per LinkedIn account in TalkToHumans, and per stage in Mailstand.

The tasks write in parallel. A contact that moves to another stage meanwhile is written by one of two tasks, or by both. The
pool ``contacts`` limits how many tasks run; create it with ``airflow pools set contacts 4 "requests to vendors"``. A run whose
data has not changed writes no row, and the asset ``contacts_table`` gets no event.

A listing cannot be backfilled: the vendors know the current state, not the state of a past day.
"""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

from airflow.sdk import Asset, Param, dag, task

from airflow_provider_contacts.hooks.mailstand import Stage
from airflow_provider_contacts.hooks.talktohumans import TalkToHumansHook
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

POOL = "contacts"

contacts_table = Asset("contacts_table")


@dag(
    schedule="@daily",
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "pool": POOL},
    params={
        "warehouse": Param("warehouse", type="string", description="Connection of the database"),
        "table": Param("contacts", type="string", description="Table, or schema.table"),
    },
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_warehouse() -> None:
    @task
    def list_accounts() -> list[dict[str, str]]:
        return [{"account_id": str(one["account_id"])} for one in TalkToHumansHook().list_accounts()]

    common = {
        "sql_conn_id": "{{ params.warehouse }}",
        "table": "{{ params.table }}",
        "skip_unchanged": True,
        "outlets": [contacts_table],
    }
    ContactsToSqlOperator.partial(
        task_id="load_talktohumans",
        contacts_conn_id="talktohumans_default",
        map_index_template="{{ task.filters.account_id }}",
        **common,
    ).expand(filters=list_accounts())
    ContactsToSqlOperator.partial(
        task_id="load_mailstand",
        contacts_conn_id="mailstand_default",
        map_index_template="{{ task.filters.stage }}",
        **common,
    ).expand(filters=[{"stage": stage} for stage in get_args(Stage)])


contacts_warehouse()
