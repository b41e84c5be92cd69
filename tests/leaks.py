"""All text that a logger could show of an error."""

from __future__ import annotations


def everything_about(error: BaseException) -> str:
    """Return all text that a logger could find in an exception and in those behind it."""
    shown, seen, waiting = [], set(), [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        shown += [repr(one), str(one), repr(vars(one)), repr(getattr(one, "object", ""))]
        waiting.append(one.__cause__)  # type: ignore[arg-type]
        if not one.__suppress_context__:
            waiting.append(one.__context__)  # type: ignore[arg-type]
    return "\n".join(shown)
