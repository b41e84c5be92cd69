"""Run all benchmarks and write ``docs/performance.md`` with its charts."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import files
import growth
import latency
import matplotlib as mpl
import people
import psutil
import tables
import waits

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"
TITLES = {"talktohumans": "TalkToHumans", "mailstand": "Mailstand"}
LABELS = {
    "loop": "hand-written loop",
    "raw JSON lines": '`content="raw"`',
    "JSON lines": "JSON lines",
    "Parquet": "Parquet",
    "HttpOperator": "HttpOperator",
    "dlt": "dlt",
}
OURS = ("raw JSON lines", "JSON lines", "Parquet")
BLUE, GRAY = "#3a6ea5", "#9a9a9a"

INTRODUCTION = """# Performance

`make benchmark` writes this page. The benchmarks run against a local server that answers from prepared pages and shares no code with
the package. For files, tables and latency, what is compared takes turns, and the fastest of several rounds is reported, because a busy
machine can only add time. Waits and growth are measured once.
"""

FILES = """## Files

CPU time of writing all contacts to a file, as a multiple of a hand-written loop that sends the same requests with `requests`, splits
pages with `msgspec` and writes each record's bytes. The loop has no retries, no check for completeness and no common schema.
`HttpOperator` is Airflow's, with a pagination function; it keeps all contacts in memory. dlt is a library for loading data, here with
its REST source and its JSON lines.
"""

TABLES = """## Tables

CPU time of `ContactsToSqlOperator`, as a multiple of reading the same contacts without writing them. The database server's
time is included. Rows are copied into PostgreSQL with `COPY`, and a run without changes writes none.
"""

LATENCY = """## Latency

How much faster a listing is than one that requests one page after another, if every response comes 50 ms late. The next page of a
cursor is only known when the previous one has arrived; several values of `account_id` have a cursor each. The speed-up cannot exceed
the number of requests in flight, `max_concurrency` of the connection.
"""

WAITS = """## Waiting sensors

Deferred sensors that wait for one contact each start one after another. The interval is 5 s, so one question costs 12 polls a minute;
a poll is one request here, because the vendor has few matching contacts. Requests are counted from the start of the first sensor.
*ten questions* have different filters; *ten values of `since`* share the filters.
"""

GROWTH = """## Growth

From 1,000 to 1,000,000 Mailstand contacts, each in a process of its own. Memory is in addition to what Airflow and the imports
take. CPU time per contact stays about the same: starting costs small runs more, and files of gigabytes cost the kernel more; memory grows because
each contact's id is remembered, so that none is returned twice. A table remembers a digest for each contact as well.
"""

PEOPLE = """## People

