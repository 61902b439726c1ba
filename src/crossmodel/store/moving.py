"""A store's rows on their way from SQLite to PostgreSQL.

Each table is read on both sides in the order of its keys, and the new side is given what it lacks.
So a move that was broken off goes on where it was, and the same reading proves in the end that
nothing differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

import psycopg
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import QueuePool

from crossmodel.errors import InvalidInputError, StoreError
from crossmodel.ports import LogTransaction
from crossmodel.store import marks, pgvectors, postgres, schema, sealing, sqlite
from crossmodel.store.differences import Row, differences
from crossmodel.store.log import LogTables
from crossmodel.store.migration import migrate
from crossmodel.store.raw_tables import TABLES, RawTable
from crossmodel.text.embedding import embedder_name

BATCH: Final = 1_000
"""Rows that are written in one transaction."""

SOLE: Final = postgres.LOCK + 1
"""The advisory lock of whoever moves a store into a database."""

Progress = Callable[[str, int], None]
"""Told which table is under way, and how many of its rows were read."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What one copy has found, by table.

    Attributes:
        rows: how many rows the old store has.
        written: how many of them the new store lacked, or had otherwise.
        removed: how many the new store had that the old one has not.
    """

    rows: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)


class Move:
    """One move. Both stores stay as they are until something is called.

    Args:
        path: the SQLite file.
        url: the database on a PostgreSQL server.
        progress: told how far it has come.

    Raises:
        ConfigurationError: if the URL is none.
        StoreError: if there is no such file.
    """

    def __init__(self, path: Path, url: str, progress: Progress = lambda *_: None) -> None:
        if not path.is_file():
            raise StoreError(f"cannot read {path}: there is no such file")
        self._path = path
        self._progress = progress
        self._old = sqlite.connect(str(path), QueuePool)
        self._connector = postgres.Connector(url)
        self._new = postgres.connect(self._connector, writes=True)
        self._reader = postgres.connect(self._connector, writes=False)
        self._sole: psycopg.Connection[Any] | None = None

    @property
    def place(self) -> str:
        """Where the store moves: host and database, for people."""
        return self._connector.place

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._sole is not None:
            self._sole.close()
        for engine in (self._old, self._reader, self._new):
            engine.dispose()

    def begin(self) -> bool:
        """Make ready, or go on; False if the move was finished before.

        Raises:
            StoreError: if either side cannot be used: it is in use for something else, or somebody
                is at the same move.
        """
        with self._explained(), self._old.begin() as connection:
            moved_to = sealing.moved_to(connection)
            if moved_to not in {None, self.place}:
                raise StoreError(f"{self._path} has moved already, to {moved_to}")
            if moved_to is None:
                migrate(connection)
        with self._explained():
            self._be_alone()
            with self._new.begin() as connection:
                postgres.check_server(connection)
                migrate(connection)
                pgvectors.check_version(connection)
                if not self._make_room(connection, has_moved=moved_to is not None):
                    return False
            self._new.dispose()  # that connection was made before there were vectors
        return True

    def copy(self) -> Copied:
        """Let the new store have what the old one has now."""
        copied = Copied()
        with self._snapshot() as old:
            for table in reversed(TABLES):
                self._take_out(old, table, copied)
            for table in TABLES:
                self._put_in(old, table, copied)
        return copied

    def make_ready(self) -> None:
        """Build the graphs of vectors, and let the server learn what the tables are like."""
        with self._explained():
            with self._new.begin() as connection:
                for name, dimensions in connection.execute(_EMBEDDERS).all():
                    pgvectors.make_graph(connection, embedder_name(name), dimensions)
            outside = self._new.execution_options(isolation_level="AUTOCOMMIT")
            with outside.connect() as connection:
                connection.exec_driver_sql("ANALYZE")

    def seal(self, last: Callable[[LogTransaction], bool]) -> bool:
        """Let nobody write the old store from now on, once ``last`` has done so; whether it would.

        Again is no error, and nothing is written then.
        """
        with self._explained(), self._old.begin() as connection:
            if sealing.moved_to(connection) is None:
                if not last(LogTables(connection)):
                    return False
                sealing.seal(connection, self.place)
        return True

    def unseal(self) -> None:
        """Let the old store be written again."""
        with self._explained(), self._old.begin() as connection:
            sealing.unseal(connection)

    def compare(self, copied: Copied) -> None:
        """Read once more what the last copy has changed; of other tables it has read all alike.

        Raises:
            StoreError: if a row differs.
        """
        changed = copied.written + copied.removed
        with self._snapshot() as old, self._there() as new:
            for table in [table for table in TABLES if changed[table.name]]:
                rows = self._counted(table, old, Counter())
                with closing(table.rows(new)) as theirs:
                    if next(differences(rows, theirs, table.key), None) is not None:
                        raise StoreError(
                            f"the table {table.name} is not the same in {self.place}: something "
                            "else has written there; begin again with an empty database"
                        )

    @contextmanager
    def old_log(self) -> Iterator[LogTransaction]:
        """The log as the old store has it."""
        with self._snapshot() as connection:
            yield LogTables(connection)

    @contextmanager
    def new_log(self) -> Iterator[LogTransaction]:
        """The log as the new store has it."""
        with self._there() as connection:
            yield LogTables(connection)

    def finish(self) -> None:
        """Open the new store to everybody."""
        with self._explained(), self._new.begin() as connection:
            for counter in _COUNTERS:
                connection.execute(counter)
            marks.set_mark(connection, marks.MOVING, None)

    def _be_alone(self) -> None:
        self._sole = self._connector()
        self._sole.autocommit = True
        got = self._sole.execute("SELECT pg_try_advisory_lock(%s)", [SOLE]).fetchone()
        if got is None or not got[0]:
            raise StoreError(f"{self.place}: a move into this database is under way already")

    def _make_room(self, connection: sa.Connection, *, has_moved: bool) -> bool:
        """Keep everybody else out of the new store; False if it is in use after a move that ended.

        Raises:
            StoreError: if it is another store.
        """
        if marks.get_mark(connection, marks.MOVING) is not None:
            return True
        used = next((table.name for table in TABLES if _is_used(connection, table)), None)
        if used is None:
            marks.set_mark(connection, marks.MOVING, 1)
        elif not has_moved:
            raise StoreError(
                f"{self.place}: there is something in its table {used} already; a store moves into "
                "a database without one"
            )
        return used is None

    def _take_out(self, old: sa.Connection, table: RawTable, copied: Copied) -> None:
        """What the old store has no more, or under another key."""
        with self._there() as new:
            if table.is_empty(new):
                return
            names = table.identifying
            both = differences(table.rows(old, names), table.rows(new, names), table.key)
            for batch in _batches(there[: table.key] for _, there in both if there is not None):
                with self._new.begin() as connection:
                    table.delete(connection, batch)
                copied.removed[table.name] += len(batch)

    def _put_in(self, old: sa.Connection, table: RawTable, copied: Copied) -> None:
        with self._there() as new, self._explained(f"the table {table.name}: "):
            rows = self._counted(table, old, copied.rows)
            both = differences(rows, table.rows(new), table.key)
            for batch in _batches(here for here, _ in both if here is not None):
                with self._new.begin() as connection:
                    table.put(connection, batch)
                copied.written[table.name] += len(batch)

    def _counted(self, table: RawTable, old: sa.Connection, counts: Counter[str]) -> Iterator[Row]:
        for row in table.rows(old):
            counts[table.name] += 1
            if counts[table.name] % BATCH == 0:
                self._progress(table.name, counts[table.name])
            yield row

    @contextmanager
    def _snapshot(self) -> Iterator[sa.Connection]:
        """The old store at one moment."""
        with self._explained(), self._old.execution_options(reading=True).begin() as connection:
            yield connection

    @contextmanager
    def _there(self) -> Iterator[sa.Connection]:
        """The new store at one moment."""
        with self._explained(), self._reader.execution_options(reading=True).begin() as connection:
            yield connection

    @contextmanager
    def _explained(self, where: str = "") -> Iterator[None]:
        """Either database's errors as ours."""
        try:
            yield
        except InvalidInputError as error:
            raise InvalidInputError(f"{where}{error}") from None
        except exc.DBAPIError as error:
            if isinstance(error.orig, psycopg.Error):
                raise StoreError(where + postgres.describe(error.orig, self.place)) from None
            raise StoreError(where + sqlite.describe(error, str(self._path))) from None
        except psycopg.Error as error:
            raise StoreError(where + postgres.describe(error, self.place)) from None


_EMBEDDERS: Final = sa.text(
    "SELECT embedder, max(vector_dims(vector)) FROM insight_vectors GROUP BY embedder"
)


_COUNTERS: Final = [
    sa.text(
        f"SELECT setval(pg_get_serial_sequence('{table}', 'seq'), "  # noqa: S608 - our own names
        f"coalesce(max(seq), 1), max(seq) IS NOT NULL) FROM {table}"
    )
    for table in ("insights", "outcomes")
]
"""Let the database count on from where the other one was."""


def _is_used(connection: sa.Connection, table: RawTable) -> bool:
    """Whether somebody has written there: a new store has a mark already."""
    return table.name != schema.marks.name and not table.is_empty(connection)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while batch := list(islice(rest, BATCH)):
        yield batch
