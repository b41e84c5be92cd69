"""Every test gets its own sandbox, served over real sockets, and Airflow connections to it."""

from __future__ import annotations

import os
from pathlib import Path

for _name in [name for name in os.environ if name.startswith(("AIRFLOW", "_AIRFLOW"))]:
    del os.environ[_name]
_HOME = Path(__file__).parent.parent / ".cache" / "airflow-tests"
_HOME.mkdir(parents=True, exist_ok=True)
os.environ["AIRFLOW_HOME"] = str(_HOME)
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
for _name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(_name, None)

import asyncio  # noqa: E402
import json  # noqa: E402
import secrets  # noqa: E402
from collections.abc import Callable, Iterator, Mapping  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from hypothesis import settings  # noqa: E402

from airflow_provider_contacts.contact import Contact  # noqa: E402
from airflow_provider_contacts.hooks.base import ContactsHook  # noqa: E402
from airflow_provider_contacts.sandbox.app import create_app, create_state, running  # noqa: E402
from airflow_provider_contacts.sandbox.connections import connections  # noqa: E402
from airflow_provider_contacts.sandbox.state import State  # noqa: E402
from tests.database import MYSQL, POSTGRES, Database  # noqa: E402
from tests.scripted import ScriptedServer  # noqa: E402
from tests.vendors import CASES  # noqa: E402

# No deadline: on a busy machine, an example may take any time. The rest is as hypothesis chooses, which
# draws the same examples each time if `CI` is set.
settings.register_profile("contacts", settings.default, deadline=None)
settings.load_profile("contacts")

CONTACTS = 60


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return two workers per core for ``-n auto``, because tests wait half of their time for a socket."""
    return 2 * (os.cpu_count() or 1)


@dataclass
class Sandbox:
    """A served sandbox, its state, and the connections to it."""

    state: State
    url: str
    connect: Callable[..., str]

    def requests(self, vendor: str) -> list[dict[str, Any]]:
        """Return the requests that a vendor received."""
        return [entry for entry in self.state.requests if entry["vendor"] == vendor]

    def keys(self, vendor: str) -> set[tuple[str, str]]:
        """Return account id and contact id of all contacts of a vendor."""
        return {(row.account_id, row.contact_id) for row in self.state.tables[vendor].rows}

    def fail(self, vendor: str, **fault: Any) -> None:
        """Make the next requests fail."""
        from airflow_provider_contacts.sandbox.state import Fault

        self.state.faults[vendor].append(Fault(**fault))


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Define an Airflow connection, as an environment variable, and return its id."""

    def define(conn_id: str, **parts: Any) -> str:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(parts))
        return conn_id

    return define


class _Sandboxes:
    """One server for all tests; the first part of a path selects the sandbox."""

    def __init__(self) -> None:
        self.apps: dict[str, Any] = {}
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        _, name, path = scope["path"].split("/", 2)
        await self.apps[name]({**scope, "path": f"/{path}"}, receive, send)


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[_Sandboxes]:
    """Serve the sandboxes of all tests."""
    served = _Sandboxes()
    with running(served) as served.url:
        yield served


@pytest.fixture
def sandbox(
    sandboxes: _Sandboxes, connect: Callable[..., str], request: pytest.FixtureRequest
) -> Iterator[Sandbox]:
    """Serve a sandbox. A client that breaks a rule of the API docs fails the test."""
    marker = request.node.get_closest_marker("sandbox")
    options = dict(marker.kwargs) if marker else {}
    broken = options.pop("violations", False)
    state = create_state(options.pop("contacts", CONTACTS), 7, **options)
    name = f"sandbox-{len(sandboxes.apps)}"
    sandboxes.apps[name] = create_app(state)
    url = f"{sandboxes.url}/{name}"
    defaults = connections(url)

    def adapt(vendor: str, conn_id: str | None = None, **changes: Any) -> str:
        parts = {**defaults[f"{vendor}_default"], **changes}
        parts["extra"] = {**defaults[f"{vendor}_default"]["extra"], **changes.get("extra", {})}
        return connect(conn_id or f"{vendor}_default", **parts)

    for vendor in state.tables:
        adapt(vendor)
    yield Sandbox(state, url, adapt)
    sandboxes.apps[name] = None
    if not broken:
        assert state.violations == []


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """Serve responses that a test scripts."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def tether(connect: Callable[..., str]) -> Callable[..., str]:
    """Point a Tether connection at a server."""

    def pointed(url: str, **changes: Any) -> str:
        extra = {"retry_limit": 2, "pipeline_id": "a" * 24, **changes.pop("extra", {})}
        return connect("hostile", **{**CASES["tether"].parts, "host": url, "extra": extra, **changes})

    return pointed


Read = Callable[..., list[Contact]]


@pytest.fixture(params=["sync", "async"])
def read(request: pytest.FixtureRequest) -> Read:
    """Read a listing, once sync and once async."""

    def sync(
        conn_id: str, filters: Mapping[str, Any] | None = None, page_size: int | None = None, **kwargs: Any
    ) -> list[Contact]:
        hook = ContactsHook.for_connection(conn_id, page_size=page_size)
        return list(hook.list_contacts(filters, **kwargs))

    def in_loop(
        conn_id: str, filters: Mapping[str, Any] | None = None, page_size: int | None = None, **kwargs: Any
    ) -> list[Contact]:
        async def run() -> list[Contact]:
            hook = await ContactsHook.afor_connection(conn_id, page_size=page_size)
            return [contact async for contact in hook.alist_contacts(filters, **kwargs)]

        return asyncio.run(run())

    return sync if request.param == "sync" else in_loop


# Airflow uses psycopg for PostgreSQL, or psycopg2 if the connection says so.
KINDS = [
    "sqlite",
    *(["postgresql", "postgresql+psycopg2"] if POSTGRES else []),
    *(["mysql"] if MYSQL else []),
]


@pytest.fixture(params=KINDS)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, connect: Callable[..., str]
) -> Iterator[Database]:
    """Make an empty database, and an Airflow connection to it."""
    if request.param == "sqlite":
        path = tmp_path / "contacts.db"
        made = Database(
            "sqlite", connect("warehouse", conn_type="sqlite", host=str(path)), f"sqlite:///{path}"
        )
        yield made
        made.engine.dispose()
        return
    kind, _, driver = request.param.partition("+")
    url = sa.make_url((POSTGRES if kind == "postgresql" else MYSQL) or "")
    name = f"test_{secrets.token_hex(6)}"
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    parts = {"host": url.host, "port": url.port, "login": url.username, "schema": name}
    if kind == "postgresql":
        extra = {"sqlalchemy_scheme": request.param} if driver else {}
        conn_id = connect("warehouse", conn_type="postgres", extra=extra, **parts)
    else:
        conn_id = connect("warehouse", conn_type="mysql", extra={"client": "pymysql"}, **parts)
    made = Database(kind, conn_id, url.set(database=name))
    yield made
    made.engine.dispose()
    with server.connect() as connection:
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    server.dispose()


@pytest.fixture
def secret(connect: Callable[..., str]) -> str:
    """Define the connection of the secret of suppressions, and return its id."""
    return connect("contacts_suppressions", conn_type="generic", password="secret-of-the-test")
