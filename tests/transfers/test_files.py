"""Formats: one schema, nothing lost, nothing that a spreadsheet runs."""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet
import pytest
import zstandard
from airflow.sdk.io.store import _STORE_CACHE
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.contact import FIELDS, Contact
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, MalformedRecord
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator
from airflow_provider_contacts.transfers.files import COLUMNS, ENDINGS, format_of
from tests.conftest import Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.vendors import CASES, VENDORS


def land(vendor: str, path: Any, **arguments: Any) -> dict[str, Any]:
    operator = ContactsToObjectStorageOperator(
        task_id="land", contacts_conn_id=f"{vendor}_default", path=str(path), **arguments
    )
    return operator.execute({})


def write(contacts: Any, path: Path, name: str = "") -> int:
    with path.open("wb") as file:
        return format_of(name or str(path)).write(contacts, file)


def unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(content)
    return zstandard.ZstdDecompressor().stream_reader(content).read() if path.suffix == ".zst" else content


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return what a file says, with CSV's text made values again."""
    if path.suffix == ".parquet":
        rows = pyarrow.parquet.read_table(path).to_pylist()
        return [{name: _as_json(value) for name, value in row.items()} for row in rows]
    text = unpacked(path).decode()
    if ".jsonl" in path.name:
        return [json.loads(line) for line in text.split("\n") if line]
    kinds = {column.name: column for column in COLUMNS}
    rows = list(csv.DictReader(text.splitlines(keepends=True), strict=True))
    return [{name: _value(kinds[name], cell) for name, cell in row.items()} for row in rows]


