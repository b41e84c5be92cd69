"""Create a table of this package, or verify one that exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from airflow_provider_contacts.core.validation import parse_table_name
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.errors import ContactsError, InvalidRequest

# Digests and keyed hashes, in hexadecimal.
DIGEST_LENGTH = 64
# In place of a digest, in rows of people whose data was erased.
ERASED = "erased"


class MissingTable(ContactsError):
    """A table does not exist yet. Another task may create it, so a retry may succeed."""


def build_table(name: object, columns: Iterable[sa.Column[Any]], argument: str = "table") -> sa.Table:
    """Return the definition of a table.

    :param name: ``table`` or ``schema.table``.
    :param argument: the argument's name, for messages.
    :raises InvalidRequest: if the name is neither.
    """
    schema, table_name = parse_table_name(name, argument)
    return sa.Table(
        table_name, sa.MetaData(), *columns, schema=schema, mysql_charset="utf8mb4", mariadb_charset="utf8mb4"
    )


def ensure_table(engine: sa.Engine, table: sa.Table, *, create: bool, append_only: bool = False) -> None:
    """Create the table, or add new columns, and verify that it can be written.

    :param create: whether the table may be created or altered.
    :param append_only: whether rows are only inserted.
    :raises InvalidRequest: if it does not exist and may not be created, or is incompatible.
    """
    inspector = sa.inspect(engine)
    if not inspector.has_table(table.name, schema=table.schema):
        if not create:
            raise InvalidRequest(
                f"The table {table.fullname!r} does not exist, and `create_table` is false. Create it, or "
                "set `create_table=True`."
            )
        try:
            table.create(engine, checkfirst=True)
        except sa.exc.DBAPIError:
            # Another task may have created it at the same moment.
            if not sa.inspect(engine).has_table(table.name, schema=table.schema):
                raise
        inspector = sa.inspect(engine)
    if create and _add_columns(engine, inspector, table):
        inspector = sa.inspect(engine)
    _verify(inspector, table)
    require_write_permission(engine, table, append_only=append_only)


def require_table(
    engine: sa.Engine,
    table: sa.Table,
    *,
    allow_other_columns: bool = False,
    writer: str = "the operator that writes it",
) -> None:
    """Verify a table that is only read.

    :param allow_other_columns: whether the table may have columns that the definition lacks, and
        stricter ones.
    :param writer: what creates it, for messages.
    :raises MissingTable: if it does not exist.
    :raises InvalidRequest: if it is incompatible.
    """
    inspector = sa.inspect(engine)
    if not inspector.has_table(table.name, schema=table.schema):
        raise MissingTable(
            f"The table {table.fullname!r} does not exist, so nothing was written. Check its name, or create "
            f"it with {writer}, then retry."
        )
    _verify(inspector, table, allow_other_columns=allow_other_columns)


def _verify(inspector: sa.Inspector, table: sa.Table, *, allow_other_columns: bool = False) -> None:
    problems = [
        *_column_problems(inspector, table, allow_other_columns=allow_other_columns),
        *_key_problems(inspector, table),
    ]
    if problems:
        raise InvalidRequest(
            f"The table {table.fullname!r} is incompatible: {'; '.join(problems)}. Change these columns, or "
            "use another table."
        )


def _add_columns(engine: sa.Engine, inspector: sa.Inspector, table: sa.Table) -> bool:
    """Add missing columns that may be null, and return whether there were any."""
    existing = {column["name"] for column in inspector.get_columns(table.name, schema=table.schema)}
    missing = [column for column in table.columns if column.name not in existing and column.nullable]
    # A table that lacks others too is not one of ours.
    if not missing or any(column.name not in existing and not column.nullable for column in table.columns):
        return False
    name = engine.dialect.identifier_preparer.format_table(table)
    for column in missing:
        definition = sa.schema.CreateColumn(column).compile(dialect=engine.dialect)
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"ALTER TABLE {name} ADD {definition}")
        except sa.exc.DBAPIError:
            # Another task may have added it at the same moment.
            columns = sa.inspect(engine).get_columns(table.name, schema=table.schema)
            if column.name not in {found["name"] for found in columns}:
                raise
    return True


def _column_problems(inspector: sa.Inspector, table: sa.Table, *, allow_other_columns: bool) -> list[str]:
    existing = {column["name"]: column for column in inspector.get_columns(table.name, schema=table.schema)}
    missing = [column.name for column in table.columns if column.name not in existing]
    present = [column for column in table.columns if column.name in existing]
    mistyped = [
        column.name for column in present if not _type_matches(column.type, existing[column.name]["type"])
    ]
    not_nullable = [
        column.name for column in present if column.nullable and not existing[column.name]["nullable"]
    ]
    extra = [column for name, column in existing.items() if name not in table.columns]
    required_extra = [str(column["name"]) for column in extra if _needs_a_value(column)]
    if allow_other_columns:
        not_nullable = []
        required_extra = []
    problems = (
        ("missing columns", missing),
        ("columns of another type", mistyped),
        ("columns that must allow NULL", not_nullable),
        ("additional required columns without a default", required_extra),
    )
    return [f"{problem}: {', '.join(names)}" for problem, names in problems if names]


def _needs_a_value(column: Any) -> bool:
    """Return whether a row cannot be inserted without a value for an inspected column."""
    has_value = column.get("default") is not None or column.get("identity") or column.get("computed")
    return not column["nullable"] and not has_value and column.get("autoincrement") is not True


def _key_problems(inspector: sa.Inspector, table: sa.Table) -> list[str]:
    wanted = [column.name for column in table.primary_key.columns]
    if not wanted:
        return []
    name = table.name
    schema = table.schema
    keys: list[Collection[str]] = [inspector.get_pk_constraint(name, schema=schema)["constrained_columns"]]
    keys += [
        constraint["column_names"] for constraint in inspector.get_unique_constraints(name, schema=schema)
    ]
    for index in inspector.get_indexes(name, schema=schema):
        is_partial = index.get("dialect_options", {}).get("postgresql_where")
        if index["unique"] and not is_partial:
            keys.append([str(column) for column in index["column_names"]])
    return [] if any(set(key) == set(wanted) for key in keys) else [f"no unique key on {', '.join(wanted)}"]


def require_write_permission(engine: sa.Engine, table: sa.Table, *, append_only: bool) -> None:
    """Raise the database's error if writing is not allowed. No row is changed."""
    if engine.dialect.name == "sqlite":
        return
    with engine.connect() as connection:
        no_rows = sa.select(table).where(sa.false())
        connection.execute(table.insert().from_select(list(table.c), no_rows))
        if not append_only:
            connection.execute(table.update().where(sa.false()).values({list(table.c)[-1]: None}))
        connection.rollback()


def _type_matches(wanted: Any, existing: Any) -> bool:
    if isinstance(wanted, sa.String):
        # CHAR pads values with spaces.
        if isinstance(existing, sa.CHAR) or not isinstance(existing, sa.String):
            return False
        # Keys and texts of users' own tables may be shorter than ours. Digests have one length.
        is_digest = wanted.length == DIGEST_LENGTH
        return not is_digest or existing.length is None or existing.length >= DIGEST_LENGTH
    if isinstance(wanted, sa.Boolean):
        # SQLite and MySQL store booleans as small numbers.
        return isinstance(existing, sa.Boolean | sa.SmallInteger) or type(existing).__name__ == "TINYINT"
    if isinstance(wanted, sa.Integer):
        return isinstance(existing, sa.Integer | sa.Numeric)
    return isinstance(existing, sa.DateTime)