`ResolvePeopleOperator` on a SQLite table with 100,000 contacts of each of the four vendors, who are 200,000 people. Reading is a loop over
the same columns that does nothing with them. The first run writes a row for each contact; without changes, nothing is written. Most of
the CPU time is parsing phone numbers.
"""


def format_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def format_ratio(value: float) -> str:
    """Return a ratio as text."""
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def draw(name: str, title: str, fill: Callable[[Any], None]) -> str:
    """Write a chart as SVG and return its Markdown.

    :param fill: draws into the axes that it is given.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 3.4))
    fill(axes)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(IMAGES / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return f'![{title}](images/{name}.svg){{ width="750" }}\n'


def files_section(rounds: int) -> str:
    """Measure files."""
    results = files.measure(rounds)
    vendors = list(results)
    ways = list(LABELS)

    def bars(axes: Any) -> None:
        labels = [f"{way.replace('raw JSON lines', 'raw')}" for way in ways]
        for place, vendor in enumerate(vendors):
            least = results[vendor]
            heights = [least[way] / least["loop"] for way in ways]
            places = [index + 0.4 * (place - 0.5) for index in range(len(ways))]
            drawn = axes.bar(places, heights, 0.38, label=TITLES[vendor], color=(BLUE, GRAY)[place])
            axes.bar_label(drawn, [format_ratio(height) for height in heights], fontsize=8)
        axes.set_xticks(range(len(ways)), labels)
        axes.set_yscale("log")
        axes.set_ylabel("CPU time, loop = 1")
        axes.legend(frameon=False)

    header = ["", *(f"{TITLES[vendor]}, {files.COUNTS[vendor]:,} contacts" for vendor in vendors)]
    rows = [
        [LABELS[way], *(format_ratio(results[vendor][way] / results[vendor]["loop"]) for vendor in vendors)]
        for way in ways
    ]
    chart = draw(
        "performance_files", "CPU time of writing a file, compared with a loop and with other tools", bars
    )
    return f"{FILES}\n{format_table(header, rows)}\n{chart}"


def tables_section(rounds: int) -> str:
    """Measure tables."""
    results = tables.measure(rounds)
    steps = list(tables.STEPS)
    rows = [
        [database, *(format_ratio(least[step] / least["reading"]) for step in steps)]
        for database, least in results.items()
    ]
    return f"{TABLES}\n{format_table([f'{tables.CONTACTS:,} contacts', *steps], rows)}"


def latency_section(rounds: int) -> str:
    """Measure latency."""
    timings = latency.measure(rounds)
    rows = [
        [
            case.name,
            case.pages,
            case.max_concurrency,
            format_ratio(timings[case.name].one_by_one / timings[case.name].seconds),
        ]
        for case in latency.CASES
    ]
    return f"{LATENCY}\n{format_table(['listing', 'pages', '`max_concurrency`', 'times faster'], rows)}"


def waits_section() -> str:
    """Measure waits."""
    costs = waits.measure()
    rows = [
        [
            kind.replace("since", "`since`"),
            f"{count:,}",
            f"{cost.requests:.0f}",
            f"{cost.cpu / 60:.1%}",
            f"{cost.seconds:.1f} s",
        ]
        for (kind, count), cost in costs.items()
    ]
    header = ["", "sensors", "requests a minute", "triggerer's CPU", "from the replies to the last event"]
    return f"{WAITS}\n{format_table(header, rows)}"


def growth_section() -> str:
    """Measure growth."""
    results = growth.measure()

    def lines(axes: Any) -> None:
        for job, style in zip(growth.JOBS, ("o-", "s--", "^:"), strict=True):
            memory = [results[job, count].memory - results[job, count].base for count in growth.COUNTS]
            axes.plot(growth.COUNTS, memory, style, label=job)
        axes.set_xscale("log")
        axes.set_xlabel("contacts")
        axes.set_ylabel("MiB")
        axes.legend(frameon=False)

    rows = []
    for job in growth.JOBS:
        reference = results[job, 100_000].cpu / 100_000
        for count in growth.COUNTS:
            found = results[job, count]
            rows.append(
                [
                    job,
                    f"{count:,}",
                    found.requests,
                    format_ratio(found.cpu / count / reference),
                    f"{found.memory - found.base:.0f} MiB",
                    f"{found.memory:.0f} MiB",
                ]
            )
    header = ["", "contacts", "requests", "CPU per contact, 100,000 = 1", "memory", "with Airflow"]
    return f"{GROWTH}\n{format_table(header, rows)}\n{draw('performance_growth', 'Memory by number of contacts', lines)}"


def people_section() -> str:
    """Measure resolving people."""
    results = people.measure()
    reading = results["reading"].cpu
    rows = [
        [
            step,
            format_ratio(usage.cpu / reading),
            f"{usage.seconds:.0f} s",
            f"{usage.memory:.0f} MiB",
        ]
        for step, usage in results.items()
    ]
    return f"{PEOPLE}\n{format_table(['', 'CPU time, reading = 1', 'time', 'memory with Airflow'], rows)}"


def machine_section(seconds: float) -> str:
    """Describe the machine."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )
    names = ("apache-airflow", "requests", "msgspec", "dlt", "apache-airflow-providers-http", "pyarrow")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"## Machine\n\n{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}.\n{packages}. All of it took {seconds / 60:.0f} minutes.\n"
    )


def main() -> None:
    """Run everything and write the page."""
    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "contacts", "font.size": 9})
    started = time.monotonic()
    sections = [INTRODUCTION]
    for measure in (
        lambda: files_section(5),
        lambda: tables_section(3),
        lambda: latency_section(2),
        waits_section,
        growth_section,
        people_section,
    ):
        sections.append(measure())
        print(sections[-1], flush=True)
    sections.append(machine_section(time.monotonic() - started))
    PAGE.write_text("\n".join(sections))
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
