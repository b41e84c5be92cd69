"""What a pass knows unless its kind of paging says otherwise."""

from __future__ import annotations

from airflow_provider_contacts.core.paging.page import Page, Params, Pass


class OnePage(Pass):
    """A listing of one page without a total."""

    def next_params(self, in_flight: int) -> Params | None:
        return None if self.done or in_flight else {}

    def update(self, page: Page[object], new_records: int) -> None:
        self.done = True


def test_pass_without_a_total() -> None:
    tested = OnePage()
    assert tested.next_params(0) == {}
    assert not tested.is_complete(1)
    tested.update(Page([1]), 1)
    assert tested.next_params(0) is None
    assert tested.is_complete(1)
    assert tested.total is None
    assert not tested.has_steady_total
    assert not tested.is_beyond_total
    assert not tested.has_wrong_total
