"""Write the contacts who have replied to a file, and preview which contacts would get a tag."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_contacts.conditions import Replied, Tagged
from airflow_provider_contacts.operators.contacts import ListContactsOperator
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator
from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator


@dag(schedule="@daily", catchup=False)
def contacts_quickstart():
    ContactsToObjectStorageOperator(
        task_id="export_replied",
        contacts_conn_id="mailstand_default",
        condition=Replied(),
        path="file:///tmp/contacts/replied-{{ dag_run.run_after | ds_nodash }}.csv",
    )
    untagged = ListContactsOperator(
        task_id="list_untagged",
        contacts_conn_id="talktohumans_default",
        condition=Replied() & ~Tagged("Replied"),
    )
    UpdateContactTagsOperator(
        task_id="tag_replied",
        contacts_conn_id="talktohumans_default",
        contacts=untagged.output,
        add=["Replied"],
        preview=True,
    )


contacts_quickstart()
