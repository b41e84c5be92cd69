"""Write the picture and the second table of docs/architecture.md, from the import contracts.

The contracts are in pyproject.toml. ``--check`` fails if the page or the picture is out of date.
"""

from __future__ import annotations

import re
import sys
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
PACKAGE = "airflow_provider_contacts"
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

# In pixels.
BOX_HEIGHT, GAP, WIDTH, MARGIN, TITLE = 30, 6, 460, 16, 28


def read_layers() -> dict[str, list[list[str]]]:
    """Return the layers of each folder, from top to bottom: ``{"core": [["reading", "updates"], …]}``."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {
        contract["containers"][0].removeprefix(PACKAGE).lstrip("."): [
            [room.strip() for room in layer.split("|")] for layer in contract["layers"]
        ]
        for contract in contracts
        if contract["type"] == "layers"
    }


def draw_column(title: str, layers: list[list[str]], left: int) -> str:
    """Draw layers as a column of boxes."""
    parts = [f'<text x="{left}" y="{MARGIN + 12}" class="title">{escape(title)}</text>']
    for number, layer in enumerate(layers):
        top = MARGIN + TITLE + number * (BOX_HEIGHT + GAP)
        # A box is as wide as its text needs.
        letters = sum(len(room) + 4 for room in layer)
        x = float(left)
        for room in layer:
            width = (WIDTH - GAP * (len(layer) - 1)) * (len(room) + 4) / letters
            parts.append(
                f'<rect x="{x:.0f}" y="{top}" width="{width:.0f}" height="{BOX_HEIGHT}" rx="4"/>'
                f'<text x="{x + width / 2:.0f}" y="{top + 20}" text-anchor="middle">{escape(room)}</text>'
            )
            x += width + GAP
    return "\n".join(parts)


def draw(layers: dict[str, list[list[str]]]) -> str:
    """Return the picture: the package on the left, its core on the right."""
    width = 2 * WIDTH + 4 * MARGIN
    height = 2 * MARGIN + TITLE + max(len(layers[""]), len(layers["core"])) * (BOX_HEIGHT + GAP)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">
<style>
text {{ font: 12px sans-serif; fill: #222 }}
.title {{ font-weight: bold }}
rect {{ fill: #eef0fb; stroke: #7986cb }}
</style>
<rect width="{width}" height="{height}" style="fill: #fff; stroke: none"/>
{draw_column(PACKAGE, layers[""], MARGIN)}
{draw_column("core", layers["core"], WIDTH + 3 * MARGIN)}
</svg>
"""


def list_modules(layers: dict[str, list[list[str]]]) -> str:
    """Return the table of what is inside the folders."""
    rows = [
        f"| `{name.replace('.', '/')}/` | {' → '.join(', '.join(f'`{room}`' for room in layer) for layer in inside)} |"
        for name, inside in layers.items()
        if name not in ("", "core")
    ]
    return "\n".join(["| folder | modules, from top to bottom |", "|---|---|", *rows])


def main() -> None:
    """Write or check the page and the picture."""
    layers = read_layers()
    page = PAGE.read_text()
    rendered = PART.sub(lambda part: f"{part[1]}\n{list_modules(layers)}\n\n{part[3]}", page)
    for path, content in ((PAGE, rendered), (PICTURE, draw(layers))):
        if "--check" not in sys.argv:
            path.write_text(content)
        elif not path.exists() or path.read_text() != content:
            raise SystemExit(f"{path.name} is out of date; run `make architecture`.")


if __name__ == "__main__":
    main()
