"""Load 100,000 contacts into a database three times: all new, unchanged, one in a hundred changed.

`scripts/with_postgres.py` runs it with a temporary PostgreSQL; without one it uses SQLite. Each load is compared with reading
the same contacts without writing them, in the same run.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import tempfile
import time

from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.sandbox.app import create_app, create_state, running
from airflow_provider_contacts.sandbox.connections import connections
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

CONTACTS = int(os.environ.get("BENCHMARK_CONTACTS", "100000"))


def main() -> None:
    """Run and print it."""
    logging.disable(logging.CRITICAL)
    state = create_state(CONTACTS, 7, rate_limits=False)
    with tempfile.TemporaryDirectory() as folder, running(create_app(state)) as url:
        for name, parts in connections(url, rate_limits=False).items():
            os.environ[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(parts)
        postgres = os.environ.get("CONTACTS_TEST_POSTGRES")
        if postgres:
            port = int(postgres.rpartition(":")[2].partition("/")[0])
            warehouse = {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "login": "contacts",
                         "schema": "postgres"}  # fmt: skip
        else:
            warehouse = {"conn_type": "sqlite", "host": f"{folder}/contacts.db"}
        os.environ["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(warehouse)
        hook = ContactsHook.for_connection("mailstand_default")
        read = []
        for _ in range(2):  # the sandbox makes its people at the first
            started = time.perf_counter()
            sum(1 for _ in hook.list_contacts())
            read.append(time.perf_counter() - started)
        print(f"{warehouse['conn_type']}: {CONTACTS} contacts; reading alone takes {read[1]:.1f} s")
        rows = state.tables["mailstand"].rows
        for name in ("first load", "unchanged", "1% changed"):
            if name == "1% changed":
                for row in rows[::100]:
                    row.stage = "Nurture" if row.stage != "Nurture" else "Interested"
                    state.tables["mailstand"].invalidate(row)
                sum(1 for _ in hook.list_contacts())
            operator = ContactsToSqlOperator(
                task_id="load",
                contacts_conn_id="mailstand_default",
                sql_conn_id="warehouse",
                table="contacts",
            )
            started = time.perf_counter()
            summary = operator.execute({})
            took = time.perf_counter() - started
            counts = ", ".join(f"{summary[key]} {key}" for key in ("new", "changed", "unchanged"))
            print(f"{name:<12}{took:7.1f} s {took / read[1]:6.1f} x reading   {counts}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory, sandbox included: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
