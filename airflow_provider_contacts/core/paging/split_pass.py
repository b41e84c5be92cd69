"""A pass that follows several cursors in parallel, one for each value of a filter.

The next page of a cursor cannot be requested ahead, but the pages of different cursors can.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from airflow_provider_contacts.core.paging.cursors import CursorPass
from airflow_provider_contacts.core.paging.page import Item, Page, Params, Pass


class SplitPass(Pass):
    """A pass with one cursor for each value of a filter.

    :param param: the filter.
    :param passes: a pass for each of its values.
    """

    def __init__(self, param: str, passes: Mapping[str, CursorPass]) -> None:
        self._param = param
        self._idle = deque(passes.items())
        self._in_flight: deque[tuple[str, CursorPass]] = deque()

    def next_params(self, in_flight: int) -> Params | None:
        """Return the parameters of the next page, or None if it has to wait."""
        if not self._idle:
            return None
        value, cursor = self._idle.popleft()
        self._in_flight.append((value, cursor))
        return {self._param: value, **(cursor.next_params(0) or {})}

    def update(self, page: Page[Item], new_records: int) -> None:
        """Process the next page. Pages arrive in the order in which they were requested."""
        value, cursor = self._in_flight.popleft()
        cursor.update(page, new_records)
        if not cursor.done:
            self._idle.append((value, cursor))
        self.done = not self._idle and not self._in_flight
