"""Time limits of patterns that others wrote.

The built-in patterns take linear time and run where they are called. Anybody else's pattern runs
against a clock. In the main thread that is an alarm, which also ends a catastrophic regular
expression; elsewhere a thread, which can be left behind but not ended, and not even left while it
holds the interpreter. With ``parallel_extraction`` it is a process, which can be killed whatever it
does: see docs/decisions/0010-time-limits.md.
"""

from __future__ import annotations

import contextvars
import math
import signal
import threading
from typing import Any, Final

from crossmodel.domain.insight import Insight
from crossmodel.errors import ExtractionTimeoutError
from crossmodel.extraction.patterns import ExtractionPattern
from crossmodel.extraction.reading import READING
from crossmodel.extraction.worker import Worker

_RING_AGAIN_SECONDS: Final = 1.0
"""A pattern may swallow the first alarm: ``except:`` does."""


class Clock:
    """Runs patterns that others wrote, each against its time limit."""

    def __init__(self) -> None:
        self._worker = Worker()
        self._given_up: dict[str, ExtractionPattern] = {}

    def run(
        self,
        name: str,
        pattern: ExtractionPattern,
        text: str,
        context: dict[str, Any],
        *,
        seconds: float,
        in_process: bool = False,
    ) -> list[Insight]:
        """What the pattern finds.

        Raises:
            ExtractionTimeoutError: if it takes longer than ``seconds``.
            Exception: whatever the pattern raises; from a process, an ``ExtractionError``.
        """
        if math.isinf(seconds):
            return list(pattern.extract(text, context))
        seconds = min(seconds, threading.TIMEOUT_MAX)
        if in_process:
            sent = {key: value for key, value in context.items() if key != READING}
            return list(self._worker.call(_extract, pattern, text, sent, seconds=seconds))
        if _may_set_alarm():
            return _run_with_alarm(pattern, text, context, seconds)
        if self._given_up.get(name) is pattern:
            raise ExtractionTimeoutError("not asked again, since it took too long before")
        try:
            return _run_in_thread(pattern, text, context, seconds)
        except ExtractionTimeoutError:
            self._given_up[name] = pattern
            raise

    def close(self) -> None:
        """End the process, if there is one; safe to call twice."""
        self._worker.close()


class _TimeUpError(BaseException):
    """Raised in the middle of a pattern; no ``except Exception`` of its own may swallow it."""


def _may_set_alarm() -> bool:
    """Whether this is the main thread, and nobody else in the program uses the alarm."""
    return (
        hasattr(signal, "setitimer")  # not on Windows
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    )


def _run_with_alarm(
    pattern: ExtractionPattern, text: str, context: dict[str, Any], seconds: float
) -> list[Insight]:
    """Interrupted when the time is over: Python's signals reach every loop in Python.

    Its engine of regular expressions looks for them too. Only code in C that never does goes on.
    """

    def ring(*_: object) -> None:
        raise _TimeUpError

    try:
        try:
            signal.signal(signal.SIGALRM, ring)
            signal.setitimer(signal.ITIMER_REAL, seconds, _RING_AGAIN_SECONDS)
            return list(pattern.extract(text, context))
        finally:
            _silence()
    except _TimeUpError:
        raise ExtractionTimeoutError(f"timed out after {seconds:g} s") from None
    finally:
        _silence()  # it may have rung in the middle of the first time


def _silence() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _run_in_thread(
    pattern: ExtractionPattern, text: str, context: dict[str, Any], seconds: float
) -> list[Insight]:
    """Left behind when the time is over: the thread goes on, and ends with the program at last."""
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


def _extract(pattern: ExtractionPattern, text: str, context: dict[str, Any]) -> list[Insight]:
    return list(pattern.extract(text, context))
