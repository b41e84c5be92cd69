"""Tests mirror the package."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "airflow_provider_contacts"
# Tests that belong to no single module.
ACROSS = {"example_dags", "fifth_vendor", "layout", "docs", "smoke"}


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
