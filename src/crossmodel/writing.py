"""The writer process: ``python -m crossmodel.writing``, told on its input what to open.

Whoever hands records over starts it where none runs; it ends by itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from crossmodel.domain.config import CrossModelVIFConfig
from crossmodel.errors import ConfigurationError, CrossModelError, WitnessError
from crossmodel.ports import Store
from crossmodel.settings import WitnessSettings

if TYPE_CHECKING:
    from crossmodel.witness import FolderKeyring, KeyPair
    from crossmodel.witness.handing_over.batches import Batches
    from crossmodel.witness.handing_over.handover import Handover
    from crossmodel.witness.handing_over.writer import Writer
    from crossmodel.witness.ledger import Ledger

NICE: Final = 10
"""How much the process stands back (POSIX nice): who answers requests comes first, and what waits
to be written is safe in the spool."""

LOG: Final = "writer.log"
MAX_LOG_BYTES: Final = 1_000_000
SQLITE: Final = "sqlite:///"


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """What a writer process opens. Passphrases are not in it: the environment has them."""

    store_url: str
    witness: WitnessSettings
    vif: CrossModelVIFConfig = field(default_factory=CrossModelVIFConfig)

    @property
    def spool(self) -> Path | None:
        """The folder of the store's spool; ``None`` if there is none."""
        if self.witness.spool_dir:
            return Path(self.witness.spool_dir).absolute()
        path = self.store_url.removeprefix(SQLITE)
        if not self.store_url.startswith(SQLITE) or path in {"", ":memory:"}:
            return None
        return Path(f"{path}.spool").absolute()


def keys_of(witness: WitnessSettings, records: int = 0) -> KeyPair | FolderKeyring:
    """The keys of the folder, which may be rotated, or those that the settings name elsewhere.

    They are made only for a log without ``records``: to one that has some, new keys are a
    stranger's, and everything that was signed would look forged.

    Raises:
        WitnessError: if they cannot be had, or the log has records and its key folder is gone.
    """
    if records and _lacks_folder(witness):
        raise WitnessError(
            f"the log has {records} records, and there is no key folder {witness.key_dir}: "
            "restore it, or name it in witness.key_dir; crossmodel verify FILE --trust KEYS "
            "needs none"
        )
    if not witness.rsa_signer and not witness.ed25519_signer:
        return folder_keyring(witness)
    from crossmodel.witness import KeyPlace, open_keys  # noqa: PLC0415 - not before the lock

    def place(uri: str, public_key: str) -> KeyPlace:
        return KeyPlace(uri, Path(public_key) if public_key else None)

    return open_keys(
        Path(witness.key_dir),
        passphrase=os.environ.get(witness.passphrase_env) or None,
        rsa=place(witness.rsa_signer, witness.rsa_public_key),
        ed25519=place(witness.ed25519_signer, witness.ed25519_public_key),
    )


async def keys_for(store: Store, witness: WitnessSettings) -> KeyPair | FolderKeyring:
    """The keys of :func:`keys_of` for a store's log.

    Raises:
        WitnessError: as that does.
    """
    if not _lacks_folder(witness):
        return keys_of(witness)
    records = await store.read(lambda tx: tx.log_size())
    return keys_of(witness, records)  # another process may have made both by now


def _lacks_folder(witness: WitnessSettings) -> bool:
    return witness.needs_folder and not Path(witness.key_dir).exists()


def folder_keyring(witness: WitnessSettings) -> FolderKeyring:
    """The keys of the folder, made there if there are none."""
    from crossmodel.witness import FolderKeyring  # noqa: PLC0415 - not before the lock

    passphrase = os.environ.get(witness.passphrase_env) or None
    return FolderKeyring(Path(witness.key_dir), passphrase=passphrase)


def open_handover(settings: WriterSettings) -> Handover:
    """A way to the store's writer process, which is started where none runs.

    Raises:
        ConfigurationError: if there is no folder for a spool, or the system has no locks on files.
        WitnessError: if the spool cannot be written.
    """
    where = "witness.writer"
    root = settings.spool
    if root is None:
        raise ConfigurationError(
            "a writer process needs a store that is a file, or witness.spool_dir", path=where
        )
    try:
        from crossmodel.witness.handing_over.handover import Handover  # noqa: PLC0415 - as the error says
        from crossmodel.witness.handing_over.spool import Spool  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise ConfigurationError(f"this system cannot have one: {error}", path=where) from error
    return Handover(Spool(root), partial(start_writer, settings, root))


