"""Suppress everyone who unsubscribed from Mailstand's e-mails or whose address bounced.

Mailstand moves contacts who unsubscribe to the stage Do Not Contact, whatever the campaign. Their
e-mail addresses, phone numbers and LinkedIn profiles are suppressed at all vendors, as keyed
hashes. Update operators with this table skip them; see `contacts_approved_tagging`.

Needs a database with the connection `warehouse`, whose tables `mailstand_unsubscribed` and
`mailstand_bounced` hold these contacts, and the connection `contacts_suppressions` with a
long random password: the secret of the hashes.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_contacts.conditions import Bounced, Condition, InStage
from airflow_provider_contacts.operators.sources import SqlContacts
from airflow_provider_contacts.operators.suppressions import SuppressContactsOperator
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

CONNECTION = "mailstand_default"
COLUMNS = "vendor, contact_id, email, phone, country, linkedin_url"
CONDITIONS: dict[str, Condition] = {"unsubscribed": InStage("Do Not Contact"), "bounced": Bounced()}


@dag(
    schedule="@hourly",
    catchup=False,
    max_active_runs=1,
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_optout_sync() -> None:
    for reason, condition in CONDITIONS.items():
        # Through a table, because XCom would keep the contacts.
        table = f"mailstand_{reason}"
        loaded = ContactsToSqlOperator(
            task_id=f"load_{reason}",
            contacts_conn_id=CONNECTION,
            condition=condition,
            sql_conn_id="warehouse",
            table=table,
        )
        suppressed = SuppressContactsOperator(
            task_id=f"suppress_{reason}",
            contacts=SqlContacts("warehouse", f"SELECT {COLUMNS} FROM {table}"),  # noqa: S608 - constants
            sql_conn_id="warehouse",
            suppressions_table="contact_suppressions",
            reason=reason,
        )
        loaded >> suppressed


contacts_optout_sync()
