"""The metadata, as Airflow's own code reads it."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

from airflow_provider_contacts import __version__
from airflow_provider_contacts.get_provider_info import get_provider_info

INFO = get_provider_info()
VENDORS = [entry["connection-type"] for entry in INFO["connection-types"]]
SCHEMAS = Path(airflow.__file__).parent


def test_airflow_registers_the_package() -> None:
    provider = ProvidersManager().providers["airflow-provider-contacts"]
    assert provider.version == __version__


def test_metadata_fits_the_runtime_schema() -> None:
    jsonschema.validate(INFO, json.loads((SCHEMAS / "provider_info.schema.json").read_text()))


def test_forms_fit_the_strict_schema() -> None:
    """The runtime schema accepts misspelled keys, whose content would then be missing from the form."""
    schema = json.loads((SCHEMAS / "provider.yaml.schema.json").read_text())
    entry = {**schema["properties"]["connection-types"]["items"], "additionalProperties": False}
    entry["properties"] = {"hook-name": {"type": "string"}, **entry["properties"]}  # not listed before 3.3
    for connection in INFO["connection-types"]:
        jsonschema.validate(connection, entry)
    uris = {**schema["properties"]["asset-uris"]["items"], "additionalProperties": False}
    for uri in INFO["asset-uris"]:
        jsonschema.validate(uri, uris)
        assert uri["handler"]
        assert uri["factory"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_airflow_shows_the_declared_form(vendor: str) -> None:
    declared = next(entry for entry in INFO["connection-types"] if entry["connection-type"] == vendor)
    shown = next(hook for hook in HookMetaService.hook_meta_data() if hook.connection_type == vendor)
    assert shown.hook_name == declared["hook-name"]
    assert shown.hook_class_name == declared["hook-class-name"]
    behaviour = declared["ui-field-behaviour"]
    assert shown.standard_fields is not None
    standard: dict[str, Any] = shown.standard_fields.model_dump(by_alias=True)
    for name in ("host", "login", "password", "port"):
        field = standard[name] or {}
        assert bool(field.get("hidden")) == (name in behaviour["hidden-fields"])
        assert field.get("title") == behaviour["relabeling"].get(name)
        assert field.get("placeholder") == behaviour["placeholders"].get(name)
    assert shown.extra_fields is not None
    assert set(shown.extra_fields) == set(declared["conn-fields"])
    for name, field in declared["conn-fields"].items():
        assert shown.extra_fields[name]["schema"]["title"] == field["label"]
        assert shown.extra_fields[name]["schema"]["type"] == field["schema"]["type"]
        assert "null" in field["schema"]["type"]


@pytest.mark.parametrize("entry", INFO["connection-types"], ids=VENDORS)
def test_hook_classes_match_the_metadata(entry: dict[str, Any]) -> None:
    module, _, name = entry["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert (hook.conn_type, hook.hook_name) == (entry["connection-type"], entry["hook-name"])
    info = ProvidersManagerTaskRuntime().hooks[entry["connection-type"]]
    assert info is not None
    assert info.connection_id_attribute_name == "contacts_conn_id"
    assert info.connection_testable


def test_every_named_module_exists() -> None:
    parts = ("hooks", "operators", "sensors", "triggers")
    modules = [module for part in parts for entry in INFO[part] for module in entry["python-modules"]]
    modules += [entry["python-module"] for entry in INFO["transfers"]]
    for module in modules:
        importlib.import_module(module)
    for path in INFO["cli"]:
        module, _, name = path.rpartition(".")
        assert getattr(importlib.import_module(module), name)()


def test_asset_scheme() -> None:
    from airflow.sdk import Asset

    from airflow_provider_contacts.lineage import create_asset

    asset = create_asset(vendor="mailstand", base_url="https://api.mailstand.com/x")
    assert asset.uri == "contacts://mailstand/api.mailstand.com"
    with pytest.raises(ValueError, match="contacts://<vendor>/<host>"):
        Asset("contacts://mailstand")


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_metadata_imports_no_airflow() -> None:
    code = "import sys, airflow_provider_contacts.get_provider_info; print('airflow' in sys.modules)"
    assert run_python(code).strip() == "False"


def test_dag_parse_does_not_import_http_libraries() -> None:
    code = (
        "import sys, airflow.sdk\n"
        "import airflow_provider_contacts.operators.contacts, airflow_provider_contacts.operators.updates\n"
        "import airflow_provider_contacts.sensors.contacts, airflow_provider_contacts.triggers.contacts\n"
        "import airflow_provider_contacts.transfers.contacts_to_object_storage\n"
        "import airflow_provider_contacts.hooks.mailstand, airflow_provider_contacts.cli\n"
        "print([name for name in ('requests', 'pyrate_limiter', 'phonenumbers', 'fastapi', 'uvicorn')"
        " if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_dag_parse_does_not_import_what_only_a_task_needs() -> None:
    code = (
        "import sys, airflow.sdk\n"
        "import airflow_provider_contacts.operators.contacts, airflow_provider_contacts.operators.updates\n"
        "import airflow_provider_contacts.sensors.contacts\n"
        "import airflow_provider_contacts.transfers.contacts_to_object_storage\n"
        "import airflow_provider_contacts.transfers.contacts_to_sql\n"
        "print([name for name in sys.modules if name.startswith('airflow_provider_contacts.')"
        " and name.split('.', 1)[1] in ('core.reading.reader', 'core.http.client', 'core.vendor', 'core.updates.run',"
        " 'transfers.tables.merge', 'transfers.files.writers')])"
    )
    assert run_python(code).strip() == "[]"
