"""Land contacts in a table of a SQL database, writing only what has changed."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING, Any, ClassVar

import msgspec

from airflow_provider_contacts.arguments import flag
from airflow_provider_contacts.conditions import Condition, template_form
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, MalformedRecord
from airflow_provider_contacts.hooks.base import ContactsHook, find_connection
from airflow_provider_contacts.lineage import collect_write
from airflow_provider_contacts.operators.base import ContactsBaseOperator
from airflow_provider_contacts.transfers.files import COLUMNS, raw_text
from airflow_provider_contacts.transfers.outcome import facets, tell_outlets

if TYPE_CHECKING:
    import sqlalchemy as sa
    from airflow.sdk import Context

KEY = ("vendor", "account_id", "contact_id")
# What the table has beside the contact's own columns.
KEPT = ("digest", "first_seen_at", "changed_at", "removed_at")
_BATCH = 1000
# A key of some databases may not be longer.
_KEY_LENGTH = 255
_DIGEST_LENGTH = 64
# Seconds to wait for another task's transaction on SQLite.
_PATIENCE = 60


class ContactsToSqlOperator(ContactsBaseOperator):
    """Write the contacts of one connection to a table, and only those that are new or have changed.

    The whole listing is read first; then one transaction compares digests with the table and writes the difference.
    A second run over unchanged data writes no row. The digest is of the contact's fields without ``raw``, which
    at some vendors holds text such as "47 minutes ago"; ``raw`` is written with every change of the others.

    The table has the columns of the files of ``ContactsToObjectStorageOperator``, with lists as JSON text, and after
    them ``digest``, ``first_seen_at``, ``changed_at`` (when the contact's fields were last written) and ``removed_at``.
    The key is ``vendor``, ``account_id``, ``contact_id``, so that tasks for several connections or accounts
    can write to one table side by side. No vendor tells what has changed since: reading is always whole.

    :param contacts_conn_id: connection of any of the vendors. Templated.
    :param sql_conn_id: connection of a database whose hook is a ``DbApiHook``. Templated.
    :param table: name of the table, or ``schema.table``; the database's dialect quotes it. Templated.
    :param filters: the vendor's own parameters. Templated.
    :param condition: a condition, or its JSON form, that contacts have to meet as well. Templated.
    :param create_table: make the table if it is not there. Templated.
    :param mark_removed: set ``removed_at`` of contacts that the vendor does not list any more, in the accounts that
        were listed; refused with filters or a condition. Templated.
    :param skip_unchanged: skip this task, so that no asset event starts other DAGs, if nothing was written. Templated.
    :return: ``{"vendor", "table", "seen", "new", "changed", "unchanged", "removed", "requests", "seconds"}``; the
        same is in the events of outlet assets.
    :raises InvalidRequest: for a bad filter or name, or a table whose columns do not fit, before any request.
    :raises ContactsError: for anything else between here, the vendor and the database.
    """

    template_fields: Sequence[str] = (
        "contacts_conn_id",
        "sql_conn_id",
        "table",
        "filters",
        "condition",
        "create_table",
        "mark_removed",
        "skip_unchanged",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"filters": "json", "condition": "json"}
    ui_color = "#e4edf1"

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        sql_conn_id: str,
        table: str,
        filters: Mapping[str, Any] | None = None,
        condition: Condition | Mapping[str, Any] | None = None,
        create_table: bool | str = True,
        mark_removed: bool | str = False,
        skip_unchanged: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contacts_conn_id = contacts_conn_id
        self.sql_conn_id = sql_conn_id
        self.table = table
        self.filters = filters
        self.condition = template_form(condition)
        self.create_table = create_table
        self.mark_removed = mark_removed
        self.skip_unchanged = skip_unchanged
        self._landed: tuple[str, str, dict[str, Any], str, str] | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the contacts and write what is new or has changed."""
        create, mark = flag("create_table", self.create_table), flag("mark_removed", self.mark_removed)
        skip = flag("skip_unchanged", self.skip_unchanged)
        if mark and (self.filters or self.condition):
            raise InvalidRequest(
                "`mark_removed` needs a whole listing: with filters or a condition, who is not listed need not be gone"
            )
        started, begun = time.monotonic(), datetime.now(timezone.utc)
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        contacts = hook.list_contacts(self.filters, condition=self.condition)
        with _database(self.sql_conn_id) as engine:
            table = _table(self.table)
            dataset = _dataset(engine, table)
            with _telling("the table cannot be used"):
                _fit(engine, table, create)
            # A server may close a connection that idles while the vendor is read.
            engine.dispose()
            # Without a name, it is gone with the task whatever ends it.
            with tempfile.TemporaryFile(prefix="contacts-") as staged:
                accounts = _stage(contacts, staged)
                if mark and (account_id := _own_account(hook)):
                    accounts.setdefault(account_id, {})
                with _telling("the contacts cannot be written, and none is"):
                    counts = _write(engine, table, staged, hook.vendor.name, accounts, mark, begun)
        summary = {
            "vendor": hook.vendor.name,
            "table": self.table,
            **counts.summary(),
            "requests": hook.requests_sent,
            "seconds": round(time.monotonic() - started, 3),
        }
        self.log.info(
            "%s: %d contacts; %d new, %d changed, %d unchanged, %d removed, in %.1f s.",
            hook.vendor.title, *counts.summary().values(), summary["seconds"],
        )  # fmt: skip
        self._landed = (hook.vendor.name, hook.settings.base_url, summary, *dataset)
        # Airflow has a form for tables of PostgreSQL.
        if dataset[0].startswith("postgres://") and dataset[1].count(".") == 2:
            collect_write(hook, "/".join((dataset[0], *dataset[1].split("."))))
        tell_outlets(self, context, summary)
        # A try before this one may have written, and died before its asset event.
        first_try = getattr(dict(context).get("ti"), "try_number", 1) == 1
        if skip and first_try and not counts.written:
            from airflow.sdk.exceptions import AirflowSkipException

            raise AirflowSkipException("nothing has changed (skip_unchanged)")
        return summary

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return what OpenLineage learns of this run."""
        return None if self._landed is None else facets(*self._landed)


@dataclass(slots=True)
class _Counts:
    seen: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0

    @property
    def written(self) -> int:
        return self.new + self.changed + self.removed

    def summary(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in ("seen", "new", "changed", "unchanged", "removed")}


# Where the contacts of an account are in the staged file, by their ids, with their digests.
_Places = dict[str, tuple[bytes, int]]


@contextlib.contextmanager
def _telling(what: str) -> Iterator[None]:
    """Say what a database says was wrong, without its text: that repeats values of the contacts."""
    import sqlalchemy as sa

    try:
        yield
    except MalformedRecord:
        raise
    except (ValueError, OverflowError):
        # A driver's word for text with a NUL, or a time that it cannot hold.
        raise MalformedRecord(f"{what}: a contact has a value that the database cannot hold") from None
    except sa.exc.SQLAlchemyError as error:
        original = getattr(error, "orig", None)
        code = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
        code = code or getattr(original, "sqlite_errorname", None) or ""
        kind = type(original or error).__name__
        raise ContactsError(
            f"{what}: the database answers {kind} {code}".rstrip(),
            # Another task may have written the same contacts just then.
            transient=isinstance(
                error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.IntegrityError
            ),
        ) from None


@contextlib.contextmanager
def _database(conn_id: str) -> Iterator[sa.Engine]:
    try:
        import sqlalchemy as sa
        from airflow.providers.common.sql.hooks.sql import DbApiHook
    except ImportError:
        raise InvalidRequest("SQL needs a library: pip install 'airflow-provider-contacts[sql]'") from None

    found = find_connection(conn_id)
    database = found.get_hook()
    if not isinstance(database, DbApiHook):
        raise InvalidRequest(f"connection {conn_id!r} is of no SQL database")
    # Contacts are in no log and no error.
    options: dict[str, Any] = {"hide_parameters": True}
    if found.conn_type == "sqlite":
        options["connect_args"] = {"timeout": _PATIENCE}
    engine = database.get_sqlalchemy_engine(options)
    try:
        unreachable = f"the database of connection {conn_id!r} cannot be reached"
        with _telling(unreachable), engine.connect() as connection:
            connection.execute(sa.select(1))
        yield engine
    finally:
        engine.dispose()


def _dataset(engine: sa.Engine, table: sa.Table) -> tuple[str, str]:
    """Return namespace and name of a table, as OpenLineage's naming rules have them."""
    url, scheme = engine.url, engine.dialect.name.replace("postgresql", "postgres")
    if not url.host:
        return f"{scheme}://{url.database}", table.fullname
    schema = table.schema or engine.dialect.default_schema_name
    port = url.port or {"postgres": 5432, "mysql": 3306, "mssql": 1433}.get(scheme)
    where = f"{scheme}://{url.host}" + (f":{port}" if port else "")
    return where, ".".join(part for part in (url.database, schema, table.name) if part)


def _own_account(hook: ContactsHook) -> str:
    """Return the account that a whole listing is of, where the connection names one: it may list nobody."""
    contacts, settings = hook.vendor.contacts, hook.settings
    return contacts.account_id(contacts.complete({}, settings), settings)


def _table(name: Any) -> sa.Table:
    import sqlalchemy as sa

    parts = name.strip().split(".") if isinstance(name, str) else []
    if not 1 <= len(parts) <= 2 or not all(part and part.isprintable() for part in parts):
        raise InvalidRequest("`table` must be a name, or schema.name")
    *schema, table = parts
    kinds: dict[str, Any] = {
        "text": sa.Text(),
        "texts": sa.Text(),
        "flag": sa.Boolean(),
        "time": sa.DateTime(timezone=True),
    }
    key = sa.String(_KEY_LENGTH)
    columns = [
        sa.Column(one.name, key if one.name in KEY else kinds[one.kind], primary_key=one.name in KEY,
                  nullable=one.nullable)
        for one in COLUMNS
    ]  # fmt: skip
    own = [
        sa.Column("digest", sa.String(_DIGEST_LENGTH), nullable=False),
        sa.Column("first_seen_at", kinds["time"], nullable=False),
        sa.Column("changed_at", kinds["time"], nullable=False),
        sa.Column("removed_at", kinds["time"], nullable=True),
    ]
    return sa.Table(table, sa.MetaData(), *columns, *own, schema=schema[0] if schema else None)


def _fit(engine: sa.Engine, table: sa.Table, create: bool) -> None:
    """Make the table, or check the one that is there."""
    import sqlalchemy as sa

    inspector = sa.inspect(engine)
    if not inspector.has_table(table.name, schema=table.schema):
        if not create:
            raise InvalidRequest("there is no such table, and `create_table` is false")
        try:
            table.create(engine, checkfirst=True)
        except sa.exc.DBAPIError:
            # Another task may have made it at the same moment.
            if not sa.inspect(engine).has_table(table.name, schema=table.schema):
                raise
        inspector = sa.inspect(engine)
    there = {one["name"]: one for one in inspector.get_columns(table.name, schema=table.schema)}
    missing = [one.name for one in table.columns if one.name not in there]
    wrong = [
        one.name
        for one in table.columns
        if one.name in there and not _fits(one.type, there[one.name]["type"])
    ]
    strange = [
        name
        for name, one in there.items()
        if name not in table.columns
        and not one["nullable"]
        and one.get("default") is None
        and not one.get("identity")
        and not one.get("computed")
        and one.get("autoincrement") is not True
    ]
    tight = [
        one.name
        for one in table.columns
        if one.nullable and one.name in there and not there[one.name]["nullable"]
    ]
    key = set(inspector.get_pk_constraint(table.name, schema=table.schema)["constrained_columns"])
    unique = [
        set(one["column_names"]) for one in inspector.get_unique_constraints(table.name, schema=table.schema)
    ]
    unique += [
        {str(name) for name in one["column_names"]}
        for one in inspector.get_indexes(table.name, schema=table.schema)
        if one["unique"] and not one.get("dialect_options", {}).get("postgresql_where")
    ]
    problems = [
        *([f"it lacks {', '.join(missing)}"] if missing else []),
        *([f"of another type are {', '.join(wrong)}"] if wrong else []),
        *(
            [f"these may not be null, and contacts have nothing there at times: {', '.join(tight)}"]
            if tight
            else []
        ),
        *([f"these need a value that contacts do not have: {', '.join(strange)}"] if strange else []),
        *([f"no key is {', '.join(KEY)}"] if set(KEY) not in (key, *unique) else []),
    ]
    if problems:
        raise InvalidRequest(f"the table does not fit: {'; '.join(problems)}")
    if engine.dialect.name != "sqlite":
        # Whether one may write shows before anything is read; no row is touched.
        with engine.connect() as connection:
            nobody = sa.select(table).where(sa.false())
            connection.execute(table.insert().from_select(list(table.c), nobody))
            connection.execute(table.update().where(sa.false()).values(removed_at=None))
            connection.rollback()


def _fits(wanted: Any, there: Any) -> bool:
    import sqlalchemy as sa

    if isinstance(wanted, sa.String):
        if isinstance(there, sa.CHAR) or not isinstance(there, sa.String):
            return False  # CHAR fills up with spaces
        return wanted.length != _DIGEST_LENGTH or there.length is None or there.length >= _DIGEST_LENGTH
    if isinstance(wanted, sa.Boolean):
        # SQLite and MySQL keep truth values as small numbers.
        return isinstance(there, sa.Boolean | sa.SmallInteger) or type(there).__name__ == "TINYINT"
    return isinstance(there, sa.DateTime)


def _stage(contacts: Iterable[Contact], staged: IO[bytes]) -> dict[str, _Places]:
    """Keep the contacts in a file, and where each is."""
    accounts: dict[str, _Places] = {}
    encode = msgspec.msgpack.encode
    for contact in contacts:
        plain = msgspec.structs.replace(contact, raw=msgspec.UNSET)
        place = staged.tell()
        try:
            record = encode((plain, raw_text(contact)))
        except UnicodeEncodeError:
            raise MalformedRecord(
                "a contact has characters that are no text, so it cannot be landed"
            ) from None
        staged.write(len(record).to_bytes(4, "big") + record)
        digest = hashlib.sha256(msgspec.json.encode(plain)).digest()
        accounts.setdefault(contact.account_id, {})[contact.contact_id] = (digest, place)
    return accounts


def _row(staged: IO[bytes], place: int, no_nul: bool) -> dict[str, Any]:
    """Return the columns of a staged contact."""
    staged.seek(place)
    record = staged.read(int.from_bytes(staged.read(4), "big"))
    plain, raw = msgspec.msgpack.decode(record, type=tuple[Contact, str])
    row = {one.name: getattr(plain, one.name) for one in COLUMNS if one.name != "raw"}
    for name, value in row.items():
        if no_nul and isinstance(value, str) and "\0" in value:
            raise MalformedRecord(
                f"`{name}` of contact {plain.contact_id} has a NUL character, which PostgreSQL cannot hold; none is written"
            )
    for one in COLUMNS:
        if one.kind == "texts":
            row[one.name] = msgspec.json.encode(row[one.name]).decode()
    return {**row, "raw": raw}


def _write(
    engine: sa.Engine,
    table: sa.Table,
    staged: IO[bytes],
    vendor: str,
    accounts: dict[str, _Places],
    mark_removed: bool,
    begun: datetime,
) -> _Counts:
    """Write the difference between the table and the staged contacts, in one transaction."""
    import sqlalchemy as sa

    counts = _Counts()
    now = datetime.now(timezone.utc)
    # Without an account nobody knows whose the rows are; a contact whose account is not told now is not gone.
    told = accounts.get("", {})
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # A transaction that reads before it writes could not wait for another one's end.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        if engine.dialect.name == "postgresql":
            # Times go into columns without a zone as they are.
            connection.execute(sa.text("SET LOCAL TIME ZONE 'UTC'"))
        # In one order, so that two tasks do not wait for each other.
        for account_id, places in sorted(accounts.items()):
            if engine.dialect.name == "postgresql":
                named = hashlib.sha256(f"{table.fullname} {vendor} {account_id}".encode()).digest()
                lock = int.from_bytes(named[:8], "big", signed=True)
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
            _write_account(
                connection,
                table,
                staged,
                (vendor, account_id),
                places,
                counts,
                now,
                mark_removed and bool(account_id),
                begun,
                told,
            )
        connection.commit()
    return counts


def _write_account(
    connection: sa.Connection,
    table: sa.Table,
    staged: IO[bytes],
    owner: tuple[str, str],
    places: _Places,
    counts: _Counts,
    now: datetime,
    mark_removed: bool,
    begun: datetime,
    told: Mapping[str, Any],
) -> None:
    import sqlalchemy as sa

    columns = table.c
    mine = sa.and_(columns.vendor == owner[0], columns.account_id == owner[1])
    known: dict[str, tuple[bytes, bool]] = {}
    newer: set[str] = set()
    kept = sa.select(columns.contact_id, columns.digest, columns.removed_at, columns.changed_at).where(mine)
    for contact_id, digest, removed_at, changed_at in connection.execute(kept):
        known[contact_id] = (bytes.fromhex(digest), removed_at is not None)
        if (changed_at if changed_at.tzinfo else changed_at.replace(tzinfo=timezone.utc)) >= begun:
            newer.add(contact_id)  # another task has read it later than this one
    no_nul = connection.dialect.name == "postgresql"
    new, changed = [], []
    for contact_id, (digest, place) in places.items():
        before = known.get(contact_id)
        counts.seen += 1
        if before is None:
            new.append((place, digest))
        elif before != (digest, False) and contact_id not in newer:
            changed.append((place, digest))
        else:
            counts.unchanged += 1
    counts.new += len(new)
    counts.changed += len(changed)
    for some in _batches(new):
        connection.execute(
            table.insert(),
            [
                {**_row(staged, place, no_nul), "digest": digest.hex(), "first_seen_at": now, "changed_at": now,
                 "removed_at": None}
                for place, digest in some
            ],
        )  # fmt: skip
    settable = [one.name for one in COLUMNS if one.name not in KEY]
    update = (
        table.update()
        .where(*(columns[name] == sa.bindparam(f"key_{name}") for name in KEY))
        .values(
            {name: sa.bindparam(f"new_{name}") for name in (*settable, "digest", "changed_at", "removed_at")}
        )
    )
    for some in _batches(changed):
        rows = []
        for place, digest in some:
            row = _row(staged, place, no_nul)
            values = {**{name: row[name] for name in settable}, "digest": digest.hex(), "changed_at": now,
                      "removed_at": None}  # fmt: skip
            rows.append({**{f"key_{name}": row[name] for name in KEY},
                         **{f"new_{name}": value for name, value in values.items()}})  # fmt: skip
        connection.execute(update, rows)
    if not mark_removed:
        return
    gone = [
        one
        for one, (_, removed) in known.items()
        if not removed and one not in places and one not in newer and one not in told
    ]
    counts.removed += len(gone)
    remove = (
        table.update()
        .where(mine, columns.contact_id == sa.bindparam("key_contact_id"))
        .values(removed_at=now)
    )
    for some in _batches(gone):
        connection.execute(remove, [{"key_contact_id": one} for one in some])


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
