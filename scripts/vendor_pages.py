"""Write the generated parts of the vendors' pages in docs/vendors, from the vendor files.

A part is between ``<!-- generated: name -->`` and ``<!-- end -->``. ``python
scripts/vendor_pages.py`` writes the pages; with ``--check`` it fails if one is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from airflow.sdk import Connection

from airflow_provider_contacts.core.filters import describe_filters
from airflow_provider_contacts.core.matching.descriptions import describe_conditions
from airflow_provider_contacts.core.paging.styles import CursorPaging
from airflow_provider_contacts.core.vendor import Vendor
from airflow_provider_contacts.hooks import registry

PAGES = Path(__file__).parent.parent / "docs" / "vendors"
SIZES = (400, 4_000, 40_000)
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def example_connection(vendor: Vendor) -> dict[str, Any]:
    """Return a connection whose values say what they are."""
    form = vendor.form
    parts: dict[str, Any] = {"conn_type": vendor.name}
    if vendor.base_url is None:
        parts["host"] = "https://your-instance.example.com"
    if form.login_label:
        parts["login"] = form.login_label
    parts["password"] = form.password_label
    if extra := {field.name: field.example for field in form.fields if field.example}:
        parts["extra"] = extra
    return parts


def connection(vendor: Vendor) -> str:
    """Return the fields of the form, and an example as JSON and as a URI."""
    form = vendor.form
    rows = [
        ("Host", "`host`", f"Optional; by default `{vendor.base_url}`." if vendor.base_url else "Required.")
    ]
    if form.login_label:
        rows.append((form.login_label, "`login`", _sentence(form.login_placeholder)))
    rows.append((form.password_label, "`password`", _sentence(form.password_placeholder or "required")))
    rows += [(one.label, f"`{one.name}` in `extra`", one.description) for one in form.fields if one.is_shown]
    parts = example_connection(vendor)
    variable = f"AIRFLOW_CONN_{vendor.name.upper()}_DEFAULT"
    uri = Connection(
        conn_id="x", **{**parts, "extra": json.dumps(parts["extra"]) if "extra" in parts else None}
    ).get_uri()
    return "\n\n".join(
        (
            table(("field", "in JSON", ""), rows),
            "As an environment variable, in JSON or as a URI:",
            f"```shell\nexport {variable}='{json.dumps(parts)}'\nexport {variable}='{uri}'\n```",
        )
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def filters(vendor: Vendor) -> str:
    """Return the table of filters."""
    return table(
        ("filter", "value", "meaning", "example"),
        [
            (f"`{one.name}`", one.type, one.meaning, f"`{one.example}`")
            for one in describe_filters(vendor.contacts.filters)
        ],
    )


def conditions(vendor: Vendor) -> str:
    """Return the table of the conditions that the vendor supports."""
    rows = [
        (f"`{one.python}`", f"`{one.text}`", one.meaning, one.support)
        for one in describe_conditions(vendor)
        if one.support != "no"
    ]
    return table(("condition", "on the command line", "meaning", "support"), rows)


def requests(vendor: Vendor) -> str:
    """Return how many requests a listing costs."""
    paging = vendor.contacts.paging
    is_cursor = isinstance(paging, CursorPaging)
    parallel = (
        f" Several values of `{paging.split_param}` are listed in parallel."
        if isinstance(paging, CursorPaging) and paging.split_param
        else ""
    )
    rows = []
    for size in SIZES:
        number = -(-size // paging.max_size) if is_cursor else size // paging.max_size + 1
        rows.append((f"{size:,}", f"{number:,}", _time_at_rate(vendor, number)))
    formula = (
        f"contacts / {paging.max_size}, rounded up"
        if is_cursor
        else f"contacts / {paging.max_size}, rounded down, plus 1"
    )
    limits = [
        f"{limit} requests per {'minute' if seconds == 60 else f'{seconds:.0f} s'}"
        for limit, seconds in vendor.rates
    ]
    sentences = [
        f"A page has up to {paging.max_size} contacts.",
        f"The published rate limit is {limits[0]}; it is enforced by default."
        if limits
        else "No rate limit is published.",
        f"Each page starts where the previous one ends, so pages are fetched one after another.{parallel}"
        if is_cursor
        else "Pages are numbered. A listing of exactly 10, 20, 25, 50, 100, 200, 250, 500 or 1,000 contacts costs one more request.",
        f"Requests per listing, and so per poll: {formula}.",
    ]
    return " ".join(sentences) + "\n\n" + table(("contacts", "requests", "at least, at the rate limit"), rows)


def _time_at_rate(vendor: Vendor, number: int) -> str:
    if not vendor.rates:
        return "no limit published"
    limit, window = vendor.rates[0]
    seconds = max(0, -(-number // limit) - 1) * window
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


PARTS = {"connection": connection, "filters": filters, "conditions": conditions, "requests": requests}


def render(page: str, vendor: Vendor) -> str:
    """Return a page with its generated parts."""
    return PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]](vendor)}\n\n{part[3]}", page)


def main() -> None:
    """Write or check the pages."""
    for vendor in registry.list_vendors():
        path = PAGES / f"{vendor.name}.md"
        page = path.read_text()
        rendered = render(page, vendor)
        if set(re.findall(r"<!-- generated: (\w+) -->", page)) != set(PARTS):
            raise SystemExit(f"{path.name} needs the parts {', '.join(PARTS)}.")
        if "--check" not in sys.argv:
            path.write_text(rendered)
        elif rendered != page:
            raise SystemExit(f"{path.name} is out of date; run `make vendor-pages`.")


if __name__ == "__main__":
    main()
