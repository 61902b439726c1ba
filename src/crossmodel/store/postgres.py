"""PostgreSQL with pgvector: one writer at a time over all processes, snapshots beside it.

A transaction that writes begins by taking the database's advisory lock, so that everything it reads
stays true until it commits, as on SQLite: the log's next index, sums, and which insights are known.
What shares a commit (:mod:`crossmodel.store.group`) shares the lock. The case for it, with figures,
is decision 0029.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final, Self

import psycopg
import sqlalchemy as sa
from psycopg import conninfo
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import exc
from sqlalchemy.pool import QueuePool

from crossmodel.errors import ConfigurationError, InvalidInputError, StoreError
from crossmodel.store import marks, pgvectors
from crossmodel.store.base import SqlStore, refuse_text
from crossmodel.store.fulltext import WordIndex
from crossmodel.store.migration import migrate
from crossmodel.store.notices import Notices
from crossmodel.store.search import SearchIndex
from crossmodel.store.tsvector import TsvectorTables

logger = logging.getLogger(__name__)

OLDEST: Final = 150_000
"""The first version of the server that is supported: 15."""

READERS: Final = 4
"""Connections of one process that read; one more writes, and one more hears of changes."""

LOCK: Final = 0x63726D64
"""The advisory lock of whoever writes, in the database's own number space."""

BUSY_SECONDS: Final = 30
"""How long a writer waits for another one, and how long one may keep others waiting idly: a process
that was stopped in the middle loses its transaction."""

RECONNECT_SECONDS: Final = 5.0
"""How long a store that was open looks for its server, while that starts again or another takes
over, before a work is refused."""

RETRY_SECONDS: Final = 0.1

ADVICE: Final = {
    "42501": "grant the user its rights on the database's schema",
    "25006": "whoever writes must write in transact, not in read; a standby only reads: name a "
    "primary, for instance with target_session_attrs=read-write",
    "53100": "free some space; nothing that was acknowledged is lost",
    "53300": f"raise max_connections: a process takes up to {READERS + 2}",
    "55P03": f"another process has written for {BUSY_SECONDS} s: stop that one, or try again",
    "25P03": "this process was stopped for so long that others went on without it: try again",
    "57P01": "the server was stopped: it is looked for again with the next call",
    "58P01": "install pgvector on the server",
    "0A000": "install pgvector 0.8 or newer on the server",
    "42704": "install pgvector 0.8 or newer on the server",
}
"""What to do, by the SQLSTATE (PostgreSQL's manual, appendix A)."""

SCRUBBED: Final = (
    "insights", "insight_words", "insight_vectors", "insight_evidence", "insight_links",
    "insight_keys", "sources", "commitments", "transfers", "judgements", "playbook_items",
)  # fmt: skip
"""Tables that hold what people wrote, or words of it."""


class PostgresStore(SqlStore):
    """The port ``Store`` on a PostgreSQL server, shared by any number of processes."""

    @classmethod
    async def open(cls, url: str, *, embedder: str | None = None) -> Self:
        """Open ``postgresql://…`` with its schema up to date; the URL is one of libpq.

        Several hosts are tried in turn, and ``target_session_attrs=read-write`` finds the one that
        is the primary: https://www.postgresql.org/docs/current/libpq-connect.html.

        Raises:
            InvalidInputError: if there is no embedder of that name.
            ConfigurationError: if the URL is none.
            StoreError: if the server cannot be reached or used, or the store is newer than this
                version.
        """
        vectors = pgvectors.PgVectorIndex(embedder) if embedder is not None else None
        store = cls(Connector(url), vectors)
        await store._open(lambda: store._prepare(vectors))
        store._connector.patience = RECONNECT_SECONDS
        return store

    def __init__(self, connector: Connector, vectors: pgvectors.PgVectorIndex | None) -> None:
        self._connector = connector
        self._notices = Notices(connector.info)
        super().__init__(
            connect(connector, writes=True),
            connect(connector, writes=False).execution_options(reading=True),
            SearchIndex(WordIndex(TsvectorTables()), vectors),
            vectors,
            readers=READERS,
        )

    async def wait_for_change(self, seconds: float) -> None:
        """Wait for a notice, on a connection that does nothing else."""
        await self._notices.wait(seconds)

    async def close(self) -> None:
        """Let go of the server; safe to call twice."""
        await self._notices.close()
        await super().close()

    async def scrub(self) -> bool:
        """Let the server forget the rows that are gone, by VACUUM.

        Their bytes lose their place then, and are overwritten as pages fill; copies in the server's
        write-ahead log, its archives, backups and standbys go as those do. False if the database
        would not have it just now.
        """
        return await self._run(self._writing, self._scrub)

    def _prepare(self, vectors: pgvectors.PgVectorIndex | None) -> None:
        with self._explained(), self._writer.begin() as connection:
            check_server(connection)
            migrate(connection)
            pgvectors.check_version(connection)
            if marks.get_mark(connection, marks.MOVING) is not None:
                raise StoreError(
                    f"{self._connector.place}: a store is moving here and is not whole yet: run "
                    "crossmodel migrate again, which goes on where it was"
                )
            if vectors is not None:
                vectors.prepare(connection)
            owed = marks.get_mark(connection, marks.SCRUB)
        if not self._connector.knows_vectors:  # this connection was made before there were any
            self._writer.dispose()
        if owed is not None:
            self._scrub()

    def _scrub(self) -> bool:
        with self._explained(), self._writer.begin() as connection:
            owed = marks.get_mark(connection, marks.SCRUB)
        try:
            outside = self._writer.execution_options(isolation_level="AUTOCOMMIT")
            with outside.connect() as connection:
                connection.exec_driver_sql(f"VACUUM {', '.join(SCRUBBED)}")
        except exc.DBAPIError as error:
            logger.warning("erased rows are not vacuumed yet: %s", self._describe(error))
            return False
        if owed is not None:
            with self._explained(), self._writer.begin() as connection:
                marks.settle_scrub(connection, owed)
        return True

    def _describe(self, error: exc.DBAPIError) -> str:
        return describe(error.orig, self._connector.place)


