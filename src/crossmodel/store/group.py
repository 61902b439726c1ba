"""Group commit: works that wait while one commit is under way share the next one.

To force a transaction to disk takes as long for many works as for one. Each work has a savepoint of
its own, so one that raises takes only its own changes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from crossmodel.errors import StoreError
from crossmodel.ports import Transaction

MOST_TOGETHER: Final = 256
"""Works of one transaction."""

Tell = Callable[[], object]
"""What is done once the transaction is durable: somebody is told what came of their work."""


@dataclass(frozen=True, slots=True)
class Work:
    """A work that waits, and the future through which its caller hears of it."""

    run: Callable[[Transaction], Any]
    future: Future[Any] = field(default_factory=Future)


class Waiting:
    """Works that wait for the writing thread, in their order; safe to share among threads."""

    def __init__(self) -> None:
        self._works: deque[Work] = deque()

    def add(self, work: Work) -> None:
        """Let a work wait."""
        self._works.append(work)

    def remove(self, work: Work) -> bool:
        """Let it wait no more; False if it has been taken already."""
        try:
            self._works.remove(work)
        except ValueError:
            return False
        return True

    def take(self) -> list[Work]:
        """Those to run now, without those that nobody waits for any more."""
        taken: list[Work] = []
        while self._works and len(taken) < MOST_TOGETHER:
            work = self._works.popleft()
            if work.future.set_running_or_notify_cancel():
                taken.append(work)
        return taken


def run_together(
    connection: sa.Connection,
    works: list[Work],
    run: Callable[[sa.Connection, Work], Tell],
) -> list[Tell]:
    """Run works in the connection's transaction; what to do once that is durable.

    Raises:
        StoreError: if the database has given up the whole transaction: then none has changed it.
        Exception: what a work raised that is alone.
    """
    if len(works) == 1:
        return [run(connection, works[0])]
    return [_with_savepoint(connection, work, run) for work in works]


def _with_savepoint(
    connection: sa.Connection, work: Work, run: Callable[[sa.Connection, Work], Tell]
) -> Tell:
    connection.exec_driver_sql("SAVEPOINT work")
    try:
        tell = run(connection, work)
        _check_open(connection)
        connection.exec_driver_sql("RELEASE work")
    except Exception as error:
        failed = error
        if not _is_open(connection):
            raise
        connection.exec_driver_sql("ROLLBACK TO work")
        tell = lambda: work.future.set_exception(failed)  # noqa: E731 - as short as the other
    return tell


def _check_open(connection: sa.Connection) -> None:
    if not _is_open(connection):  # a full disk ends the transaction, whoever caught the error
        raise StoreError("the database took the transaction back: nothing has changed")


def _is_open(connection: sa.Connection) -> bool:
    driver_connection = connection.connection.driver_connection
    if driver_connection is None or getattr(driver_connection, "closed", False):
        return False
    return bool(getattr(driver_connection, "in_transaction", True))
