"""What Airflow learns about this package. It must not import Airflow: every ``airflow`` command imports it."""

from __future__ import annotations

from typing import Any

from airflow_provider_contacts import __version__

_VENDORS = {
    "talktohumans": "TalkToHumans",
    "thoughtly": "Thoughtly",
    "mailstand": "Mailstand",
    "tether": "Tether",
}


def _field(label: str, description: str, type_: str, **schema: Any) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": [type_, "null"], **schema},
    }


_COMMON_FIELDS = {
    "timeout": _field("Timeout", "Seconds of silence after which a request fails. Default 30.", "number"),
    "retry_limit": _field(
        "Retry limit", "How often a request is sent again. Default 5.", "integer", minimum=0
    ),
    "requests_per_minute": _field(
        "Requests per minute",
        "Budget of this connection in one process; above the published rate only if the vendor raised yours.",
        "integer",
        minimum=1,
    ),
    "max_concurrency": _field(
        "Max concurrency", "Requests under way at once. Default 4.", "integer", minimum=1
    ),
    "allow_http": _field(
        "Allow plain http", "Send credentials unencrypted to a host that is not this machine.", "boolean"
    ),
}


def _connection(
    name: str,
    *,
    secret_label: str,
    host: str,
    host_example: str,
    login: str | None = None,
    login_example: str = "",
    fields: dict[str, Any] | None = None,
) -> dict[str, Any]:
    title = _VENDORS[name]
    relabeling = {"host": host, "password": secret_label}
    placeholders = {"host": host_example}
    hidden = ["port", "schema"]
    if login is None:
        hidden.append("login")
    else:
        relabeling["login"] = login
        placeholders["login"] = login_example
    return {
        "connection-type": name,
        "hook-name": title,
        "hook-class-name": f"airflow_provider_contacts.hooks.{name}.{title}Hook",
        "ui-field-behaviour": {
            "hidden-fields": hidden,
            "relabeling": relabeling,
            "placeholders": placeholders,
        },
        "conn-fields": {**(fields or {}), **_COMMON_FIELDS},
    }


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata in the form of Airflow's ``provider.yaml.schema.json``."""
    integrations = [
        {"integration-name": title, "external-doc-url": url, "tags": ["service"]}
        for title, url in (
            ("TalkToHumans", "https://talktohumans.app/docs/developers/contacts/list-contacts"),
            ("Thoughtly", "https://docs.thoughtly.com/api-reference/contact/get-contacts"),
            ("Mailstand", "https://mailstand.readme.io/reference/list-all-contacts"),
            ("Tether", "https://docs.tetherai.ca"),
        )
    ]
    return {
        "package-name": "airflow-provider-contacts",
        "name": "Contacts",
        "description": "Contacts of outreach tools: TalkToHumans, Thoughtly, Mailstand, Tether.",
        "versions": [__version__],
        "integrations": integrations,
        "hooks": [
            {
                "integration-name": title,
                "python-modules": [f"airflow_provider_contacts.hooks.{name}"],
            }
            for name, title in _VENDORS.items()
        ],
        "operators": [
            {
                "integration-name": title,
                "python-modules": [
                    "airflow_provider_contacts.operators.contacts",
                    "airflow_provider_contacts.operators.updates",
                ],
            }
            for title in _VENDORS.values()
        ],
        "sensors": [
            {"integration-name": title, "python-modules": ["airflow_provider_contacts.sensors.contacts"]}
            for title in _VENDORS.values()
        ],
        "triggers": [
            {"integration-name": title, "python-modules": ["airflow_provider_contacts.triggers.contacts"]}
            for title in _VENDORS.values()
        ],
        "transfers": [
            {
                "source-integration-name": title,
                "target-integration-name": "Object Storage",
                "python-module": "airflow_provider_contacts.transfers.contacts_to_object_storage",
            }
            for title in _VENDORS.values()
        ]
        + [
            {
                "source-integration-name": title,
                "target-integration-name": "SQL",
                "python-module": "airflow_provider_contacts.transfers.contacts_to_sql",
            }
            for title in _VENDORS.values()
        ],
        "connection-types": [
            _connection(
                "talktohumans",
                host="Host (base URL)",
                host_example="https://api.talktohumans.app",
                secret_label="API key",
            ),
            _connection(
                "thoughtly",
                host="Host (base URL)",
                host_example="https://api.thoughtly.com",
                secret_label="API token",
                fields={
                    "team_id": _field(
                        "Team ID", "Required. From Developer Settings, beside the API token.", "string"
                    )
                },
            ),
            _connection(
                "mailstand",
                host="Host (base URL)",
                host_example="https://api.mailstand.com",
                secret_label="API key",
                fields={
                    "workspace": _field(
                        "Workspace",
                        "Workspace id (space_…) to list where no filter names one.",
                        "string",
                    )
                },
            ),
            _connection(
                "tether",
                host="Host (instance URL)",
                host_example="https://your-instance.example.com",
                secret_label="Password or token",
                login="E-mail",
                login_example="leave empty to use a token",
            ),
        ],
        "extra-links": ["airflow_provider_contacts.links.ContactLink"],
        "asset-uris": [
            {
                "schemes": ["contacts"],
                "handler": "airflow_provider_contacts.lineage.sanitize_uri",
                "factory": "airflow_provider_contacts.lineage.create_asset",
            }
        ],
        "cli": ["airflow_provider_contacts.cli.get_contacts_cli_commands"],
    }