def batches(store: Store, ledger: Ledger) -> Batches:
    """What writes in this process where there can be no other: many turns to a transaction."""
    from crossmodel.witness.handed_over import write_handed_over  # noqa: PLC0415 - as below
    from crossmodel.witness.handing_over.batches import Batches  # noqa: PLC0415 - few need it

    return Batches(store, partial(write_handed_over, vif=ledger.vif), ledger.checkpoint)


async def write_what_is_left(settings: WriterSettings, store: Store, ledger: Ledger) -> None:
    """Write here what was handed over and never written, unless a writer process is at it."""
    root = settings.spool
    if root is None or not root.is_dir():
        return
    from crossmodel.witness.handing_over.writer import sole_writer  # noqa: PLC0415 - few ever need it

    with sole_writer(root) as is_mine:
        if is_mine:
            await _writer(root, store, ledger).run(stay=False)


async def settle_others(settings: WriterSettings, *, seconds: float) -> None:
    """Wait until what other processes have handed over by now is in the store.

    A process that was killed has left its last records to the writer: what they cost is known to
    budgets once they are written.
    """
    root = settings.spool
    if root is None:
        return
    from crossmodel.witness.handing_over.waiting import written_by  # noqa: PLC0415 - as above

    late = await written_by(root, seconds=seconds)
    if late:
        logging.getLogger(__name__).warning(
            "records of %d other processes are not written after %.0f s: budgets do not know of "
            "them yet",
            len(late),
            seconds,
        )


def start_writer(settings: WriterSettings, root: Path) -> int:
    """Start a writer process that outlives this one; its number.

    What it has to say goes to ``writer.log`` in the spool.

    Raises:
        OSError: if there can be no more processes.
    """
    log = root / LOG
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.unlink(missing_ok=True)
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as told:
            told.write(msgspec.json.encode(settings))  # a pipe holds it: nobody reads yet
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "crossmodel.writing"],
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


async def write(settings: WriterSettings, root: Path) -> None:
    """Write what the store's spool holds, until nobody can hand over any more.

    Raises:
        CrossModelError: if the store or the keys cannot be opened or used.
    """
    from crossmodel.store import open_store  # noqa: PLC0415 - not before the lock: it takes long
    from crossmodel.witness import CrossModelVIF, Ledger, settle_keys  # noqa: PLC0415 - likewise

    store = await open_store(settings.store_url)
    try:
        keys = await keys_for(store, settings.witness)
        vif = CrossModelVIF(settings.vif, keys=keys, origin=settings.witness.origin)
        await settle_keys(store, vif)
        await _writer(root, store, Ledger(vif, store)).run()
    finally:
        await store.close()


def _writer(root: Path, store: Store, ledger: Ledger) -> Writer:
    from crossmodel.witness.handed_over import write_handed_over  # noqa: PLC0415 - as above
    from crossmodel.witness.handing_over.writer import Writer  # noqa: PLC0415 - as above

    return Writer(root, store, partial(write_handed_over, vif=ledger.vif), ledger.checkpoint)


def _stand_back() -> None:
    """Let who answers requests come first, and leave its core to it where there are others."""
    os.nice(NICE)
    if hasattr(os, "SCHED_BATCH"):  # and it does not interrupt whoever answers when it wakes
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with suppress(OSError):  # on Linux sessions share the processor: autogroups in sched(7)
        Path("/proc/self/autogroup").write_text(str(NICE), "ascii")
    if hasattr(os, "sched_setaffinity"):  # who started us may be bound to a core
        with suppress(OSError):
            os.sched_setaffinity(0, range(os.cpu_count() or 1))


def main() -> int:
    """Be the writer, unless there is one; 0 unless something went wrong."""
    from crossmodel.witness.handing_over.writer import sole_writer  # noqa: PLC0415 - as above

    _stand_back()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=WriterSettings)
    root = settings.spool
    assert root is not None, "whoever started this has looked"
    with sole_writer(root) as is_mine:
        if is_mine:
            try:
                asyncio.run(write(settings, root))
            except CrossModelError as error:
                logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - it says it all
                return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
