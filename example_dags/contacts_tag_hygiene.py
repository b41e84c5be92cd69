"""Keep the tag of those who have replied in order at TalkToHumans.

People who have replied get the tag ``Replied``; those who have it and are known not to have replied lose it. The run
parameter ``preview`` says what would be done and writes nothing.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_provider_contacts.conditions import Replied, Tagged
from airflow_provider_contacts.operators.contacts import FilterContactsOperator, ListContactsOperator
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator

CONNECTION = "talktohumans_default"
TAG = "Replied"


@dag(
    schedule="@daily",
    catchup=False,  # the vendors only know how things are now
    max_active_runs=1,
    params={
        "preview": Param(False, type="boolean", description="Say what would be done, and write nothing"),
        "max_updates": Param(1000, type="integer", minimum=1, description="Refuse to write more contacts"),
    },
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_tag_hygiene() -> None:
    listed = ListContactsOperator(
        task_id="list",
        contacts_conn_id=CONNECTION,
        condition=Replied() | Tagged(TAG),
        max_xcom_contacts=20_000,
    )
    replied = FilterContactsOperator(
        task_id="replied", contacts=listed.output, condition=Replied() & ~Tagged(TAG)
    )
    stale = FilterContactsOperator(
        task_id="stale", contacts=listed.output, condition=Tagged(TAG) & ~Replied()
    )
    limits = {"preview": "{{ params.preview }}", "max_updates": "{{ params.max_updates }}"}
    UpdateContactTagsOperator(
        task_id="tag", contacts_conn_id=CONNECTION, contacts=replied.output, add=[TAG], **limits
    )
    UpdateContactTagsOperator(
        task_id="untag", contacts_conn_id=CONNECTION, contacts=stale.output, remove=[TAG], **limits
    )


contacts_tag_hygiene()
