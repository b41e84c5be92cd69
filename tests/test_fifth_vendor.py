"""Adding a file adds a vendor, in this package or in another one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.scripted import Reply, ScriptedServer

ROOT = Path(__file__).parent.parent
FIFTH_VENDOR = ROOT / "tests" / "fifth_vendor"
[HOOK_FILE] = (FIFTH_VENDOR / "hooks").glob("*.py")
NAME = HOOK_FILE.stem


def run(folder: Path, *arguments: str, **variables: str) -> str:
    """Run Python with the packages of a folder before the installed ones, and return what it prints."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))
    }
    environment |= {"PYTHONPATH": str(folder), "AIRFLOW_HOME": str(folder / "airflow"), **variables}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy the package and its tests, and add the two files of the fifth vendor."""
    ignored = shutil.ignore_patterns("__pycache__", "fifth_vendor", ".*")
    for name in ("airflow_provider_contacts", "tests", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(FIFTH_VENDOR, tmp_path / "airflow_provider_contacts", dirs_exist_ok=True, ignore=ignored)
    return tmp_path


def test_hook_file_is_short() -> None:
    assert len(HOOK_FILE.read_text().splitlines()) <= 150


def test_no_other_file_mentions_it() -> None:
    tracked = subprocess.run(
        ["git", "grep", "--ignore-case", "--files-with-matches", NAME],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode == 128:
        pytest.fail("this test needs git")
    assert {Path(name).parts[:2] for name in tracked.stdout.split()} <= {("tests", "fifth_vendor")}


@pytest.mark.parametrize(
    ("names", "at_least"),
    [(("test_reading",), 90), (("test_conditions", "test_updates", "test_waiting"), 50)],
)
def test_it_passes_the_conformance_tests(names: tuple[str, ...], at_least: int, tree: Path) -> None:
    files = [f"tests/conformance/{name}.py" for name in names]
    printed = run(tree, "-m", "pytest", *files, "-k", NAME, "-p", "no:cacheprovider", "-p", "no:xdist")
    [summary] = [line for line in printed.splitlines() if " passed" in line]
    passed = int(summary.split(" passed")[0].split()[-1])
    assert passed > at_least
    assert "skipped" not in summary


def test_every_conformance_test_is_run() -> None:
    files = {path.stem for path in (ROOT / "tests" / "conformance").glob("test_*.py")}
    assert files == {"test_reading", "test_conditions", "test_updates", "test_waiting"}


def test_its_metadata_is_generated(tree: Path) -> None:
    code = "import json, provider_info; print(json.dumps(provider_info.provider_info()))"
    info = json.loads(run(tree, "-c", code, PYTHONPATH=f"{tree}{os.pathsep}{tree / 'scripts'}"))
    [entry] = [one for one in info["connection-types"] if one["connection-type"] == NAME]
    assert entry["hook-class-name"].startswith(f"airflow_provider_contacts.hooks.{NAME}.")


@pytest.fixture
def private_package(tmp_path: Path) -> Path:
    """Install the fifth vendor as a separate package, and return the folder that contains it."""
    package = f"{NAME}_provider"
    info = {
        "package-name": package.replace("_", "-"),
        "name": NAME,
        "description": NAME,
        "connection-types": [
            {
                "connection-type": NAME,
                "hook-class-name": f"{package}.hook.{NAME.capitalize()}Hook",
                "hook-name": NAME,
            }
        ],
    }
    metadata = f"Name: {package}\nVersion: 1.0\n"
    files = {
        f"{package}/__init__.py": f"def get_provider_info():\n    return {info!r}\n",
        f"{package}/hook.py": HOOK_FILE.read_text(),
        f"{package}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\n{metadata}",
        f"{package}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{package}-1.0.dist-info/entry_points.txt": (
            f"[apache_airflow_provider]\nprovider_info = {package}:get_provider_info\n"
        ),
    }
    files[f"{package}-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files)
    wheel = tmp_path / f"{package}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    installed = tmp_path / "installed"
    installed.mkdir()
    pip = ("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check")
    run(installed, *pip, "--target", str(installed), str(wheel))
    return installed


READ = """
import asyncio
from airflow_provider_contacts.hooks.base import ContactsHook

hook = ContactsHook.for_connection("private")
print(type(hook).__module__, [contact.contact_id for contact in hook.list_contacts()])

async def read():
    hook = await ContactsHook.afor_connection("private")
    return [contact.contact_id async for contact in hook.alist_contacts({"label": "VIP"})]

print(type(hook).__module__, asyncio.run(read()))
"""
FILTER = f"""
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.operators.contacts import FilterContactsOperator

contacts = [Contact("{NAME}", "", "1", tags=("VIP",)).to_dict(), Contact("{NAME}", "", "2").to_dict()]
kept = FilterContactsOperator(task_id="f", contacts=contacts, condition="tagged:VIP").execute({{}})
print("kept", [contact["contact_id"] for contact in kept])
"""


def test_a_vendor_in_another_package(private_package: Path, scripted: ScriptedServer) -> None:
    page = {"results": [{"id": 1}, {"id": 2, "labels": ["VIP"]}], "count": 2, "next": None}
    scripted.replies = [Reply(body=page)]
    connection: dict[str, Any] = {"conn_type": NAME, "host": scripted.url, "password": "secret-of-the-test"}
    printed = run(private_package, "-c", READ, AIRFLOW_CONN_PRIVATE=json.dumps(connection))
    read = f"{NAME}_provider.hook ['1', '2']"
    assert [line for line in printed.splitlines() if line.startswith(NAME)] == [read, read]
    assert [request.path for request in scripted.received] == ["/v2/people", "/v2/people"]


def test_filtering_contacts_of_a_vendor_in_another_package(private_package: Path) -> None:
    """A task that filters has no connection, so it has to find the vendor by the name in the contacts."""
    assert "kept ['1']" in run(private_package, "-c", FILTER)
