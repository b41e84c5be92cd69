"""Reading the contacts of an update; TestRows in test_base_update.py covers queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from airflow_provider_contacts.core.changes import Change, parse_stage_change
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.tether import TETHER
from airflow_provider_contacts.operators.sources import FileContacts
from airflow_provider_contacts.operators.updating.rows import read_targets


class Arguments:
    """The arguments of an operator that sets stages."""

    change_columns: ClassVar = ("stage",)

    def __init__(self, stage: str | None) -> None:
        self.stage = stage

    def has_change(self) -> bool:
        return self.stage is not None

    def parse_change(self) -> Change:
        return parse_stage_change(self.stage)

    def parse_row_change(self, row: Mapping[str, object]) -> Change:
        return parse_stage_change(row.get("stage"))


def test_lists_have_one_change() -> None:
    targets, duplicates = read_targets(["a" * 24, "b" * 24, "a" * 24], Arguments("Won"), TETHER)
    assert [str(target.change) for target in targets] == ["move to stage 'Won'"] * 2
    assert duplicates == 1
    with pytest.raises(InvalidRequest, match="`stage` must be"):
        read_targets(["a" * 24], Arguments(None), TETHER)


def test_change_of_a_row_is_not_the_present_stage(tmp_path: object) -> None:
    path = f"{tmp_path}/list.jsonl"
    with open(path, "w") as file:
        file.write(f'{{"contact_id": "{"a" * 24}", "stage": "Won", "email": "a@b.example"}}\n')
    [target], _ = read_targets(FileContacts(path), Arguments(None), TETHER)
    assert target.change == parse_stage_change("Won")
    assert "stage" not in target.fields
    assert target.fields["email"] == "a@b.example"
    [target], _ = read_targets(FileContacts(path), Arguments("Lost"), TETHER)
    assert target.change == parse_stage_change("Lost")
    assert target.fields["stage"] == "Won"
