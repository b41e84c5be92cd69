"""Which contacts an update or a wait is about."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from airflow_provider_contacts.contact import ContactKey, Reference
from airflow_provider_contacts.core.changes import Change
from airflow_provider_contacts.core.validation import is_int
from airflow_provider_contacts.errors import InvalidRequest

if TYPE_CHECKING:
    from airflow_provider_contacts.core.vendor import Vendor


# What databases index, and so what an audit can store.
_MAX_ID_LENGTH = 255
_MAX_CHANGES_SHOWN = 10

# Takes the fields of an item, and where the item is, for messages.
SplitChange: TypeAlias = "Callable[[Mapping[str, object], str], tuple[Change, Mapping[str, object]]]"


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """A contact to update or to wait for.

    :param fields: the contact's fields, if they are known.
    :param change: the change to make, if there is one.
    :param other_fields: the fields of duplicates, which may say more about the person.
    """

    account_id: str
    contact_id: str
    fields: Mapping[str, object] = field(default_factory=dict)
    change: Change | None = None
    other_fields: tuple[Mapping[str, object], ...] = ()

    @property
    def key(self) -> ContactKey:
        """Identifies the contact at its vendor."""
        return self.account_id, self.contact_id

    def reference(self, vendor: str) -> Reference:
        """Return the reference of the contact."""
        return {"vendor": vendor, "account_id": self.account_id, "contact_id": self.contact_id}


def change_of(target: Target) -> Change:
    """Return the change of a target that has one."""
    assert target.change is not None
    return target.change


def digest_targets(scope: str, targets: Iterable[Target]) -> str:
    """Return a digest of an update: connection, contacts in any order, and their changes.

    :param scope: identifies the connection.
    """
    changes = [
        (target.account_id, target.contact_id, json.dumps(target.change.to_json() if target.change else None))
        for target in targets
    ]
    return hashlib.sha256(json.dumps([scope, sorted(changes)]).encode()).hexdigest()


def describe_changes(targets: Sequence[Target]) -> list[str]:
    """Return the changes as text, the most frequent first; with counts if there are several."""
    counts = Counter(str(target.change) for target in targets)
    shown = [
        change if len(counts) == 1 else f"{change} ({count})"
        for change, count in counts.most_common(_MAX_CHANGES_SHOWN)
    ]
    more = len(counts) - len(shown)
    return [*shown, f"and {more} other changes"] if more else shown


def parse_targets(
    contacts: object,
    vendor: Vendor,
    argument: str = "contacts",
    *,
    change: Change | None = None,
    split_change: SplitChange | None = None,
) -> tuple[list[Target], int]:
    """Return the contacts that an argument names, each once, and how many duplicates were dropped.

    :param contacts: ids, references, or dicts as a listing or a sensor returned them.
    :param vendor: the vendor that they must belong to.
    :param argument: the argument's name, for messages.
    :param change: the change to make to all of them, or None.
    :param split_change: divides the fields of an item into the change to make and the others, or
        None.
    :raises InvalidRequest: if an item is invalid, or a contact appears twice with different
        changes; the message gives its position.
    """
    found: dict[tuple[str, str], Target] = {}
    duplicates = 0
    for number, item in enumerate(_items(contacts, argument), start=1):
        where = f"Item {number} of `{argument}`"
        target = parse_target(item, where, vendor)
        if split_change is not None:
            own_change, fields = split_change(target.fields, where)
            target = replace(target, change=own_change, fields=fields)
        elif change is not None:
            target = replace(target, change=change)
        key = (target.account_id, target.contact_id)
        if key in found:
            duplicates += 1
            _require_same_change(found[key], target, where)
            target = _merge(found[key], target)
        found[key] = target
    # A bare id is the same contact as a reference with that id, if there is exactly one such
    # reference.
    accounts = Counter(contact_id for account_id, contact_id in found if account_id)
    with_account = {contact_id: key for key in found if (contact_id := key[1]) and key[0]}
    bare = [key for key in found if not key[0] and accounts[key[1]] == 1]
    for key in bare:
        target = found.pop(key)
        same = with_account[target.contact_id]
        _require_same_change(found[same], target, f"An item of `{argument}`")
        found[same] = _merge(found[same], target)
    return list(found.values()), duplicates + len(bare)


def _merge(one: Target, other: Target) -> Target:
    """Return the first target, with what the other one says about the person."""
    if not other.fields and not other.other_fields:
        return one
    return replace(one, other_fields=(*one.other_fields, other.fields, *other.other_fields))


def _require_same_change(one: Target, other: Target, where: str) -> None:
    if one.change != other.change:
        raise InvalidRequest(
            f"{where} repeats contact {other.contact_id} with a different change. Nothing was written. List "
            "each contact once."
        )


def _items(contacts: object, argument: str) -> Iterable[object]:
    if isinstance(contacts, str) and contacts.strip().startswith(("[", "{")):
        raise InvalidRequest(
            f"`{argument}` is a list rendered as text. Pass `task.output`, or set "
            "render_template_as_native_obj=True on the DAG."
        )
    if isinstance(contacts, str) and "," in contacts:
        raise InvalidRequest(f"`{argument}` is text with commas. Pass a list.")
    if isinstance(contacts, str | int | Mapping) and contacts != "":
        return [contacts]
    if isinstance(contacts, str) or not isinstance(contacts, Iterable):
        raise InvalidRequest(f"`{argument}` must be a list of contacts, references or ids.")
    return contacts


def parse_target(item: object, where: str, vendor: Vendor) -> Target:
    """Return the contact that an item of an argument names.

    :param item: an id, a reference, or a dict as a listing or a sensor returned it.
    :param where: where the item is, for messages.
    :raises InvalidRequest: if it is invalid.
    """
    if isinstance(item, str) or is_int(item):
        target = Target("", str(item))
    elif isinstance(item, Mapping):
        target = _from_mapping(item, where, vendor)
    else:
        raise InvalidRequest(f"{where} is not a contact, a reference or an id.")
    # Ids appear in messages. Not every vendor documents the format of its ids, but no vendor uses
    # e-mail addresses.
    contact_id = target.contact_id
    if contact_id in ("", "None"):
        raise InvalidRequest(f"{where} is empty. A template may have rendered to an empty string.")
    if _is_other_text(contact_id):
        raise InvalidRequest(
            f"{where} is not a contact id but an e-mail address or other text. Pass the vendor's id."
        )
    if _is_other_text(target.account_id):
        raise InvalidRequest(
            f"{where} has an `account_id` that is an e-mail address or other text. Pass the vendor's id."
        )
    try:
        vendor.updates.check_ids(contact_id, target.account_id)
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: {error}") from None
    return target


def _is_other_text(text: str) -> bool:
    return "@" in text or any(char.isspace() for char in text) or len(text) > _MAX_ID_LENGTH


def _from_mapping(item: Mapping[str, object], where: str, vendor: Vendor) -> Target:
    contact_id = item.get("contact_id")
    account_id = "" if item.get("account_id") is None else item["account_id"]
    if contact_id is None and "updated" in item:
        raise InvalidRequest(
            f"{where} is the result of an update. Pass one of its lists, such as `task.output['updated']`."
        )
    if contact_id == "" or not (isinstance(contact_id, str) or is_int(contact_id)):
        raise InvalidRequest(f"{where} has no `contact_id`.")
    if item.get("vendor", vendor.name) != vendor.name:
        raise InvalidRequest(f"{where} belongs to a different vendor. The connection is for {vendor.title}.")
    if not (isinstance(account_id, str) or is_int(account_id)):
        raise InvalidRequest(f"{where} has an `account_id` that is not an id.")
    return Target(str(account_id), str(contact_id), item)
