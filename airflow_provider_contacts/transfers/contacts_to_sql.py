"""Write contacts to a table of a SQL database, and only what has changed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.core.validation import parse_bool, parse_table, parse_text
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.lineage import collect_write
from airflow_provider_contacts.operators.arguments import (
    argument,
    declares,
    list_arguments,
    parse_arguments,
    pop_arguments,
    set_arguments,
)
from airflow_provider_contacts.operators.base import BaseContactsOperator
from airflow_provider_contacts.transfers.answers import add_replies, answers_replies
from airflow_provider_contacts.transfers.openlineage import ExportLineage
from airflow_provider_contacts.transfers.tables.removals import RemovalLimit, parse_removal_limit

if TYPE_CHECKING:
    import sqlalchemy as sa
    from airflow.sdk import Context

    from airflow_provider_contacts.transfers.tables.merge import Counts, Merge

__all__ = ["ContactsToSqlOperator"]

_DEFAULT_PORTS = {"postgres": 5432, "mysql": 3306, "mssql": 1433}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TableOptions:
    """The arguments of :class:`ContactsToSqlOperator` after templates are rendered."""

    sql_conn_id: str = argument(parse_text)
    table: str = argument(parse_table)
    create_table: bool = argument(parse_bool, True)
    mark_removed: bool = argument(parse_bool, False)
    max_removed: RemovalLimit = argument(parse_removal_limit, None)
    skip_unchanged: bool = argument(parse_bool, False)
    allow_untested_dialect: bool = argument(parse_bool, False)


class ContactsToSqlOperator(BaseContactsOperator):
    """Write the contacts of one connection to a table, and only those that are new or have changed.

    The whole listing is read first. Then one transaction compares digests with the table and writes
    the difference. A second run over unchanged data writes no row. The digest covers all fields
    except ``raw``, which contains text such as "47 minutes ago" for some vendors; ``raw`` is
    written together with changes of other fields.

    The table has the columns of the files of ``ContactsToObjectStorageOperator``, with lists as
    JSON text, and then ``digest``, ``first_seen_at``, ``changed_at`` (when the contact's fields
    were last written) and ``removed_at``. Its key is ``vendor``, ``account_id``, ``contact_id``, so
    several tasks can write the contacts of several connections or accounts to one table at the same
    time. No vendor reports what changed, so every run reads the whole listing.

    All arguments are templated.

    :param contacts_conn_id: connection of any vendor.
    :param sql_conn_id: connection of a database whose hook is a ``DbApiHook``.
    :param table: ``table`` or ``schema.table``; the database's dialect quotes it.
    :param filters: the vendor's own parameters.
    :param condition: a condition, or its JSON, that contacts have to match as well.
    :param create_table: create the table if it does not exist, and add columns that a later version
        of this package introduced.
    :param mark_removed: set ``removed_at`` of contacts that the vendor no longer lists, in the
        accounts that were listed. With filters or a condition, these are the contacts that no
        longer match; they are marked where all contacts of the account were loaded with the same
        filters and condition, otherwise the log says how many there are. It is rejected with
        ``on_incomplete`` set to ``warn``, for Tether without a pipeline id, and with a condition
        that only records answer.
    :param max_removed: fail before the first write if ``mark_removed`` would mark more contacts: a
        number, or a share of the table's contacts such as ``"30%"``. The default is 20 contacts or
        20 %, whichever is more, and none if the vendor lists no contacts.
    :param allow_untested_dialect: write to a database other than SQLite, PostgreSQL, MySQL and
        MariaDB.
    :param skip_unchanged: skip this task if nothing was written, so that no asset event starts
        other DAGs.
    :return: ``{"vendor", "table", "seen", "new", "changed", "unchanged", "removed", "requests",
        "seconds", "attempt"}``, where ``attempt`` is the number of the task's attempt; the counts
        are also added to the events of outlet assets.
    :raises InvalidRequest: if a filter or a name is invalid, the database is not supported, or the
        columns of the table are incompatible, before any request.
    :raises IncompleteListing: if more contacts than ``max_removed`` are not listed any more.
    :raises ContactsError: for every other failure.
    """

    template_fields: Sequence[str] = (*BaseContactsOperator.template_fields, *list_arguments(TableOptions))
    ui_color = "#e4edf1"

    @declares(TableOptions)
    def __init__(self, **kwargs: Any) -> None:
        given = pop_arguments(TableOptions, kwargs)
        super().__init__(**kwargs)
        set_arguments(self, TableOptions, given)
        self._export: ExportLineage | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the contacts and write what is new or has changed."""
        options = parse_arguments(self, TableOptions)
        started = time.monotonic()
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        if options.mark_removed:
            self._require_provable_listing(hook)
        counts, dataset = self._merge(hook, options)
        summary = {
            "vendor": hook.vendor.name,
            "table": options.table,
            **counts.to_dict(),
            "requests": hook.requests_sent,
            "seconds": round(time.monotonic() - started, 3),
            "attempt": getattr(dict(context).get("ti"), "try_number", 1),
        }
        self.log.info(
            "%s: %d contacts; %d new, %d changed, %d unchanged, %d removed, in %.1f s.",
            hook.vendor.title,
            *counts.to_dict().values(),
            summary["seconds"],
        )
        self._export = ExportLineage(hook.vendor.name, hook.settings.base_url, *dataset, summary)
        _collect_lineage(hook, *dataset)
        self._export.emit_asset_metadata(self, context)
        # A previous attempt may have written, and failed before its asset event.
        if options.skip_unchanged and summary["attempt"] == 1 and not counts.written:
            from airflow.sdk.exceptions import AirflowSkipException

            raise AirflowSkipException("Nothing has changed (skip_unchanged).")
        return summary

    def _require_provable_listing(self, hook: ContactsHook[Any]) -> None:
        """Check that a contact that is not listed is known not to match."""
        _, plan = hook.plan_listing(self.filters, condition=self.condition)
        if hook.settings.on_incomplete != "fail":
            conn = f"connection {self.contacts_conn_id!r}"
            problem = f"Set `on_incomplete` of {conn} to `fail`; `warn` allows incomplete listings."
        elif plan.residual:
            problem = (
                f"{hook.vendor.title}'s filters do not answer the condition, and its records may not report "
                "it. Use a filter, or load without a condition."
            )
        elif not (problem := hook.explain_gap(self.filters, condition=self.condition)):
            return
        raise InvalidRequest(f"`mark_removed` needs a complete listing. {problem}")

    def _merge(self, hook: ContactsHook[Any], options: TableOptions) -> tuple[Counts, tuple[str, str]]:
        """Read the contacts, write them, and return the counts and the table's dataset."""
        from airflow_provider_contacts.databases.connecting import connect
        from airflow_provider_contacts.databases.dialects import read_clock
        from airflow_provider_contacts.databases.errors import database_errors
        from airflow_provider_contacts.transfers.tables.loads import LoadLog, describe_question
        from airflow_provider_contacts.transfers.tables.merge import Merge
        from airflow_provider_contacts.transfers.tables.staging import Staging

        mark_removed = options.mark_removed
        if not mark_removed and not options.max_removed.is_default:
            raise InvalidRequest("`max_removed` has no effect without `mark_removed=True`.")
        contacts = hook.list_contacts(self.filters, condition=self.condition, strict=mark_removed)
        question = describe_question(hook, self.filters, self.condition)
        with connect(options.sql_conn_id) as engine:
            table, loads = _ensure_tables(engine, options)
            with engine.connect() as connection:
                read_started_at = read_clock(connection)
            # A server may close a connection that is idle while the vendor is read.
            engine.dispose()
            has_answer = answers_replies(hook, self.filters, self.condition, self.log)
            # An unnamed temporary file is removed even if the task is killed.
            with tempfile.TemporaryFile(prefix="contacts-") as file:
                staging = Staging(file)
                staging.add_all(add_replies(contacts) if has_answer else contacts)
                is_full = mark_removed and not question.is_narrowed
                for account_id in hook.list_account_ids() if is_full else ():
                    # It was listed, even if it has no contacts left.
                    staging.accounts.setdefault(account_id, {})
                merge = Merge(
                    table=table,
                    staging=staging,
                    loads=LoadLog(loads, table.name, question),
                    read_started_at=read_started_at,
                    removal_limit=options.max_removed if mark_removed else None,
                )
                with database_errors("Writing failed; nothing was written"):
                    counts = merge.run(engine)
        if not has_answer:
            self._explain_replies(hook)
        self._explain_rows(merge)
        return counts, _dataset(engine, table)

    def _explain_replies(self, hook: ContactsHook[Any]) -> None:
        """Log why `replied` is empty, if it may be."""
        replied = hook.vendor.contacts.conditions.get("replied")
        if replied is None or not replied.is_on_record:
            self.log.info("%s's records do not report replies, so `replied` stays empty.", hook.vendor.title)
        elif replied.record_filter and replied.record_filter not in (self.filters or {}):
            self.log.info(
                "%s reports replies reliably only in a listing with the filter `%s`, so `replied` may be "
                "empty.",
                hook.vendor.title,
                replied.record_filter,
            )

    def _explain_rows(self, merge: Merge) -> None:
        """Log which rows of the table may be out of date."""
        if merge.rows_not_listed and merge.loads.question.is_narrowed:
            self.log.warning(
                "%d contacts in the table are not in this listing. They no longer match its filters or its "
                "condition, or another task has loaded them. They stay as they are. `mark_removed` marks "
                "them in a table that is loaded with these filters and this condition only.",
                merge.rows_not_listed,
            )
        if count := merge.rows_in_future:
            self.log.warning(
                "%d rows of the table had a `changed_at` in the future: a clock was wrong when they were "
                "written. They count as older than this listing.",
                count,
            )

    def get_openlineage_facets_on_complete(self, task_instance: object) -> Any:
        """Return the OpenLineage events of this run."""
        return None if self._export is None else self._export.openlineage_facets()


