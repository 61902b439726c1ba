"""The writer process: ``python -m crossmodel.writing``, told on its input what to open.

Whoever hands records over starts it where none runs; it ends by itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from crossmodel.domain.config import CrossModelVIFConfig
from crossmodel.errors import ConfigurationError, CrossModelError
from crossmodel.witness.writer import Writer, sole_writer

LOG: Final = "writer.log"
MAX_LOG_BYTES: Final = 1_000_000
SQLITE: Final = "sqlite:///"


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """What a writer process opens. The passphrase is not in it: the environment has that."""

    store_url: str
    key_dir: str
    passphrase_env: str
    origin: str
    vif: CrossModelVIFConfig = field(default_factory=CrossModelVIFConfig)

    @property
    def spool(self) -> Path:
        """The folder of the store's spool.

        Raises:
            ConfigurationError: if the store is no file.
        """
        path = self.store_url.removeprefix(SQLITE)
        if not self.store_url.startswith(SQLITE) or path in {"", ":memory:"}:
            raise ConfigurationError(
                "a writer process needs a store that is a file", path="witness.writer"
            )
        return Path(f"{path}.spool").absolute()


def start_writer(settings: WriterSettings) -> int:
    """Start a writer process that outlives this one; its number.

    What it has to say goes to ``writer.log`` in the spool.

    Raises:
        OSError: if there can be no more processes.
    """
    log = settings.spool / LOG
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.unlink(missing_ok=True)
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as told:
            told.write(msgspec.json.encode(settings))  # a pipe holds it: nobody reads yet
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", __name__],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reading, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            ],
            setsid=True,  # a terminal's Ctrl-C is for those who hand over
        )
    finally:
        os.close(reading)


async def write(settings: WriterSettings) -> None:
    """Write what the store's spool holds, until nobody can hand over any more.

    Raises:
        CrossModelError: if the store or the keys cannot be opened or used.
    """
    from crossmodel.store import open_store  # noqa: PLC0415 - not before the lock: it takes long
    from crossmodel.witness.keys import load_or_create_keys  # noqa: PLC0415 - likewise
    from crossmodel.witness.ledger import Ledger  # noqa: PLC0415 - likewise
    from crossmodel.witness.turns import write_handed_over  # noqa: PLC0415 - likewise
    from crossmodel.witness.vif import CrossModelVIF  # noqa: PLC0415 - likewise

    store = await open_store(settings.store_url)
    try:
        passphrase = os.environ.get(settings.passphrase_env) or None
        keys = load_or_create_keys(Path(settings.key_dir), passphrase=passphrase)
        vif = CrossModelVIF(settings.vif, keys=keys, origin=settings.origin)
        ledger = Ledger(vif, store)
        apply = partial(write_handed_over, vif=vif)
        await Writer(settings.spool, store, apply, ledger.checkpoint).run()
    finally:
        await store.close()


def main(told: bytes | None = None) -> int:
    """Be the writer, unless there is one; 0 unless something went wrong."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    data = sys.stdin.buffer.read() if told is None else told
    settings = msgspec.json.decode(data, type=WriterSettings)
    with sole_writer(settings.spool) as is_mine:
        if is_mine:
            try:
                asyncio.run(write(settings))
            except CrossModelError as error:
                logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - it says it all
                return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
