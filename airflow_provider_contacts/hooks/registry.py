"""Registry of the vendors' hooks.

Every module of this package is imported once, and every subclass of ``ContactsHook`` that declares
a vendor registers itself. Adding a file is therefore enough to add a vendor. A vendor in another
package is found through Airflow.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import pkgutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts import hooks
from airflow_provider_contacts.conditions import Condition, get_condition_name
from airflow_provider_contacts.errors import InvalidConnection, InvalidRequest, UnsupportedByVendor

if TYPE_CHECKING:
    from airflow_provider_contacts.core.changes import ChangeKind
    from airflow_provider_contacts.core.vendor import Vendor
    from airflow_provider_contacts.hooks.base import ContactsHook

    HookClass = type[ContactsHook[Any]]

_hook_classes: dict[str, HookClass] = {}


def register(hook_class: HookClass) -> None:
    """Add the hook of a vendor. ``ContactsHook`` calls this for every subclass that declares one.

    A class of this package is never replaced, so that what is imported first makes no difference.
    """
    registered = _hook_classes.get(hook_class.vendor.name)
    if registered is None or not registered.__module__.startswith(f"{hooks.__name__}."):
        _hook_classes[hook_class.vendor.name] = hook_class


def find_hook_class(conn_type: str) -> HookClass:
    """Return the hook class of a connection type, from this package or another one.

    :raises LookupError: saying why there is none.
    """
    if (known := hook_classes().get(conn_type)) is not None:
        return known
    from airflow.sdk import Connection

    try:
        hook_class = type(Connection(conn_id=conn_type, conn_type=conn_type).get_hook())
    except Exception as error:
        raise LookupError(f"whose hook could not be loaded ({type(error).__name__})") from None
    for registered in _hook_classes.values():
        if registered is hook_class:
            return registered
    raise LookupError("which is not a contacts connection type")


def require_hook_class(conn_type: str, conn_id: str) -> HookClass:
    """Return the hook class of a connection type.

    :param conn_id: the connection, for messages.
    :raises InvalidConnection: if there is none.
    """
    try:
        return find_hook_class(conn_type)
    except LookupError as error:
        problem = str(error)
    raise InvalidConnection(
        f"Connection {conn_id!r} has the type {conn_type!r}, {problem}. Set its Connection Type to one of: "
        f"{', '.join(hook_classes())}."
    )


def hook_classes() -> dict[str, HookClass]:
    """Return the hook classes of all known vendors, by connection type."""
    _import_hooks()
    return dict(sorted(_hook_classes.items()))


def list_vendors() -> list[Vendor]:
    """Return all known vendors, ordered by name."""
    return [hook_class.vendor for hook_class in hook_classes().values()]


def format_supporting_vendors(condition_name: str) -> str:
    """Return the titles of the vendors that support a condition, for messages."""
    return _titles([vendor for vendor in list_vendors() if condition_name in vendor.contacts.conditions])


def format_updating_vendors(kind: ChangeKind) -> str:
    """Return the titles of the vendors whose API can make a kind of change, for messages."""
    return _titles([vendor for vendor in list_vendors() if vendor.updates.supports(kind)])


def format_reading_vendors() -> str:
    """Return the titles of the vendors whose API can return one contact, for messages."""
    return _titles([vendor for vendor in list_vendors() if vendor.contact is not None])


@contextlib.contextmanager
def suggest_supporting_vendors(vendor: Vendor) -> Iterator[None]:
    """Add the supporting vendors to the error about an unsupported condition."""
    try:
        yield
    except UnsupportedByVendor as error:
        if error.condition is None or error.condition in vendor.contacts.conditions:
            raise
        raise UnsupportedByVendor(
            f"{error} Vendors that do: {format_supporting_vendors(error.condition)}.",
            condition=error.condition,
        ) from None


def require_record_support(condition: Condition, vendor_names: set[str]) -> None:
    """Check that the records of some vendors report a condition.

    :param vendor_names: connection types.
    :raises InvalidRequest: if a vendor is unknown.
    :raises UnsupportedByVendor: if a vendor's records do not report it; the message names the
        vendors whose records do.
    """
    for vendor_name in vendor_names:
        with contextlib.suppress(LookupError):  # reported below
            find_hook_class(vendor_name)
    vendors = {vendor.name: vendor for vendor in list_vendors()}
    if not vendor_names <= vendors.keys():
        raise InvalidRequest(
            "Some contacts belong to an unknown vendor. Installed vendors: "
            f"{_titles(list(vendors.values()))}."
        )
    for simple in condition.simple_conditions():
        name = get_condition_name(simple)
        for vendor_name in sorted(vendor_names):
            support = vendors[vendor_name].contacts.conditions.get(name)
            if support is not None and (problem := support.explain_unsupported(simple)):
                raise UnsupportedByVendor(problem, condition=name)
        able = [vendor for vendor in vendors.values() if _is_on_records(vendor, name)]
        for vendor_name in sorted(vendor_names):
            if vendors[vendor_name] not in able:
                raise UnsupportedByVendor(
                    f"{vendors[vendor_name].title} records do not report the condition `{name}`. Vendors "
                    f"whose records do: {_titles(able)}.",
                    condition=name,
                )


def explain_record_filters(condition: Condition, vendor_names: set[str]) -> str:
    """Return sentences that name the filters which make records report a condition."""
    sentences = []
    for vendor in list_vendors():
        for simple in condition.simple_conditions() if vendor.name in vendor_names else ():
            name = get_condition_name(simple)
            support = vendor.contacts.conditions.get(name)
            if support is not None and support.record_filter:
                sentences.append(
                    f" {vendor.title} records report the condition `{name}` only in a listing with the "
                    f"filter `{support.record_filter}`."
                )
    return "".join(dict.fromkeys(sentences))


@functools.cache
def _import_hooks() -> None:
    for module in pkgutil.iter_modules(hooks.__path__):
        importlib.import_module(f"{hooks.__name__}.{module.name}")


def _is_on_records(vendor: Vendor, condition_name: str) -> bool:
    support = vendor.contacts.conditions.get(condition_name)
    return support is not None and support.is_on_record


def _titles(vendors: list[Vendor]) -> str:
    return ", ".join(vendor.title for vendor in vendors) or "none"
