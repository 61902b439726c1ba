"""Time limits of patterns that others wrote.

The built-in patterns take linear time and run where they are called. Anybody else's pattern runs
against a clock: in a thread, or with ``parallel_extraction`` in a process. A thread that has run
out of its time cannot be ended, so it is left behind and its pattern is not asked again; a thread
that holds the interpreter (a catastrophic regular expression does) cannot even be left. A process
can be killed at any time: see docs/decisions/0010-time-limits.md.
"""

from __future__ import annotations

import contextvars
import threading
from typing import Any

from crossmodel.domain.insight import Insight
from crossmodel.errors import ExtractionTimeoutError
from crossmodel.extraction.patterns import ExtractionPattern
from crossmodel.extraction.reading import READING
from crossmodel.extraction.worker import Worker


def run_in_thread(
    pattern: ExtractionPattern, text: str, context: dict[str, Any], seconds: float
) -> list[Insight]:
    """What the pattern finds, unless it takes longer than ``seconds``.

    Raises:
        ExtractionTimeoutError: if it does; its thread goes on, and ends with the program at last.
        Exception: whatever the pattern raises.
    """
    found: list[Insight] = []
    raised: list[Exception] = []

    def run() -> None:
        try:
            found.extend(pattern.extract(text, context))
        except Exception as error:  # noqa: BLE001 - handed on to the caller
            raised.append(error)

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(run,), daemon=True, name="crossmodel-pattern"
    )
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise ExtractionTimeoutError(f"timed out after {seconds:g} s")
    if raised:
        raise raised[0]
    return found


def run_in_process(
    worker: Worker, pattern: ExtractionPattern, text: str, context: dict[str, Any], seconds: float
) -> list[Insight]:
    """The same in a process, which is killed when the time is over.

    Raises:
        ExtractionTimeoutError: if it takes longer than ``seconds``.
        ExtractionError: if the pattern raises something, or cannot be sent.
    """
    sent = {name: value for name, value in context.items() if name != READING}
    found: list[Insight] = worker.call(_extract, pattern, text, sent, seconds=seconds)
    return found


def _extract(pattern: ExtractionPattern, text: str, context: dict[str, Any]) -> list[Insight]:
    return list(pattern.extract(text, context))