def _ensure_tables(engine: sa.Engine, options: TableOptions) -> tuple[sa.Table, sa.Table]:
    """Create or verify the contacts table and the table of its loads, and return both."""
    from airflow_provider_contacts.databases.dialects import require_schema_support, require_tested
    from airflow_provider_contacts.databases.errors import database_errors
    from airflow_provider_contacts.databases.tables import ensure_table
    from airflow_provider_contacts.transfers.tables.loads import define_loads_table
    from airflow_provider_contacts.transfers.tables.table import define_table

    require_tested(engine.dialect.name, allow_untested=options.allow_untested_dialect)
    table = define_table(options.table)
    require_schema_support(engine.dialect.name, table.schema)
    loads = define_loads_table(table)
    with database_errors(f"The table {table.fullname!r} cannot be used"):
        ensure_table(engine, table, create=options.create_table)
    with database_errors(f"The table {loads.fullname!r} cannot be used"):
        ensure_table(engine, loads, create=options.create_table, append_only=True)
    return table, loads


def _collect_lineage(hook: ContactsHook[Any], namespace: str, name: str) -> None:
    # Airflow defines asset URIs for tables of PostgreSQL.
    if namespace.startswith("postgres://") and name.count(".") == 2:
        collect_write(hook, "/".join((namespace, *name.split("."))))


def _dataset(engine: sa.Engine, table: sa.Table) -> tuple[str, str]:
    """Return namespace and name of a table, by OpenLineage's naming rules."""
    url = engine.url
    scheme = engine.dialect.name.replace("postgresql", "postgres")
    if not url.host:
        return f"{scheme}://{url.database}", table.fullname
    schema = table.schema or engine.dialect.default_schema_name
    port = url.port or _DEFAULT_PORTS.get(scheme)
    namespace = f"{scheme}://{url.host}" + (f":{port}" if port else "")
    # In MySQL, a schema is a database.
    database = None if scheme in ("mysql", "mariadb") else url.database
    return namespace, ".".join(part for part in (database, schema, table.name) if part)
