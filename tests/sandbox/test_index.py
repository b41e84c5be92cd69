"""The page at the root of the sandbox."""

from __future__ import annotations

import re
from importlib import resources

from tests.conftest import Sandbox
from tests.sandbox.client import get, post
from tests.vendors import VENDORS


def test_page_loads_nothing_from_elsewhere(sandbox: Sandbox) -> None:
    response = get(sandbox, "/")
    assert response.headers["content-type"].startswith("text/html")
    assert "<h1>Contacts sandbox</h1>" in response.text
    assert not re.search(r"https?://|innerHTML", response.text)


def test_page_uses_endpoints_that_exist(sandbox: Sandbox) -> None:
    page = resources.files("airflow_provider_contacts.sandbox").joinpath("index.html").read_text("utf-8")
    for path in set(re.findall(r"[\"`](/sandbox/[a-z]+)", page)):
        response = (
            post(sandbox, path)
            if path.rpartition("/")[2] in ("reset", "fail", "add", "remove")
            else get(sandbox, path)
        )
        assert response.status_code != 404, path


def test_vendors(sandbox: Sandbox) -> None:
    found = {vendor["name"]: vendor for vendor in get(sandbox, "/sandbox/vendors").json()}
    assert set(found) == set(VENDORS)
    for name, vendor in found.items():
        assert vendor["url"].endswith(f"/{name}")
        assert vendor["contacts"] == 60
        assert set(vendor["contact_ids"]) <= {contact_id for _, contact_id in sandbox.keys(name)}
        assert vendor["export"].startswith(f"export AIRFLOW_CONN_{name.upper()}_DEFAULT=")
        assert any(endpoint.startswith("GET /") for endpoint in vendor["endpoints"])
    assert found["talktohumans"]["events"] == ["reply", "accept"]
    assert found["thoughtly"]["events"] == []
