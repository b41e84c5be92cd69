"""Compile the constraints files: the newest dependencies, those of documentation and benchmarks, and two sets as of earlier releases.

It needs ``uv``, which ``make constraints`` installs. The files contain versions only, no addresses.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME_EXTRAS = ("sql", "parquet", "zstd")


def compile_pins(output: Path, extras: tuple[str, ...], pins: list[str], *options: str) -> None:
    """Resolve this package with some extras into a file.

    :param pins: constraints on top of those of the metadata.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(pins))
        constraints.flush()
        command = [
            *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "pyproject.toml"),
            *(argument for extra in extras for argument in ("--extra", extra)),
            *("--universal", "--python-version", "3.11"),
            *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
            *("--constraint", constraints.name, "--output-file", str(output), "--upgrade"),
            *options,
        ]
        subprocess.run(command, cwd=ROOT, check=True)
    print(f"{output.name}: {len(output.read_text().splitlines())} packages")


def compile_tools() -> None:
    """Pin the tools of the documentation, the mutants and the benchmarks, next to the newest dependencies."""
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    compile_pins(ROOT / "constraints-docs.txt", ("dev", "docs"), pins)
    compile_pins(ROOT / "constraints-mutants.txt", ("dev", "mutants"), pins)
    compile_pins(ROOT / "constraints-benchmark.txt", ("benchmark",), pins)


def main() -> None:
    """Write the files."""
    compile_pins(ROOT / "constraints.txt", ("dev",), [])
    compile_tools()
    compile_pins(
        ROOT / "constraints-3.3.2.txt",
        ("test",),
        ["apache-airflow==3.3.2"],
        *("--exclude-newer", "2026-09-18"),
    )
    # The oldest versions that the metadata allows of what users install; the tools of the tests may
    # be newer.
    as_of = ("--exclude-newer", "2026-04-10")
    with tempfile.TemporaryDirectory() as folder:
        oldest = Path(folder) / "oldest.txt"
        pins = ["apache-airflow==3.2.0"]
        compile_pins(oldest, RUNTIME_EXTRAS, pins, *as_of, "--resolution", "lowest-direct")
        compile_pins(ROOT / "constraints-3.2.0.txt", ("test",), oldest.read_text().splitlines(), *as_of)


if __name__ == "__main__":
    main()
