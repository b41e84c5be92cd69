"""What all conditions have in common."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.conditions import (
    SIMPLE_CONDITIONS,
    Connected,
    Replied,
    get_condition_name,
)
from airflow_provider_contacts.core.matching.parsing import parse_condition


def test_names() -> None:
    assert [get_condition_name(leaf) for leaf in SIMPLE_CONDITIONS] == [
        "replied",
        "invitation_pending",
        "connected",
        "tagged",
        "in_stage",
        "opened",
        "clicked",
        "bounced",
        "unsubscribed",
        "last_interaction",
        "has_phone",
    ]


def test_python_mistakes_are_errors() -> None:
    with pytest.raises(TypeError, match="Combine them with &"):
        Replied() and Connected()
    with pytest.raises(TypeError, match="Combine them with &"):
        not Replied()
    for other in ("tagged:x", None, {"condition": "replied"}):
        with pytest.raises(TypeError):
            Replied() & other  # type: ignore[operator]
        with pytest.raises(TypeError):
            Replied() | other  # type: ignore[operator]


def test_every_condition_has_a_text_form() -> None:
    for kind in SIMPLE_CONDITIONS:
        assert set(kind.time_fields) <= set(kind.__struct_fields__)
        # What the part after the colon sets is a field, unless the condition takes none.
        assert kind.text_field in kind.__struct_fields__ or not kind.__struct_fields__
        condition = kind(**{kind.text_field: kind.example}) if kind.example else kind()
        text = ":".join(filter(None, (get_condition_name(kind), kind.example)))
        assert parse_condition(text) == condition
