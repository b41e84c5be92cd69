"""Progress lines."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.core import logs
from airflow_provider_contacts.core.logs import ProgressLog


class Lines:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, msg: str, /, *args: object) -> None:
        self.lines.append(msg % args)

    warning = error = info


def test_nothing_is_logged_in_the_first_ten_seconds() -> None:
    log = Lines()
    ProgressLog(log, "Read %d%s, %.0f per second.").update(5, 10)
    assert log.lines == []


@pytest.mark.parametrize(("total", "said"), [(None, "Read 5, "), (10, "Read 5 of 10, ")])
def test_line_names_count_and_total(total: int | None, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_SECONDS_BETWEEN_LINES", 0.0)
    log = Lines()
    ProgressLog(log, "Read %d%s, %.0f per second.").update(5, total)
    [line] = log.lines
    assert line.startswith(said)
