"""Run a real Airflow with the example DAGs, connected to the sandbox, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import webbrowser
from pathlib import Path

from local_airflow import examples, handle_signals

CONTACTS = 250


def main() -> None:
    """Run until interrupted."""
    handle_signals()
    home = Path(tempfile.mkdtemp(prefix="contacts-ui-"))
    try:
        with contextlib.suppress(KeyboardInterrupt):
            serve(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def serve(home: Path) -> None:
    """Start everything, print where it is, and wait."""
    print("Starting the sandbox and Airflow; this takes about half a minute …", flush=True)
    with examples(home, CONTACTS) as (url, sandbox_url, process):
        print(f"\nAirflow:  {url}  (no login is needed)")
        print(f"Sandbox:  {sandbox_url}  (make contacts reply, make requests fail)")
        print("\nTry this:")
        print("  1. Trigger contacts_tag_hygiene with the parameter preview; look at the graph and the logs.")
        print(
            "  2. Unpause contacts_reply_followup, wait a minute, then make a contact reply in the sandbox."
        )
        print(
            "  3. Trigger contacts_optout_sync, then contacts_approved_tagging; approve it under Required "
            "Actions."
        )
        print("  4. Look at the forms under Admin > Connections.")
        print(f"\nAll files are in {home} and are deleted when you stop. Stop with Ctrl-C.", flush=True)
        if sys.stdout.isatty() and (os.environ.get("DISPLAY") or sys.platform == "darwin"):
            webbrowser.open(url)
        process.wait()
        raise SystemExit("Airflow has ended.")


if __name__ == "__main__":
    main()
