"""Whether verification holds: the log as it is, and copies of it that somebody has edited."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from crossmodel.assembly import CrossModel
from crossmodel.auditing import verify_evidence
from crossmodel.domain.witness import VerificationReport
from crossmodel.settings import Settings, StoreSettings
from crossmodel.witness.log import leaf_hash


@dataclass(frozen=True, slots=True)
class Tampering:
    """One edit of a copy, and what verification said to it."""

    name: str
    report: VerificationReport

    @property
    def is_caught(self) -> bool:
        """Whether the edit was noticed."""
        return not self.report.is_valid

    @property
    def caught_by(self) -> str:
        """The step that noticed, and what it said."""
        last = self.report.steps[-1] if self.report.steps else None
        return f"step {last.number}: {last.detail}" if last and self.is_caught else "nothing"


async def tamper_with_log(settings: Settings, database: Path, leaf: int) -> list[Tampering]:
    """Edit copies of a SQLite store's log at one record, and verify each copy.

    The copies stand beside ``database`` and are removed afterwards.
    """
    found = []
    for name, edit in _EDITS.items():
        copy = database.with_name(f"{database.stem}-tampered.db")
        _copy(database, copy)
        try:
            with closing(sqlite3.connect(copy)) as db, db:
                edit(db, leaf)
            store = StoreSettings(f"sqlite:///{copy}")
            copied = replace(settings, store=store)
            async with CrossModel(copied, with_models=False) as cm:
                found.append(Tampering(name, await cm.verify()))
        finally:
            _remove(copy)
    return found


def tamper_with_evidence(evidence: bytes, trust: bytes) -> Tampering:
    """Change one digit of the statement in an evidence file, and verify the file."""
    fields = json.loads(evidence)
    forged = _one_digit_changed(base64.b64decode(fields["statement"]))
    fields["statement"] = base64.b64encode(forged).decode()
    report = verify_evidence(json.dumps(fields).encode(), trust=trust)
    return Tampering("one digit changed in the evidence file", report)


def _one_digit_changed(statement: bytes) -> bytes:
    """The first digit after a colon, where values stand, made another one."""
    position = next(
        at
        for at in range(1, len(statement))
        if statement[at : at + 1].isdigit() and statement[at - 1 : at] == b":"
    )
    digit = b"1" if statement[position : position + 1] != b"1" else b"2"
    return statement[:position] + digit + statement[position + 1 :]


def _edit_record(db: sqlite3.Connection, leaf: int) -> bytes:
    where = 'WHERE "index" = ?'
    (statement,) = db.execute(f"SELECT statement FROM log_leaves {where}", (leaf,)).fetchone()  # noqa: S608 - a constant
    forged = _one_digit_changed(statement)
    db.execute(f"UPDATE log_leaves SET statement = ? {where}", (forged, leaf))  # noqa: S608 - a constant
    return forged


def _edit_record_and_hash(db: sqlite3.Connection, leaf: int) -> None:
    forged = _edit_record(db, leaf)
    where = 'WHERE "index" = ?'
    (kind,) = db.execute(f"SELECT payload_type FROM log_leaves {where}", (leaf,)).fetchone()  # noqa: S608 - a constant
    digest = leaf_hash(kind, forged)
    db.execute(f"UPDATE log_leaves SET leaf_hash = ? {where}", (digest, leaf))  # noqa: S608 - a constant


def _cut_tail(db: sqlite3.Connection, _leaf: int) -> None:
    db.execute('DELETE FROM log_leaves WHERE "index" = (SELECT MAX("index") FROM log_leaves)')


_EDITS: dict[str, Callable[[sqlite3.Connection, int], object]] = {
    "one digit changed in a record": _edit_record,
    "one digit changed, and its hash made to fit": _edit_record_and_hash,
    "the last record removed": _cut_tail,
}


def _copy(database: Path, copy: Path) -> None:
    """A copy of a database that may be in use."""
    _remove(copy)
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def _remove(database: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
