"""Files appear complete or not at all, on local paths and in object stores."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.io.store import _STORE_CACHE

from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.transfers.files.formats import FORMATS
from airflow_provider_contacts.transfers.files.publishing import make_absolute
from tests.conftest import Sandbox
from tests.scripted import ScriptedServer
from tests.transfers.helpers import export, rows_of


def test_unwritable_path_fails_before_reading(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ContactsError, match="is not writable"):
        export("tether", tmp_path / "file" / "x.jsonl")
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(InvalidRequest, match="is not a regular file"):
        export("tether", tmp_path / "x.jsonl")
    assert not sandbox.requests("tether")


@pytest.mark.parametrize(
    "path",
    [
        "s3://conn@bucket/x.csv",
        "file:///tmp/x.csv",
        "file:/tmp/x.csv",
        "/tmp//x.csv",
        "/tmp/link/../x.csv",
        "/tmp/out/",
    ],
)
def test_absolute_paths_stay_as_they_are(path: str) -> None:
    assert make_absolute(path) == path


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert make_absolute("x.csv") == f"{tmp_path}/x.csv"
    assert make_absolute("out/") == f"{tmp_path}/out/"


@pytest.mark.parametrize("ending", FORMATS)
def test_s3(ending: str, bucket: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    summary = export("mailstand", f"s3://landing/some folder/contacts.{ending}")
    local = tmp_path / f"contacts.{ending}"
    local.write_bytes(bucket.cat(f"landing/some folder/contacts.{ending}"))
    assert len(rows_of(local)) == summary["seen"] == 60
    assert [one["name"] for one in bucket.ls("landing/some folder", detail=True)] == [
        f"landing/some folder/contacts.{ending}"
    ]


def test_failed_read_keeps_the_old_object(bucket: Any, sandbox: Sandbox) -> None:
    bucket.pipe("landing/x.jsonl", b"old")
    sandbox.fail("tether", path="/contacts", status=403)
    with pytest.raises(ContactsError):
        export("tether", "s3://landing/x.jsonl")
    assert bucket.cat("landing/x.jsonl") == b"old"
    assert len(bucket.ls("landing")) == 1


def test_unreachable_store_fails_before_reading(
    bucket: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs
    from airflow.sdk.io import attach

    with ScriptedServer() as closed:
        url = closed.url
    down = s3fs.S3FileSystem(
        endpoint_url=url, config_kwargs={"retries": {"max_attempts": 1}, "connect_timeout": 1}
    )
    _STORE_CACHE.clear()
    attach("s3", fs=down)
    with pytest.raises(ContactsError, match="object store of `path` cannot be reached"):
        export("tether", "s3://landing/x.jsonl")
    assert not sandbox.requests("tether")


KILLED = """
import json, os, signal, sys
import airflow_provider_contacts.transfers.files.publishing as publishing

new, folder = sys.argv[1:]
new = open(new, "rb")
publishing._publish(new, os.path.join(folder, "first"), can_link=False)  # imports what is imported late
outcomes = []
for last in range(1, 100):
    os.mkdir(os.path.join(folder, str(last)))
    path = os.path.join(folder, str(last), "x.jsonl")
    with open(path, "w") as file:
        file.write("old")
    child = os.fork()
    if child == 0:
        number = 0
        def trace(frame, event, argument):
            global number
            names = ("_publish_locally", "_try_link", "_copy", "_sync_folder")
            ours = frame.f_code.co_name in names and frame.f_code.co_filename == publishing.__file__
            if ours and event == "line":
                number += 1
                if number == last:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace
        sys.settrace(trace)
        publishing._publish(new, path, can_link=bool(last % 2))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    outcomes.append((os.waitstatus_to_exitcode(status), open(path).read()))
    if status == 0:
        break
print(json.dumps(outcomes))
"""


def test_kill_at_any_line_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "kill.py").write_text(KILLED)
    (tmp_path / "new").write_text("new" * 1000)
    command = [sys.executable, str(tmp_path / "kill.py"), str(tmp_path / "new"), str(tmp_path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    *killed, last = json.loads(printed.splitlines()[-1])
    assert last == [0, "new" * 1000]
    assert {code for code, _ in killed} == {-signal.SIGKILL}
    assert {content for _, content in killed} == {"old", "new" * 1000}
    assert len(killed) > 10


def test_leftovers_of_killed_tasks_are_removed(sandbox: Sandbox, tmp_path: Path) -> None:
    from airflow_provider_contacts.transfers.files.publishing import _temporary_path

    path = tmp_path / "x.jsonl"
    old, fresh, other = (
        Path(_temporary_path(str(tmp_path / name))) for name in ("x.jsonl", "x.jsonl", "y.jsonl")
    )
    for left in (old, fresh, other):
        left.write_text("half")
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    export("tether", path)
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, fresh.name, other.name])


def test_private_file_stays_private_while_it_is_copied(tmp_path: Path) -> None:
    from airflow_provider_contacts.transfers.files.publishing import _publish

    path = tmp_path / "x.jsonl"
    path.write_text("old")
    path.chmod(0o600)
    modes: set[int] = set()
    with (tmp_path / "new").open("w+b") as staged:
        staged.write(b"x" * 100)

        class Watching:
            def seek(self, place: int) -> None:
                staged.seek(place)

            def read(self, size: int) -> bytes:
                modes.update(one.stat().st_mode & 0o777 for one in tmp_path.glob(".contacts-*"))
                return staged.read(size)

        _publish(Watching(), str(path), can_link=False)  # type: ignore[arg-type]
    assert modes == {0o600}
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "path", ["s3://nowhere/x.jsonl", "s3://landing", "s3://landing/x/", "foo://bar/x.jsonl"]
)
def test_invalid_store_paths(path: str, bucket: Any, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidRequest, match="`path`"):
        export("tether", path, format="jsonl")
    assert not sandbox.requests("tether")


@pytest.mark.parametrize("name", ["x" * 300 + ".jsonl", "pipe.jsonl"])
def test_invalid_local_paths(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(ContactsError, match="`path`"):
        export("tether", tmp_path / name)
    assert not sandbox.requests("tether")


def test_long_file_name(sandbox: Sandbox, tmp_path: Path) -> None:
    assert export("tether", tmp_path / ("x" * 249 + ".jsonl"))["seen"] == 60
