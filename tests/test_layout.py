"""Tests mirror the package, and its parts stay small."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from tests.vendors import VENDORS

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "airflow_provider_contacts"
# Tests that belong to no single module.
ACROSS = {"histories", "example_dags", "fifth_vendor", "layout", "docs", "smoke"}


def modules() -> set[Path]:
    return {
        path.relative_to(PACKAGE).with_suffix("")
        for path in PACKAGE.rglob("*.py")
        if not path.name.startswith("_")
    }


def covered_modules() -> set[Path]:
    files = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]
    return {
        file.with_name(file.stem.removeprefix("test_"))
        for file in files
        if file.parts[0] not in ("conformance", "fifth_vendor")
    }


def test_every_module_has_its_tests() -> None:
    assert modules() - covered_modules() == set()


def test_every_test_file_has_its_module() -> None:
    assert covered_modules() - modules() - {Path(name) for name in ACROSS} == set()


def list_handwritten() -> list[Path]:
    """Return the files of the package without the sandbox and the generated one."""
    return [
        path
        for path in PACKAGE.rglob("*.py")
        if PACKAGE / "sandbox" not in path.parents and path.name != "get_provider_info.py"
    ]


def test_no_file_and_no_function_is_long() -> None:
    files = {str(path): path.read_text() for path in list_handwritten()}
    # A vendor is one file, whatever its API has.
    vendors = {str(PACKAGE / "hooks" / f"{name}.py") for name in VENDORS}
    limits = {name: 400 if name in vendors else 350 for name in files}
    assert [name for name, text in files.items() if len(text.splitlines()) > limits[name]] == []
    assert [
        (name, node.name)
        for name, text in files.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= 50
    ] == []


def test_no_folder_is_crowded() -> None:
    files = Counter(path.parent for path in PACKAGE.rglob("*.py"))
    assert {folder: count for folder, count in files.items() if count > 14} == {}
    assert files[PACKAGE / "operators"] <= 10
