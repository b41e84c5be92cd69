"""Contacts that a query or a file names."""

from __future__ import annotations

import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.operators.sources import ContactSource, FileContacts, SqlContacts, _to_plain
from tests.database import Database


def read(source: ContactSource) -> list[dict[str, Any]]:
    return [dict(row) for row in source.read_rows()]


def test_rows_of_a_query(database: Database) -> None:
    database.run(
        "CREATE TABLE people (contact_id INTEGER, tags VARCHAR(40), unknown_fields VARCHAR(40))",
        """INSERT INTO people VALUES (1, '["VIP"]', '[]')""",
        "INSERT INTO people VALUES (2, 'not a list', NULL)",
    )
    rows = read(
        SqlContacts(
            database.conn_id,
            "SELECT contact_id AS \"CONTACT_ID\", tags, unknown_fields FROM people WHERE tags LIKE '%' ORDER BY contact_id".replace(
                '"', "`" if database.kind == "mysql" else '"'
            ),
        )
    )
    assert rows == [
        {"contact_id": 1, "tags": ["VIP"], "unknown_fields": []},
        {"contact_id": 2, "unknown_fields": None},
    ]


def test_query_writes_nothing(database: Database) -> None:
    database.run("CREATE TABLE people (contact_id INTEGER)", "INSERT INTO people VALUES (1)")
    # PostgreSQL rejects it by itself, because the rows of a query are read with a cursor.
    with pytest.raises(
        ContactsError, match="returns no rows. Use a SELECT|failed: The database returned SyntaxError"
    ):
        read(SqlContacts(database.conn_id, "DELETE FROM people"))
    assert read(SqlContacts(database.conn_id, "SELECT * FROM people")) == [{"contact_id": 1}]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        (
            "SELECT 1 FROM nowhere WHERE email = 'ada@example.com'",
            "The query of connection 'warehouse' failed",
        ),
        ("CHOOSE ada@example.com", "The query of connection 'warehouse' failed"),
        ("SELECT 1 AS a, 2 AS A", "several columns with the same name"),
    ],
)
def test_invalid_queries(sql: str, error: str, database: Database) -> None:
    with pytest.raises(ContactsError, match=error) as caught:
        read(SqlContacts(database.conn_id, sql))
    assert "ada@" not in str(caught.value)


def test_repr_has_no_query() -> None:
    assert repr(SqlContacts("warehouse", "SELECT 'ada@example.com'")) == "SqlContacts('warehouse', …)"
    assert repr(FileContacts("s3://bucket/folder/list.csv")) == "FileContacts('list.csv')"


def test_ids_of_database_types() -> None:
    number = uuid.uuid4()
    assert [_to_plain(value) for value in (number, Decimal(7), Decimal("7.5"), Decimal("NaN"), "7")][:3] == [
        str(number),
        7,
        Decimal("7.5"),
    ]
    assert isinstance(_to_plain(Decimal(7)), int)


def test_rows_of_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text('\ufeffEmail,phone,tags\nada@example.com,,"[""VIP""]"\n"x,y",+1,\n', encoding="utf-8")
    for form in (str(path), path.as_uri()):
        assert read(FileContacts(form)) == [
            {"email": "ada@example.com", "phone": None, "tags": ["VIP"]},
            {"email": "x,y", "phone": "+1", "tags": None},
        ]


def test_rows_of_a_file_of_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text('{"contact_id": "1", "notes": ""}\n{"contact_id": 2}\n')
    assert read(FileContacts(str(path))) == [{"contact_id": "1", "notes": ""}, {"contact_id": 2}]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("list.txt", b"", "must end in .csv or .jsonl"),
        ("list.csv", b"a,A\n1,2\n", "several columns with the same name"),
        ("list.csv", b"a,b\n1\n", "Row 1 of .* has 1 values, but the header has 2"),
        ("list.jsonl", b'{"a": 1, "A": 2}\n', "several fields with the same name"),
        ("list.jsonl", b"[" * 100_000, "is not a JSON object"),
        ("list.csv", b"a,b\n1,2,3\n", r"Row 1 of FileContacts\('list\.(csv|jsonl)'\)"),
        ("list.csv", b"email\n\xff\xfe\n", "is not UTF-8. Save the file as UTF-8"),
        ("list.jsonl", b'{"a": 1}\n[1]\n', "Row 2 of FileContacts.*is not a JSON object"),
        ("list.jsonl", b"ada@example.com\n", r"Row 1 of FileContacts\('list\.(csv|jsonl)'\)"),
        ("missing.csv", None, r"cannot be read \(FileNotFoundError\)"),
    ],
)
def test_invalid_files(name: str, content: bytes | None, error: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ContactsError, match=error) as caught:
        read(FileContacts(str(tmp_path / name)))
    assert "ada@" not in str(caught.value)
