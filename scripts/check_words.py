"""Fail if code or documentation uses words that this project has replaced with plainer ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Each pattern with what to write instead. CONTRIBUTING.md has the glossary.
REPLACED = {
    r"tells? (of|nobody|whether|who|which)|\btold\b": "report, return, notify",
    r"(?<![Tt]here )\b(is|are|be) no (?!longer|other|more|such|single)[a-z]+": "is not, missing, invalid",
    r"\b(bears?|borne)\b": "tolerate, allow, retry",
    r"\b(somebody|whom)\b": "a contact, who",
    r"\b(mends?|mended|heals?)\b": "fix; permanent, transient",
    r"\bin vain\b": "time out",
    r"\bat once\b": "immediately, at the same time",
    r"(?<!ast\.)\b(walks?|walked)\b": "pass, read",
    r"\bbudgets?\b": "rate limit",
    r"\bbeside\b": "next to, in addition to",
    r"\bthe try before\b": "the previous attempt",
    r"\bas wanted\b": "up to date",
}
SUFFIXES = {".py", ".md", ".toml", ""}
EXEMPT = {"scripts/check_words.py", "LICENSE"}


def main() -> None:
    """Print every line with a replaced word."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    found = 0
    for name in listed.stdout.split("\n"):
        path = ROOT / name
        if name in EXEMPT or path.suffix not in SUFFIXES or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for pattern, instead in REPLACED.items():
                if match := re.search(pattern, line, re.IGNORECASE):
                    found += 1
                    print(f"{name}:{number}: {match.group(0)!r}; write: {instead}")
    if found:
        sys.exit(f"{found} lines use words that this project has replaced.")


if __name__ == "__main__":
    main()
