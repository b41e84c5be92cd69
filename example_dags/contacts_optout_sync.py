"""Suppress everyone who unsubscribed from Mailstand's e-mails or whose address bounced.

Mailstand moves contacts who unsubscribe to the stage Do Not Contact, whatever the campaign. Their
e-mail addresses, phone numbers and LinkedIn profiles are suppressed at all vendors, as keyed
hashes. Update operators with this table skip them; see `contacts_approved_tagging`.

Needs a database with the connection `warehouse`, and the connection `contacts_suppressions` with a
long random password: the secret of the hashes.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_provider_contacts.conditions import Bounced, Condition, InStage
from airflow_provider_contacts.operators.contacts import ListContactsOperator
from airflow_provider_contacts.operators.suppressions import SuppressContactsOperator

CONNECTION = "mailstand_default"
CONDITIONS: dict[str, Condition] = {"unsubscribed": InStage("Do Not Contact"), "bounced": Bounced()}


@dag(
    schedule="@hourly",
    catchup=False,
    max_active_runs=1,
    params={"warehouse": Param("warehouse", type="string", description="Connection of the database")},
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_optout_sync() -> None:
    for reason, condition in CONDITIONS.items():
        listed = ListContactsOperator(
            task_id=f"list_{reason}",
            contacts_conn_id=CONNECTION,
            condition=condition,
            max_xcom_contacts=20_000,
        )
        SuppressContactsOperator(
            task_id=f"suppress_{reason}",
            contacts=listed.output,
            sql_conn_id="{{ params.warehouse }}",
            suppressions_table="contact_suppressions",
            reason=reason,
        )


contacts_optout_sync()
