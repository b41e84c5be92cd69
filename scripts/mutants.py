"""Change one thing at a time in the modules without I/O that decide what is read and done, and count which changes no test notices.

It runs mutmut on a copy of the tree in ``.cache/mutants``, with the tests of each module. Log lines
and ``raise`` statements are left out: their texts decide nothing. ``python scripts/mutants.py NAME
…`` runs some of the groups. Surviving changes are in ``.cache/mutants/survivors.txt``.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".cache" / "mutants"
PACKAGE = "airflow_provider_contacts"
MUTMUT = Path(sys.executable).parent / "mutmut"
# The modules of each group, and the tests that have to notice a change in them.
GROUPS = {
    "conditions": (["conditions/*.py"], ["tests/conditions", "tests/core/matching/test_parsing.py"]),
    "pushdown": (["core/matching/pushdown.py"], ["tests/core/matching"]),
    "paging": (
        ["core/paging/cursors.py", "core/paging/page_numbers.py", "core/paging/styles.py"],
        ["tests/core/paging", "tests/core/reading/test_listing.py"],
    ),
    "listing": (
        ["core/reading/listing.py"],
        ["tests/core/paging", *(f"tests/core/reading/test_{name}.py" for name in ("listing", "prefetching", "reader"))],
    ),
    "limits": (["core/http/limits.py"], ["tests/core/http/test_limits.py"]),
    "identity": (
        ["identity_keys.py", "people/identity.py", "people/person_ids.py"],
        ["tests/test_identity_keys.py", "tests/people", "tests/safeguards/test_keys.py"],
    ),
    "digests": (["transfers/tables/digests.py"], ["tests/transfers/tables/test_digests.py"]),
    "safeguards": (
        ["safeguards/approval.py", "safeguards/gate.py"],
        ["tests/safeguards/test_approval.py", "tests/safeguards/test_gate.py", "tests/operators/updating/test_base.py"],
    ),
    "plans": (
        ["operators/updating/plan.py", "operators/stopping/plan.py"],
        ["tests/operators/updating/test_plan.py", "tests/operators/stopping", "tests/operators/test_stop_outreach.py"],
    ),
}  # fmt: skip
SURVIVED, NOT_COVERED = 0, 33
LOG_METHODS = ("debug", "info", "warning", "error")


def is_message(node: ast.stmt) -> bool:
    """Return whether a statement only produces a message: a log line or an error."""
    if isinstance(node, ast.Raise):
        return True
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    return is_call and isinstance(node.value.func, ast.Attribute) and node.value.func.attr in LOG_METHODS  # type: ignore[attr-defined]


def leave_out_messages(source: str) -> str:
    """Return source code with marks around the statements that are not mutated."""
    lines = source.splitlines()
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt) and is_message(node)]
    for node in sorted(found, key=lambda one: -one.lineno):
        indent = " " * node.col_offset
        lines.insert(node.end_lineno or node.lineno, f"{indent}# pragma: no mutate end")
        lines.insert(node.lineno - 1, f"{indent}# pragma: no mutate start")
    return "\n".join(lines) + "\n"


def copy_tree(folder: Path, modules: list[str], tests: list[str]) -> None:
    """Copy the files of the repository, and configure mutmut."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for pattern in modules:
        for path in (folder / PACKAGE).glob(pattern):
            path.write_text(leave_out_messages(path.read_text()))
    config = {
        "source_paths": [PACKAGE],
        "only_mutate": [f"{PACKAGE}/{pattern}" for pattern in modules],
        "also_copy": ["docs", "example_dags", "scripts", "README.md"],
        "pytest_add_cli_args_test_selection": tests,
        # A change that makes a test hang counts as noticed.
        "timeout_multiplier": 3.0,
        "timeout_constant": 5.0,
    }
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in config.items())
    with (folder / "pyproject.toml").open("a") as file:
        file.write(f"\n[tool.mutmut]\n{lines}\n")


def read_results(folder: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """Return each module with mutants, and what became of each of them."""
    for path in sorted((folder / "mutants").rglob("*.meta")):
        if results := json.loads(path.read_text())["exit_code_by_key"]:
            yield str(path.relative_to(folder / "mutants" / PACKAGE)).removesuffix(".meta"), results


def show(folder: Path, mutant: str) -> str:
    """Return the lines that a mutant changes."""
    shown = subprocess.run([MUTMUT, "show", mutant], cwd=folder, capture_output=True, text=True, check=True)
    changed = [line for line in shown.stdout.splitlines() if re.match(r"[+-](?![+-])", line)]
    return "\n".join([mutant, *changed])


def run_group(name: str) -> str:
    """Run a group, print its table, and return its survivors."""
    modules, tests = GROUPS[name]
    folder = WORK / name
    copy_tree(folder, modules, tests)
    with (WORK / f"{name}.log").open("w") as log:
        subprocess.run([MUTMUT, "run"], cwd=folder, stdout=log, stderr=log, check=True)
    survivors = []
    for module, results in read_results(folder):
        counts = Counter(results.values())
        survived, not_covered = counts[SURVIVED], counts[NOT_COVERED]
        killed = len(results) - survived - not_covered
        print(
            f"| {module} | {len(results)} | {killed} | {survived} | {not_covered} | {killed / len(results):.1%} |",
            flush=True,
        )
        survivors += [show(folder, one) for one, code in results.items() if code in (SURVIVED, NOT_COVERED)]
    return "\n\n".join(survivors)


def main() -> None:
    """Run the groups, or those that are named."""
    WORK.mkdir(parents=True, exist_ok=True)
    print(
        "| module | mutants | killed | survived | not covered | killed, in % |\n|---|---|---|---|---|---|",
        flush=True,
    )
    found = [run_group(name) for name in sys.argv[1:] or GROUPS]
    (WORK / "survivors.txt").write_text("\n\n".join(filter(None, found)) + "\n")


if __name__ == "__main__":
    main()
