"""Daemon threads."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.tether import page
from tests.vendors import CASES


def test_interpreter_exits_while_pages_wait(scripted: ScriptedServer) -> None:
    def respond(request: ReceivedRequest) -> Reply:
        number = int(request.params["page"][0])
        if number > 2:
            return Reply(status=503, headers={"Retry-After": "60"})
        return Reply(body=page(*[{"_id": f"{number}-{n}"} for n in range(5)], total=40))

    scripted.respond = respond
    connection = json.dumps({**CASES["tether"].parts, "host": scripted.url})
    code = (
        "import os\n"
        f"os.environ['AIRFLOW_CONN_T'] = {connection!r}\n"
        "from airflow_provider_contacts.hooks.base import ContactsHook\n"
        "contacts = ContactsHook.for_connection('t', page_size=5).list_contacts()\n"
        "for _ in range(7): next(contacts)\n"
    )
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50, capture_output=True)
    assert time.monotonic() - started < 40
