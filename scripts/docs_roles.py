"""Show Sphinx roles and literal blocks of docstrings in the documentation site."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|meth|func|mod|attr|exc):`(~?)([^`<>]+?)`")
# Text that ends with two colons, and the indented lines after it.
_LITERAL_BLOCK = re.compile(r"::\n\n((?:[ \t]+.*\n?|\n)+)")


class Roles(griffe.Extension):
    """Replace roles by code, and literal blocks by fenced ones."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of a class, a function or a module."""
        if obj.docstring is not None:
            text = _LITERAL_BLOCK.sub(_fence, obj.docstring.value.replace("``", "`"))
            obj.docstring.value = _ROLE.sub(_name, text)


def _name(role: re.Match[str]) -> str:
    name = role[2].rpartition(".")[2] if role[1] else role[2]
    return f"`{name}`"


def _fence(block: re.Match[str]) -> str:
    lines = block[1].rstrip().splitlines()
    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    code = "\n".join(line[margin:] for line in lines)
    return f"\n\n```python\n{code}\n```\n"
