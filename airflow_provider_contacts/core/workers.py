"""Run functions in daemon threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def submit(function: Callable[[], Result], name: str) -> Future[Result]:
    """Run a function in a new daemon thread and return its future.

    The interpreter waits for the threads of a pool when it exits, so a killed task would hang on a
    slow vendor. It does not wait for daemon threads (docs/adr/0005).

    :param name: the thread's name.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
