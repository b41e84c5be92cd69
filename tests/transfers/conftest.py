"""An object store and databases on this machine."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk.io.store import _STORE_CACHE

from tests.transfers.database import MYSQL, POSTGRES, Database


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Serve the S3 API on this machine."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make an empty bucket, and let fsspec find it."""
    import s3fs
    from airflow.sdk.io import attach

    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem(endpoint_url=s3)
    _STORE_CACHE.clear()
    attach("s3", fs=store)
    store.mkdir("landing")
    yield store
    store.rm("landing", recursive=True)


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
