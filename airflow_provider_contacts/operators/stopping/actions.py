"""What to do at each connection to stop outreach to a person."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from airflow_provider_contacts.core.changes import (
    Change,
    StageChange,
    SuppressChange,
    TagChange,
    parse_notes_change,
    parse_stage_change,
    parse_tag_change,
)
from airflow_provider_contacts.core.validation import TableLocation, is_int, list_names
from airflow_provider_contacts.core.vendor import Vendor
from airflow_provider_contacts.errors import InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.hooks.registry import hook_classes

ActionType = Literal["change", "default", "manual", "suppress"]
_NAMED_ACTIONS: tuple[ActionType, ...] = ("default", "manual", "suppress")
_CHANGE_KEYS = {"tags": ("add_tags", "remove_tags"), "notes": ("notes",), "stage": ("stage", "campaign")}
_KEYS = (*(key for keys in _CHANGE_KEYS.values() for key in keys), "action", "accounts")
_EXAMPLES = {
    "tags": '{"add_tags": ["Replied elsewhere"]}',
    "notes": '{"notes": {}}',
    "stage": '{"stage": "Lost"}',
}
_EXPECTED = (
    'Write "default", "manual", "suppress", or one change, such as {"stage": "Lost"} or {"add_tags": '
    '["Replied elsewhere"]}.'
)


@dataclass(frozen=True, slots=True, repr=False)
class StopAction:
    """What to do with the contacts of a connection.

    :param type: ``change``; ``default`` until the vendor is known; ``suppress`` adds them to the
        suppressions; ``manual`` only reports them.
    :param change: what is done to a contact, unless that is nothing or not known yet.
    :param accounts: the accounts that the action covers, or none for all.
    """

    type: ActionType
    change: Change | None = None
    accounts: Collection[str] = ()

    @property
    def digest(self) -> str:
        """A digest of the change, by which a contact is known to have been stopped already."""
        return digest_of(self.change) if self.change else ""

    def __str__(self) -> str:
        return str(self.change) if self.change else self.type


def digest_of(change: Change) -> str:
    """Return a digest of a change. The order of tags and the case of a stage do not count."""
    if isinstance(change, TagChange):
        change = replace(change, add=tuple(sorted(change.add, key=str)), remove=tuple(sorted(change.remove)))
    if isinstance(change, StageChange):
        change = replace(change, stage=change.stage.casefold())
    return hashlib.sha256(json.dumps(change.to_json()).encode()).hexdigest()


def parse_actions(name: str, value: object) -> dict[str, StopAction]:
    """Return the action of each connection, as far as it is known without the vendor.

    :param name: the argument's name, for messages.
    :param value: by connection, ``default``, ``manual``, ``suppress``, or a mapping with the keys
        of a change.
    :raises InvalidRequest: if an action is invalid.
    """
    if isinstance(value, str):
        raise InvalidRequest(
            f"`{name}` is text. Set render_template_as_native_obj=True on the DAG, or pass a mapping."
        )
    if not isinstance(value, Mapping) or not value:
        raise InvalidRequest(
            f'`{name}` must be a mapping of connections to actions, such as {{"tether_default": {{"stage": '
            '"Lost"}}.'
        )
    actions: dict[str, StopAction] = {}
    for conn_id, given in value.items():
        if not isinstance(conn_id, str) or not conn_id.strip():
            raise InvalidRequest(
                f"`{name}` has the key {conn_id!r}. Keys must be connection ids, such as 'tether_default'."
            )
        if conn_id.strip() in actions:
            raise InvalidRequest(f"`{name}` names the connection {conn_id.strip()!r} twice. Remove one.")
        try:
            actions[conn_id.strip()] = _parse_action(given)
        except InvalidRequest as error:
            raise InvalidRequest(f"The action of {conn_id!r} is invalid. {error}") from None
    _check_default_connections(actions)
    return actions


def adapt_actions(
    actions: Mapping[str, StopAction],
    vendors: Mapping[str, Vendor],
    suppressions: TableLocation | None = None,
) -> dict[str, StopAction]:
    """Return the actions as the vendors can do them, before any request.

    :param vendors: the vendor of each connection.
    :param suppressions: the table that ``suppress`` adds to, or None.
    :raises UnsupportedByVendor: if a vendor's API cannot make a change; the message says which
        changes it can make.
    :raises InvalidRequest: if it is unclear which connection a vendor's contacts belong to.
    """
    _require_separate_accounts(actions, vendors)
    if suppressions is None and any(action.type == "suppress" for action in actions.values()):
        raise InvalidRequest(
            "The action `suppress` needs `suppressions_table`, the table to add the contacts to, such as "
            "`contact_suppressions`."
        )
    return {
        conn_id: _adapt(action, vendors[conn_id], conn_id, suppressions)
        for conn_id, action in actions.items()
    }


def find_connection_of(
    vendor: str, account_id: str, actions: Mapping[str, StopAction], vendors: Mapping[str, Vendor]
) -> str | None:
    """Return the connection whose action applies to the contacts of an account, or None."""
    for conn_id, action in actions.items():
        if vendors[conn_id].name == vendor and (not action.accounts or account_id in action.accounts):
            return conn_id
    return None


def check_stage(change: Change, vendor: Vendor, conn_id: str) -> None:
    """Check that a change of the stage stops outreach, where the API docs say which stages do.

    :raises InvalidRequest: if it does not.
    """
    stages = vendor.updates.stopping_stages
    if (
        stages is not None
        and isinstance(change, StageChange)
        and not vendor.updates.is_documented_stop(change)
    ):
        raise InvalidRequest(
            f"The action of {conn_id!r} sets a stage that does not stop outreach. The stages of "
            f"{vendor.title} that do: {', '.join(stages)}."
        )


def _check_default_connections(actions: Mapping[str, StopAction]) -> None:
    """Check the stages of the connections whose id says which vendor they belong to.

    Others are checked when the task has read its connections.
    """
    stages = {
        conn_id: action.change
        for conn_id, action in actions.items()
        if isinstance(action.change, StageChange)
    }
    if not stages:
        return
    vendors = {hook_class.default_conn_name: hook_class.vendor for hook_class in hook_classes().values()}
    for conn_id in stages.keys() & vendors.keys():
        check_stage(stages[conn_id], vendors[conn_id], conn_id)


def _require_separate_accounts(actions: Mapping[str, StopAction], vendors: Mapping[str, Vendor]) -> None:
    """Check that it is clear which connection of a vendor an account belongs to."""
    by_vendor: dict[str, list[str]] = defaultdict(list)
    for conn_id in actions:
        by_vendor[vendors[conn_id].name].append(conn_id)
    for conn_ids in by_vendor.values():
        if len(conn_ids) == 1:
            continue
        title = vendors[conn_ids[0]].title
        if missing := [conn_id for conn_id in conn_ids if not actions[conn_id].accounts]:
            raise InvalidRequest(
                f"`actions` has several connections of {title}: {', '.join(conn_ids)}. Set `accounts` of "
                f"{', '.join(missing)}, such as "
                '{"action": "manual", "accounts": ["account_1"]}, so that it is clear which contacts belong '
                "to which connection."
            )
        counts = Counter(account for conn_id in conn_ids for account in set(actions[conn_id].accounts))
        if repeated := [account for account, count in counts.items() if count > 1]:
            raise InvalidRequest(
                f"`actions` has the account {repeated[0]!r} in several connections of {title}: "
                f"{', '.join(conn_ids)}. Keep it in one."
            )


def _parse_action(given: object) -> StopAction:
    options = {"action": given} if isinstance(given, str) else given
    if not isinstance(options, Mapping):
        raise InvalidRequest(_EXPECTED)
    if unknown := [key for key in options if key not in _KEYS]:
        raise InvalidRequest(f"It has unknown keys: {list_names(unknown)}. Known keys: {', '.join(_KEYS)}.")
    kinds = [kind for kind, keys in _CHANGE_KEYS.items() if any(key in options for key in keys)]
    if len(kinds) + ("action" in options) > 1:
        found = [*kinds, *(["action"] if "action" in options else [])]
        raise InvalidRequest(
            f"It combines {', '.join(found)}, but each connection takes one action. {_EXPECTED}"
        )
    accounts = _parse_accounts(options["accounts"]) if "accounts" in options else ()
    if kinds:
        return StopAction("change", _parse_change(kinds[0], options), accounts)
    for named in _NAMED_ACTIONS:
        if options.get("action") == named:
            return StopAction(named, accounts=accounts)
    raise InvalidRequest(_EXPECTED)


def _parse_change(kind: str, options: Mapping[Any, Any]) -> Change:
    if kind == "tags":
        add = options.get("add_tags") or ()
        remove = options.get("remove_tags") or ()
        if not add and not remove:
            raise InvalidRequest("`add_tags` and `remove_tags` are empty, so there is nothing to change.")
        return parse_tag_change(add, remove)
    if kind == "notes":
        return parse_notes_change(options["notes"])
    return parse_stage_change(options.get("stage"), options.get("campaign"))


def _parse_accounts(value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str | int) else value
    if value is not None and not items:
        raise InvalidRequest("`accounts` is empty. Leave it out for all accounts.")
    if not isinstance(items, list | tuple | set) or not all(
        is_int(one) or (isinstance(one, str) and one.strip()) for one in items
    ):
        raise InvalidRequest('`accounts` must be a list of account ids, such as ["101"].')
    return tuple(str(one).strip() for one in items)


def _adapt(
    action: StopAction, vendor: Vendor, conn_id: str, suppressions: TableLocation | None
) -> StopAction:
    updates = vendor.updates
    change = action.change
    if action.type == "default":
        if updates.default_stop is None:
            advice = (
                f"Set a change, such as {_EXAMPLES[updates.kinds[0]]}" if updates.kinds else 'Write "manual"'
            )
            raise InvalidRequest(
                f"The action of {conn_id!r} is `default`, but {vendor.title} has no default. {advice}."
            )
        return replace(action, type="change", change=updates.default_stop)
    if action.type == "suppress" and suppressions is not None:
        return replace(action, change=SuppressChange(suppressions, vendor.name))
    if change is None:
        return action
    if not updates.supports(change.kind):
        if updates.kinds:
            advice = (
                f"can change only {' and '.join(updates.kinds)}. Change {' or '.join(updates.kinds)}, "
                "or write `manual` or `suppress`."
            )
        else:
            advice = "cannot change contacts. Write `manual` or `suppress`."
        raise UnsupportedByVendor(
            f"The action of {conn_id!r} changes the {change.kind}, but {vendor.title}'s API {advice}"
        )
    check_stage(change, vendor, conn_id)
    default = updates.default_stop
    if isinstance(change, StageChange) and isinstance(default, StageChange) and change.campaign is None:
        return replace(action, change=replace(change, campaign=default.campaign))
    return action
