"""A store moves from a SQLite file to PostgreSQL while it is in use; every record is verified."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from crossmodel.domain.witness import VerificationReport
from crossmodel.errors import (
    ConfigurationError,
    MissingExtraError,
    VerificationError,
    WitnessError,
)
from crossmodel.settings import Settings
from crossmodel.witness import CrossModelVIF
from crossmodel.witness.signing import PATIENCE_SECONDS, POLL_SECONDS, sign_within
from crossmodel.witness.verify_log import verify_log
from crossmodel.writing import SQLITE, WriterSettings, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossmodel.store.moving import Move

__all__ = ["MoveReport", "migrate_store", "reopen_store"]

POSTGRES: Final = "postgresql://"

Progress = Callable[[str, int], None]
"""Told what is under way, and how many rows of it are done."""


@dataclass(frozen=True, slots=True)
class MoveReport:
    """How a move went.

    Attributes:
        place: where the store is now, or will be: host and database.
        is_finished: whether the new store is whole and open, and the old one closed.
        written: rows that the new store had lacked, by table.
        rows: rows that both stores have alike, by table; none unless it is finished.
        log: what verifying every record of the new store came to; ``None`` if there are none, or
            it is not finished.
        spool: the folder where records of gateways on this machine wait, if there is one:
            ``witness.spool_dir`` must name it from now on.
    """

    place: str
    is_finished: bool
    written: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    log: VerificationReport | None = None
    spool: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "place": self.place,
            "is_finished": self.is_finished,
            "written": dict(self.written),
            "rows": dict(self.rows),
            "log": None if self.log is None else self.log.to_dict(),
            "spool": self.spool,
        }


def migrate_store(
    source: str,
    target: str,
    settings: Settings,
    *,
    copy_only: bool = False,
    progress: Progress = lambda *_: None,
) -> MoveReport:
    """Move the store ``sqlite:///FILE`` to ``postgresql://…``.

    It is copied while it is in use; then it is closed to writers, the rest is copied, and all of it
    is compared and its log verified, before the new store opens. Records of gateways wait in
    their spools meanwhile. A move that was broken off goes on where it was when it is called again;
    one that fails opens the old store again.

    Args:
        source: the store that moves.
        target: a database with nothing in it, or with the part of this store that is there already.
        settings: where the log's keys are.
        copy_only: stop before the old store is closed: what is left to do then takes less time.
        progress: told how far it has come.

    Raises:
        ConfigurationError: if a URL is none of these.
        StoreError: if either store cannot be used, or they differ in the end.
        InvalidInputError: if PostgreSQL cannot hold a value: a NUL in a name, say.
        WitnessError: if the log's keys cannot be had, or its head must not be signed.
        VerificationError: if the log is not valid.
    """
    with _move(source, target, progress) as move:
        spool = WriterSettings(source, settings.witness).spool
        waiting = str(spool) if spool is not None and spool.is_dir() else None
        if not move.begin():
            return MoveReport(move.place, is_finished=True, spool=waiting)
        with move.old_log() as log:
            keys = keys_of(settings.witness, log.log_size())
        vif = CrossModelVIF(settings.cross_model_vif, keys=keys, origin=settings.witness.origin)
        written = move.copy().written
        move.make_ready()
        if copy_only:
            return MoveReport(move.place, is_finished=False, written=written, spool=waiting)
        _close(move, vif)
        try:
            rest = move.copy()
            move.compare(rest)
            report = _verify(move, vif, progress)
        except BaseException:
            move.unseal()
            raise
        move.finish()  # the last word: should it be unknown whether it came, ask again
        return MoveReport(move.place, True, written + rest.written, rest.rows, report, waiting)


def reopen_store(source: str) -> bool:
    """Let a store be written again that was closed by a move; False if it was not.

    Never do so once the new store is in use: what is written here from then on is not there.

    Raises:
        ConfigurationError: if the URL is none of a SQLite file.
        StoreError: if it cannot be opened.
    """
    from crossmodel.store.sqlite import reopen  # noqa: PLC0415 - an ORM is slow to import

    return reopen(_file(source))


def _close(move: Move, vif: CrossModelVIF) -> None:
    """Sign what the old store's log has unsigned, and let nobody write it any more."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not move.seal(lambda log: sign_within(log, vif)):
        if time.monotonic() > give_up:
            raise WitnessError(f"others have been signing the log for {PATIENCE_SECONDS:g} s")
        time.sleep(POLL_SECONDS)


def _verify(move: Move, vif: CrossModelVIF, progress: Progress) -> VerificationReport | None:
    with move.new_log() as log:
        if not log.log_size():
            return None
        report = verify_log(
            log, vif.trust_of(log), progress=lambda done, _: progress("verifying", done)
        )
    if not report.is_valid:
        refused = report.steps[-1]
        raise VerificationError(
            f"the log is not valid: {refused.name}: {refused.detail}; the store stays where it "
            "is: crossmodel verify says more"
        )
    return report


@contextmanager
def _move(source: str, target: str, progress: Progress) -> Iterator[Move]:
    path = _file(source)
    if not target.startswith(POSTGRES):
        raise ConfigurationError("a store moves to PostgreSQL: name postgresql://…", path="target")
    try:
        from crossmodel.store.moving import Move  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("a store in PostgreSQL", "postgres") from None
    with Move(path, target, progress) as move:
        yield move


def _file(source: str) -> Path:
    path = source.removeprefix(SQLITE)
    if not source.startswith(SQLITE) or path in {"", ":memory:"}:
        raise ConfigurationError("a store moves from SQLite: name sqlite:///FILE", path="source")
    return Path(path)
