"""An object store on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.io.store import _STORE_CACHE


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
