"""What a listing asks and how long it is."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from tests.conftest import Sandbox
from tests.vendors import VENDORS


def test_resolved_filters_have_those_of_the_condition_and_of_the_connection(sandbox: Sandbox) -> None:
    hook = ContactsHook.for_connection("mailstand_default")
    filters = hook.resolve_filters({"has_opened": True}, condition="replied")
    assert filters == {
        "has_opened": True,
        "has_replied": True,
        "workspace": filters["workspace"],
    }
    assert hook.plan_listing({"has_opened": True}, condition="replied")[0] == {
        "has_opened": True,
        "has_replied": True,
    }
    with pytest.raises(InvalidRequest):
        hook.resolve_filters({"opened": True})
    assert not sandbox.requests("mailstand")


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_total_takes_one_request(vendor: str, sandbox: Sandbox) -> None:
    hook = ContactsHook.for_connection(f"{vendor}_default")
    assert hook.read_total() in (60, None)
    listings = [one for one in sandbox.requests(vendor) if "contact" in one["path"]]
    assert len(listings) == 1


def test_the_gap_of_a_listing_depends_on_its_filters(sandbox: Sandbox) -> None:
    sandbox.connect("tether", extra={"pipeline_id": ""})
    hook = ContactsHook.for_connection("tether_default")
    assert "pipeline" in hook.explain_gap()
    assert hook.explain_gap({"pipelineId": "0" * 24}) == ""
