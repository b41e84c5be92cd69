"""The HTTP libraries do not log queries."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_contacts.errors import (
    ContactsError,
)
from tests.conftest import Read
from tests.leaks import everything_about
from tests.scripted import RawServer
from tests.tether import answer, page


def test_malformed_headers_do_not_log_the_query(
    tether: Callable[..., str],
    read: Read,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = answer(page({"_id": "1"}, total=1))
    with RawServer(good.replace(b"\r\n", b"\r\nnonsense line\r\n", 1)) as server:
        outcome = ""
        try:
            read(tether(server.url, extra={"retry_limit": 0, "timeout": 1}), {"search": "Lovelace"})
        except ContactsError as error:
            outcome = everything_about(error)
    assert "Lovelace" not in outcome + caplog.text + "".join(capsys.readouterr())