def _as_json(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def _value(column: Any, cell: str) -> Any:
    if cell == "" and column.nullable:
        return None
    if column.kind == "flag":
        return cell == "true"
    return json.loads(cell) if column.kind == "texts" else cell.removeprefix("'")


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_holds_the_same(vendor: str, ending: str, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / f"contacts.{ending}"
    assert land(vendor, path)["seen"] == 60
    listed = ContactsHook.for_connection(f"{vendor}_default").list_contacts()
    expected = [{**contact.to_dict(), "raw": bytes(contact.raw).decode()} for contact in listed]
    assert rows_of(path) == expected
    assert list(rows_of(path)[0]) == [*FIELDS, "raw"]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_raw_is_the_vendors_own(vendor: str, ending: str, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / f"contacts.{ending}"
    land(vendor, path, content="raw")
    listed = ContactsHook.for_connection(f"{vendor}_default").list_contacts()
    assert unpacked(path).splitlines() == [bytes(contact.raw) for contact in listed]


def test_parquet_has_types(sandbox: Sandbox, tmp_path: Path) -> None:
    land("thoughtly", tmp_path / "contacts.parquet")
    schema = pyarrow.parquet.read_schema(tmp_path / "contacts.parquet")
    types = {field.name: (str(field.type), field.nullable) for field in schema}
    assert types["created_at"] == ("timestamp[us, tz=UTC]", True)
    assert types["tags"][0].startswith("list<")
    assert types["replied"] == ("bool", True)
    assert types["contact_id"] == ("string", False)


@pytest.mark.parametrize("ending", ENDINGS)
def test_nobody_is_an_empty_table(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"contacts.{ending}"
    assert write([], path) == 0
    assert rows_of(path) == []


def test_parquet_of_many_rows(tmp_path: Path) -> None:
    path = tmp_path / "contacts.parquet"
    contacts = (Contact("v", "", str(number), raw=msgspec.Raw(b"{}")) for number in range(25_000))
    assert write(contacts, path) == 25_000
    assert pyarrow.parquet.read_metadata(path).num_rows == 25_000
    assert pyarrow.parquet.read_metadata(path).num_row_groups == 3


@pytest.mark.parametrize("ending", ["jsonl.gz", "csv.gz"])
def test_equal_contacts_give_equal_files(ending: str, tmp_path: Path) -> None:
    contacts = [Contact("v", "", "1", name="A", raw=msgspec.Raw(b"{}"))]
    for name in ("a", "b"):
        write(contacts, tmp_path / name, f"x.{ending}")
        time.sleep(0.01)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"), ("+SUM(A1)", "'+SUM(A1)"), ("-2", "'-2"), ("@A1", "'@A1"), ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"), ("＝1", "'＝1"), ("+14165550100", "+14165550100"), ("Ada", "Ada"), ("a=1", "a=1"),
        ("+", "'+"), ("+1 (234) 5", "'+1 (234) 5"), ("Ada;=1+1;x", "Ada;'=1+1;x"), ("Ada\t@x", "Ada\t'@x"),
        ("Ada\n=1", "Ada\n'=1"), ("a;b", "a;b"), ('say "hi", you\nthere', 'say "hi", you\nthere'),
    ],
)  # fmt: skip
def test_cells_that_a_spreadsheet_would_run(name: str, cell: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write([Contact("v", "", "1", name=name, raw=msgspec.Raw(b"{}"))], path)
    with path.open(newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert row["name"] == cell


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=3, max_size=3))
def test_text_survives_every_format(texts: list[str]) -> None:
    import tempfile

    raw = msgspec.Raw(msgspec.json.encode({"name": texts[0]}))
    contact = Contact("v", texts[1], "1", name=texts[0] or None, tags=(texts[2],), raw=raw)
    expected = {**contact.to_dict(), "raw": bytes(raw).decode()}
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("jsonl", "csv", "parquet"):
            path = Path(folder) / f"x.{ending}"
            write([contact], path)
            if ending == "csv":
                with path.open(newline="", encoding="utf-8") as file:
                    [row] = csv.DictReader(file)
                for field in ("name", "account_id"):
                    text = row[field]
                    assert text in (expected[field] or "", f"'{expected[field]}")
                assert json.loads(row["tags"]) == [texts[2]]
                assert row["raw"] == expected["raw"]
            else:
                assert rows_of(path) == [expected]


def test_what_is_no_text_is_refused_and_raw_keeps_it(
    connect: Callable[..., str], scripted: ScriptedServer, tmp_path: Path
) -> None:
    case = CASES["tether"]
    body = json.dumps(case.page({**case.record(1), "note": "MARK"})).encode().replace(b"MARK", b"caf\xe9")
    scripted.replies = [Reply(body=body)]
    connect("tether_default", **{**case.parts, "host": scripted.url})
    for ending in ("jsonl", "csv", "parquet"):
        with pytest.raises(MalformedRecord, match='content="raw" keeps it'):
            land("tether", tmp_path / f"x.{ending}")
    assert os.listdir(tmp_path) == []
    land("tether", tmp_path / "x.jsonl", content="raw")
    assert b"caf\xe9" in (tmp_path / "x.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("path", "arguments", "message"),
    [
        ("x.csv", {"content": "raw"}, "as jsonl alone"),
        ("x.jsonl", {"content": "rough"}, "`content` must be"),
        ("x.jsonl", {"format": "xml"}, "format must be one of: jsonl, jsonl.gz"),
    ],
)
def test_bad_arguments(path: str, arguments: Any, message: str, sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=message):
        land("tether", tmp_path / path, **arguments)
    assert not sandbox.requests("tether")


@pytest.mark.parametrize(
    ("ending", "module", "extra"), [("parquet", "pyarrow", "parquet"), ("csv.zst", "zstandard", "zstd")]
)
def test_a_missing_library_names_the_extra(
    ending: str, module: str, extra: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{module}.parquet", None)
    with pytest.raises(InvalidRequest, match=rf"airflow-provider-contacts\[{extra}\]"):
        land("tether", tmp_path / f"x.{ending}")
    assert not sandbox.requests("tether")


def test_a_path_that_cannot_be_written_fails_before_the_vendor_is_read(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ContactsError, match="no file can be written"):
        land("tether", tmp_path / "file" / "x.jsonl")
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(InvalidRequest, match="is a folder"):
        land("tether", tmp_path / "x.jsonl")
    assert not sandbox.requests("tether")


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


@pytest.mark.parametrize("ending", ENDINGS)
def test_s3(ending: str, bucket: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    summary = land("mailstand", f"s3://landing/some folder/contacts.{ending}")
    local = tmp_path / f"contacts.{ending}"
    local.write_bytes(bucket.cat(f"landing/some folder/contacts.{ending}"))
    assert len(rows_of(local)) == summary["seen"] == 60
    assert [one["name"] for one in bucket.ls("landing/some folder", detail=True)] == [
        f"landing/some folder/contacts.{ending}"
    ]


def test_a_failed_read_leaves_the_old_object(bucket: Any, sandbox: Sandbox) -> None:
    bucket.pipe("landing/x.jsonl", b"old")
    sandbox.fail("tether", path="/contacts", status=400)
    with pytest.raises(ContactsError):
        land("tether", "s3://landing/x.jsonl")
    assert bucket.cat("landing/x.jsonl") == b"old"
    assert len(bucket.ls("landing")) == 1


def test_a_store_that_is_down_fails_before_the_vendor_is_read(
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
        land("tether", "s3://landing/x.jsonl")
    assert not sandbox.requests("tether")


KILLED = """
import json, os, signal, sys
import airflow_provider_contacts.transfers.files as files

new, folder = sys.argv[1:]
new = open(new, "rb")
files.publish(new, os.path.join(folder, "first"))  # imports what is imported late
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
            ours = frame.f_code.co_name == "_publish_here" and frame.f_code.co_filename == files.__file__
            if ours and event == "line":
                number += 1
                if number == last:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace
        sys.settrace(trace)
        files.publish(new, path)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    outcomes.append((os.waitstatus_to_exitcode(status), open(path).read()))
    if status == 0:
        break
print(json.dumps(outcomes))
"""


def test_a_kill_at_any_line_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    (tmp_path / "kill.py").write_text(KILLED)
    (tmp_path / "new").write_text("new" * 1000)
    command = [sys.executable, str(tmp_path / "kill.py"), str(tmp_path / "new"), str(tmp_path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    *killed, last = json.loads(printed.splitlines()[-1])
    assert last == [0, "new" * 1000]
    assert {code for code, _ in killed} == {-signal.SIGKILL}
    assert {content for _, content in killed} == {"old", "new" * 1000}
    assert len(killed) > 10


def test_what_a_killed_task_has_left_is_swept_away(sandbox: Sandbox, tmp_path: Path) -> None:
    from airflow_provider_contacts.transfers.files import _sibling

    path = tmp_path / "x.jsonl"
    old, fresh, other = (Path(_sibling(str(tmp_path / name))) for name in ("x.jsonl", "x.jsonl", "y.jsonl"))
    for left in (old, fresh, other):
        left.write_text("half")
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    land("tether", path)
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, fresh.name, other.name])


def test_a_private_file_is_never_public(tmp_path: Path) -> None:
    from airflow_provider_contacts.transfers.files import publish

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

        publish(Watching(), str(path))  # type: ignore[arg-type]
    assert modes == {0o600}
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "path", ["s3://nowhere/x.jsonl", "s3://landing", "s3://landing/x/", "foo://bar/x.jsonl"]
)
def test_no_place_in_a_store(path: str, bucket: Any, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidRequest, match="`path`"):
        land("tether", path, format="jsonl")
    assert not sandbox.requests("tether")


@pytest.mark.parametrize("name", ["x" * 300 + ".jsonl", "pipe.jsonl"])
def test_no_place_here(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(ContactsError, match="`path`"):
        land("tether", tmp_path / name)
    assert not sandbox.requests("tether")


def test_a_long_name_has_a_place(sandbox: Sandbox, tmp_path: Path) -> None:
    assert land("tether", tmp_path / ("x" * 249 + ".jsonl"))["seen"] == 60


def test_openlineage(sandbox: Sandbox, tmp_path: Path, bucket: Any) -> None:
    for path, expected in (
        (str(tmp_path / "x.jsonl"), ("file", str(tmp_path / "x.jsonl"))),
        ("s3://landing/a/x@y.csv", ("s3://landing", "a/x@y.csv")),
    ):
        operator = ContactsToObjectStorageOperator(
            task_id="land", contacts_conn_id="tether_default", path=path
        )
        assert operator.get_openlineage_facets_on_complete(None) is None
        operator.execute({})
        [target] = operator.get_openlineage_facets_on_complete(None).outputs
        assert (target.namespace, target.name) == expected
        assert target.outputFacets["outputStatistics"].rowCount == 60
        assert target.outputFacets["outputStatistics"].size > 0


def test_hook_lineage(sandbox: Sandbox, tmp_path: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import lineage

    collector = lineage.HookLineageCollector()
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: collector)
    import airflow.providers.common.compat.lineage.hook as compat

    monkeypatch.setattr(compat, "get_hook_lineage_collector", lambda: collector)
    land("tether", tmp_path / "x.jsonl")
    land("tether", "s3://landing/a/x.csv")
    found = collector.collected_assets
    assert [one.asset.uri for one in found.outputs] == [f"file://{tmp_path}/x.jsonl", "s3://landing/a/x.csv"]
    assert all(one.asset.uri.startswith("contacts://tether/127.0.0.1") for one in found.inputs)


def test_outlets_learn_what_was_landed(sandbox: Sandbox, tmp_path: Path) -> None:
    from types import SimpleNamespace

    from airflow.sdk import Asset

    asset = Asset("landed")
    events = {asset: SimpleNamespace(extra={})}
    operator = ContactsToObjectStorageOperator(
        task_id="land", contacts_conn_id="tether_default", path=str(tmp_path / "x.csv"), outlets=[asset]
    )
    operator.execute({"outlet_events": events})
    assert events[asset].extra == {"seen": 60, "path": str(tmp_path / "x.csv")}
