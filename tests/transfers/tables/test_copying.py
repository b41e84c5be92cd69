"""Rows for ``COPY``. ``make test-databases`` sends them to PostgreSQL with both drivers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.errors import MalformedRecord
from airflow_provider_contacts.transfers.tables.copying import _format_chunks, supports_copy
from airflow_provider_contacts.transfers.tables.staging import VALUE_COLUMNS
from airflow_provider_contacts.transfers.tables.table import define_table
from tests.conftest import Sandbox
from tests.database import Database, counts, load

# What PostgreSQL makes of an escaped character:
# https://www.postgresql.org/docs/current/sql-copy.html
UNESCAPED = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}
NULL = "marker"

texts = st.text(st.sampled_from("aä\\tnN\t\n\r\u2028'\"|"), max_size=6)
rows_of = st.lists(
    st.tuples(
        st.lists(texts | st.none() | st.booleans(), min_size=len(VALUE_COLUMNS), max_size=len(VALUE_COLUMNS)),
        st.text(st.sampled_from('{}"\\\tä'), max_size=6).map(str.encode),
    ),
    max_size=4,
)


def unescape(text: str) -> str:
    result, position = "", 0
    while position < len(text):
        pair = text[position : position + 2]
        result += UNESCAPED.get(pair, text[position])
        position += 2 if pair in UNESCAPED else 1
    return result


def is_flag(index: int) -> bool:
    return index < len(VALUE_COLUMNS) and VALUE_COLUMNS[index].kind == "flag"


@given(rows_of)
def test_lines_are_read_back(rows: Any) -> None:
    rows = [
        (
            [
                (value if isinstance(value, bool) else None)
                if is_flag(index)
                else (None if isinstance(value, bool) else value)
                for index, value in enumerate(values)
            ],
            raw,
        )
        for values, raw in rows
    ]
    expected = [
        [
            *(
                None if value is None else str(value).lower() if is_flag(index) else value
                for index, value in enumerate(values)
            ),
            "now",
            raw.decode(),
        ]
        for values, raw in rows
    ]
    written = b"".join(
        _format_chunks(iter([(list(values), raw) for values, raw in rows]), ["now"], NULL)
    ).decode()
    lines = written.split("\n")
    assert lines.pop() == ""
    found = [[None if text == NULL else unescape(text) for text in line.split("\t")] for line in lines]
    assert found == expected


def test_a_nul_character_names_the_field() -> None:
    values: list[Any] = [None] * len(VALUE_COLUMNS)
    values[:4] = ["v", "", "7", "Ada\0"]
    with pytest.raises(MalformedRecord, match="`name` of contact 7 contains a NUL") as caught:
        list(_format_chunks(iter([(values, b"{}")]), [], NULL))
    assert "Ada" not in str(caught.value)


def test_what_cannot_be_copied_is_inserted(sandbox: Sandbox, database: Database) -> None:
    table = define_table("contacts")
    if database.kind != "postgresql":
        with database.engine.connect() as connection:
            assert not supports_copy(connection, table)
        return
    load(database, "tether")
    with database.engine.connect() as connection:
        assert supports_copy(connection, table)
    database.run(
        "ALTER TABLE contacts RENAME TO stored",
        "CREATE VIEW contacts AS SELECT * FROM stored",
    )
    with database.engine.connect() as connection:
        assert not supports_copy(connection, table)
        assert not supports_copy(connection, define_table("nowhere"))


def test_encoding_of_the_session(sandbox: Sandbox, database: Database) -> None:
    """The rows are UTF-8, whatever the session expects."""
    row = sandbox.state.tables["talktohumans"].rows[0]
    row.tags = ["José"]
    sandbox.state.tables["talktohumans"].invalidate(row)
    if database.kind == "postgresql":
        database.run(f"ALTER DATABASE {database.engine.url.database} SET client_encoding TO 'LATIN1'")
        database.engine.dispose()
    load(database, filters={"tag": "José"})
    assert [msgspec.json.decode(one["tags"]) for one in database.rows()] == [["José"]]


@pytest.mark.parametrize("text", ["tab\tand\\backslash", "\\N", "a\nb\rc", "null", ""])
def test_text_in_a_table(text: str, sandbox: Sandbox, database: Database) -> None:
    row = sandbox.state.tables["talktohumans"].rows[0]
    row.tags = [text or "x"]
    sandbox.state.tables["talktohumans"].invalidate(row)
    load(database)
    stored = {one["contact_id"]: one for one in database.rows() if one["account_id"] == row.account_id}
    assert msgspec.json.decode(stored[row.contact_id]["tags"]) == [text or "x"]
    row.tags = [text, "changed"] if text else ["changed"]
    sandbox.state.tables["talktohumans"].invalidate(row)
    assert counts(load(database)) == (60, 0, 1, 59, 0)
