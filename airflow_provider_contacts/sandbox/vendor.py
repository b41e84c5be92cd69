"""Interface of the modules in ``sandbox.vendors``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter

from airflow_provider_contacts.sandbox import vendors
from airflow_provider_contacts.sandbox.state import Row, State
from airflow_provider_contacts.sandbox.validation import ApiError


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionSample:
    """A condition, and the sandbox contacts for which it is true.

    :param condition: the condition as JSON types.
    :param matches: returns whether it is true of a row.
    :param filters: filters that the condition needs.
    """

    condition: Mapping[str, object]
    matches: Callable[[Any], bool]
    filters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSample:
    """A change that the vendor's API can make.

    :param kind: what is changed: tags, notes or stage.
    :param arguments: the change, as arguments by name.
    :param is_made: returns whether a row has the change.
    """

    kind: str
    arguments: Mapping[str, object]
    is_made: Callable[[Any], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Samples of a vendor's API for the conformance tests.

    :param path: path of the listing.
    :param connection: an Airflow connection without a host, for a server other than the sandbox.
    :param id_key: key of a record's id.
    :param filters: a valid value for every filter.
    :param enumerated: a filter that accepts only fixed values.
    :param narrow: a filter that some contacts of the sandbox match and some do not.
    :param make_page: makes a response from records; the second argument says whether it is the last
        page.
    :param odd_values: values of a wrong type for optional fields.
    :param conditions: at least one per supported condition.
    :param unknown_fields: fields of a record, and the fields of the contact that are unknown for
        it.
    :param changes: at least one per kind of change that the vendor documents.
    """

    path: str
    connection: Mapping[str, object]
    id_key: str
    filters: Mapping[str, object]
    enumerated: str
    narrow: Mapping[str, object]
    make_page: Callable[[list[Any], bool], object]
    odd_values: Mapping[str, object]
    conditions: tuple[ConditionSample, ...] = ()
    unknown_fields: tuple[tuple[Mapping[str, object], frozenset[str]], ...] = ()
    changes: tuple[ChangeSample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxVendor:
    """A vendor in the sandbox.

    :param name: connection type.
    :param connection: an Airflow connection to the sandbox, without a host.
    :param make_row: makes the contact with a number.
    :param make_routes: returns the vendor's endpoints.
    :param error_body: returns the body of an error response.
    :param events: what can happen to a contact, by name; each takes a row and the time.
    :param samples: for the conformance tests.
    """

    name: str
    connection: Mapping[str, object]
    make_row: Callable[[State, int], Row]
    make_routes: Callable[[State], APIRouter]
    error_body: Callable[[ApiError], bytes]
    samples: Samples
    events: Mapping[str, Callable[[Any, float], None]] = field(default_factory=dict)


def sandbox_vendors() -> dict[str, SandboxVendor]:
    """Return all vendors of the sandbox, by name."""
    found: dict[str, SandboxVendor] = {}
    for module in pkgutil.iter_modules(vendors.__path__):
        vendor = importlib.import_module(f"{vendors.__name__}.{module.name}").SANDBOX_VENDOR
        found[vendor.name] = vendor
    return dict(sorted(found.items()))
