"""Fail if a file does not end with exactly one line break."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Check the files that are named on the command line."""
    wrong = []
    for name in sys.argv[1:]:
        content = Path(name).read_bytes()
        if content and (not content.endswith(b"\n") or content.endswith(b"\n\n")):
            wrong.append(name)
    if wrong:
        sys.exit(f"These files do not end with exactly one line break: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