class Connector:
    """Makes connections to one server; errors name the place and never the password.

    Attributes:
        info: what libpq connects by; the password may be in it.
        place: host and database, for people.
        patience: seconds for which a server that is away is looked for.
        knows_vectors: whether the last connection found pgvector's types in the database.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = conninfo_to_dict(url)
        except psycopg.ProgrammingError:  # what it says quotes the URL, and the password with it
            raise ConfigurationError(
                "this is no PostgreSQL URL: postgresql://USER@HOST:PORT/DATABASE, with what is "
                "special in names and passwords percent-encoded",
                path="store.url",
            ) from None
        defaults: dict[str, Any] = {
            "application_name": "crossmodel",
            "connect_timeout": 10,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        }
        self.info = conninfo.make_conninfo(**(defaults | dict(parts)))
        host, name = parts.get("host") or "this machine", parts.get("dbname") or "its database"
        self.place = f"PostgreSQL, {name} on {host}"
        self.patience = 0.0
        self.knows_vectors = False

    def __call__(self) -> psycopg.Connection[Any]:
        """A new connection."""
        give_up = time.monotonic() + self.patience
        while True:
            try:
                return psycopg.connect(self.info)
            except psycopg.OperationalError:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(RETRY_SECONDS)


def describe(error: BaseException | None, place: str) -> str:
    """What the server says and what to do, without what the rows held."""
    diagnosis = getattr(error, "diag", None)
    said = getattr(diagnosis, "message_primary", None) or str(error).strip()
    advice = ADVICE.get(getattr(error, "sqlstate", None) or "", "")
    return f"{place}: {said}; {advice}" if advice else f"{place}: {said}"


def connect(connector: Connector, *, writes: bool) -> sa.Engine:
    """Connections that write, one at a time over all processes; or that read snapshots."""
    # pre_ping: a server that was started again is found before a work is begun
    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=connector,
        poolclass=QueuePool,
        pool_size=1 if writes else READERS,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: psycopg.Connection[Any], _record: Any) -> None:
        connection.autocommit = True
        connector.knows_vectors = pgvectors.session(connection)
        if writes:
            _configure_writer(connection)
        connection.autocommit = False
        connection.read_only = not writes
        if not writes:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

    if writes:

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: sa.Connection) -> None:
            if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")

    sa.event.listen(engine, "handle_error", _refuse_values)
    return engine


def _refuse_values(context: sa.ExceptionContext) -> None:
    """What the database cannot hold is the caller's mistake, not the store's."""
    error = context.original_exception
    refuse_text(error)
    if isinstance(error, psycopg.errors.NumericValueOutOfRange):
        raise InvalidInputError("a whole number does not fit in 64 bits") from None
    if isinstance(error, psycopg.DataError):
        said = error.diag.message_primary or str(error)
        raise InvalidInputError(f"a value cannot be kept: {said}") from None


def _configure_writer(connection: psycopg.Connection[Any]) -> None:
    milliseconds = f"{BUSY_SECONDS * 1000}"
    for name in ("lock_timeout", "idle_in_transaction_session_timeout"):
        connection.execute("SELECT set_config(%s, %s, false)", (name, milliseconds))
    # what is acknowledged is durable, whatever the server is set to; more than that may stay
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') IN ('off', 'local')"
    )


def check_server(connection: sa.Connection) -> None:
    """Make sure that the server and the database can do what is asked of them.

    Raises:
        StoreError: if they cannot.
    """
    version = int(connection.exec_driver_sql("SHOW server_version_num").scalar() or 0)
    if version < OLDEST:
        raise StoreError(f"the server is PostgreSQL {version // 10_000}: 15 or newer is needed")
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise StoreError(f"the database keeps text as {encoding}: create one with ENCODING 'UTF8'")
    if connection.exec_driver_sql("SHOW fsync").scalar() != "on":
        logger.warning("the server runs with fsync off: a crash of its machine loses records")
