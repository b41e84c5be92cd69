"""The fields that all connection forms share."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_contacts.core.connection_form import ConnectionOptions
from airflow_provider_contacts.core.settings import parse_connection
from airflow_provider_contacts.hooks.registry import list_vendors


@pytest.mark.parametrize("vendor", list_vendors(), ids=lambda vendor: vendor.name)
def test_vendor_fields_do_not_hide_shared_ones(vendor: Any) -> None:
    names = [field.name for field in vendor.form.fields]
    assert len(names) == len(set(names))
    assert not set(names) & set(ConnectionOptions.__struct_fields__)
    for field in vendor.form.fields:
        assert field.label
        assert field.description.endswith(".")


@pytest.mark.parametrize("vendor", list_vendors(), ids=lambda vendor: vendor.name)
def test_empty_form_means_the_defaults(vendor: Any) -> None:
    names = (*ConnectionOptions.__struct_fields__, *(field.name for field in vendor.form.fields))
    for empty in (None, "", "  "):
        settings = parse_connection(
            conn_id="c",
            vendor_title=vendor.title,
            form=vendor.form,
            default_url="https://api.example",
            extra=dict.fromkeys(names, empty),
        )
        defaults = ConnectionOptions()
        assert settings.timeout == defaults.timeout
        assert settings.retry_limit == defaults.retry_limit
        assert settings.max_concurrency == defaults.max_concurrency
        assert settings.requests_per_minute is None
        assert all(settings.option(field.name) == "" for field in vendor.form.fields)
