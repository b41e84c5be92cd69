"""Keep the tag ``Replied`` in TalkToHumans up to date.

Contacts who have replied get the tag. Contacts who have the tag and are known not to have replied
lose it. A run reports what would change, and writes nothing, until the parameter ``preview`` is
false. For scheduled runs, change its default here.
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
    catchup=False,  # the vendors only know the current state
    max_active_runs=1,
    params={
        "preview": Param(True, type="boolean", description="Report what would change, and write nothing"),
        "max_updates": Param(
            1000, type="integer", minimum=1, description="Fail if more contacts than this would change"
        ),
    },
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_tag_hygiene() -> None:
    listed = ListContactsOperator(
        task_id="list_candidates",
        contacts_conn_id=CONNECTION,
        condition=Replied() | Tagged(TAG),
        max_xcom_contacts=20_000,
    )
    to_tag = FilterContactsOperator(
        task_id="filter_to_tag", contacts=listed.output, condition=Replied() & ~Tagged(TAG)
    )
    to_untag = FilterContactsOperator(
        task_id="filter_to_untag", contacts=listed.output, condition=Tagged(TAG) & ~Replied()
    )
    limits = {"preview": "{{ params.preview }}", "max_updates": "{{ params.max_updates }}"}
    UpdateContactTagsOperator(
        task_id="tag_replied", contacts_conn_id=CONNECTION, contacts=to_tag.output, add=[TAG], **limits
    )
    UpdateContactTagsOperator(
        task_id="untag_others", contacts_conn_id=CONNECTION, contacts=to_untag.output, remove=[TAG], **limits
    )


contacts_tag_hygiene()
