"""Calls that may never return, in threads that hold nobody up: not even the end of the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def call_in_thread(call: Callable[[], T], *, name: str) -> Future[T]:
    """Begin a call in a daemon thread of its own.

    An executor would not do: it waits for its threads when the process ends, and one that hangs
    would keep the process alive.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
