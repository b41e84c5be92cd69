from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.scripted import Reply, ScriptedServer
from tests.vendors import CASES


@pytest.fixture
def serve(connect: Callable[..., str], scripted: ScriptedServer) -> Callable[..., str]:
    """Serve one listing of a vendor from the scripted server."""

    def served(vendor: str, *records: Any) -> str:
        case = CASES[vendor]
        scripted.replies = [Reply(body=case.page(*records)), Reply(body=case.page())]
        return connect("scripted", **{**case.parts, "host": scripted.url})

    return served
