"""What all hooks do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_provider_contacts.hooks.base import ContactsHook
from tests.conftest import Sandbox


def test_pages_are_requested_lazily(sandbox: Sandbox) -> None:
    """No page is requested before it is needed."""
    hook = ContactsHook.for_connection("talktohumans_default", page_size=5)
    contacts = hook.list_contacts()
    assert sandbox.requests("talktohumans") == []
    next(contacts)
    assert len(sandbox.requests("talktohumans")) == 1


# One vendor with cursors, and one whose pages are fetched ahead.
@pytest.mark.parametrize("vendor", ["talktohumans", "tether"])
@pytest.mark.parametrize("end", ["break", "raise RuntimeError('mine')", "await asyncio.sleep(0); break"])
def test_stopping_an_async_listing_early_is_silent(vendor: str, end: str, sandbox: Sandbox) -> None:
    code = (
        "import asyncio\n"
        "from airflow_provider_contacts.hooks.base import ContactsHook\n"
        "async def main():\n"
        f"    hook = await ContactsHook.afor_connection('{vendor}_default', page_size=5)\n"
        "    async for contact in hook.alist_contacts():\n"
        f"        {end}\n"
        "try:\n    asyncio.run(main())\nexcept RuntimeError as error:\n    assert str(error) == 'mine'\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "never" not in done.stderr
