"""The suppressions of a task that stops outreach."""

from __future__ import annotations

import logging
from dataclasses import replace

from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.operators.stopping.suppressing import StopSuppressions
from airflow_provider_contacts.safeguards.configuration import Safeguards
from tests.database import Database

SECRET = "contacts_suppressions"
ADA = Target("o", "1", {"email": "ada@example.com"})
EVE = Target("o", "2", {"email": "eve@example.com"})


def test_suppressed_contacts_are_recorded(database: Database, secret: str) -> None:
    own = TableLocation(database.conn_id, "contact_suppressions")
    log = logging.getLogger("test")
    tested = StopSuppressions(Safeguards([(own, SECRET)], [], [], []), own, SECRET, "dag / task / run", log)
    # The table does not exist yet.
    assert tested.find_recorded([ADA, EVE], "tether") == set()
    tested.add([ADA], "tether")
    # The task itself may have been killed before it recorded that.
    assert tested.find_recorded([ADA, EVE], "tether") == set()
    tested = replace(tested, source="dag / task / later run")
    assert tested.find_recorded([ADA, EVE], "tether") == {ADA.key}
    # A contact with a key that is not suppressed yet is to be suppressed again.
    assert (
        tested.find_recorded([Target("o", "1", {**ADA.fields, "phone": "+12015550101"})], "tether") == set()
    )
    assert tested.find_recorded([ADA], "mailstand") == set()
