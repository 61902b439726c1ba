"""A whole log as lines of JSON, which anyone can verify without a database.

The first line says which log it is: ``{"log", "origin", "size", "checkpoint", "trust"}``, with the
latest checkpoint and the log's own trust file (which says what the log's owner believes; a verifier
brings another copy). Then, in the log's order, one line each, without white space:

- ``{"index", "payloadType", "statement"}`` for a record, its exact bytes in base64;
- ``{"signature", "leaf", "keyid"}`` after a record, for each signature over the record itself by a
  key of the log: rotations have some, and others where ``sign_each`` was on;
- ``{"leaf", "digest", "salt", "value"}`` after a record, for what was disclosed of it;
- ``{"checkpoint"}`` after the last record that it covers, the signed note as text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

from crossmodel.domain.period import utc_now
from crossmodel.domain.witness import SignedCheckpoint, VerificationReport
from crossmodel.errors import VerificationError, WitnessError
from crossmodel.ports import Clock, LogReader, NodeAt, RawLeaf
from crossmodel.witness.checkpoint import Checkpoint
from crossmodel.witness.keys.trust import Trust
from crossmodel.witness.log import leaf_hash
from crossmodel.witness.merkle import MAX_SIZE
from crossmodel.witness.note import Note
from crossmodel.witness.steps import INVALID, Progress, Refused, Steps
from crossmodel.witness.strict import MAX_BYTES, load_base64, load_json
from crossmodel.witness.verify_log import verify_log

FORMAT: Final = "crossmodel-log/v1"
FILE: Final = "log.jsonl"
"""Its name in a folder."""

START: Final = b'{"log":'
"""How an export begins, and no evidence file does."""

ALL: Final = "all"
"""In place of digests: disclose every value that is kept."""

_RECORD: Final = b'{"index":'
_SIGNATURE: Final = b'{"signature":'
_VALUE: Final = b'{"leaf":'
_CHECKPOINT: Final = b'{"checkpoint":'

RECORDS_AT_ONCE: Final = 500
BYTES_AT_ONCE: Final = 16 * 1024 * 1024
"""Records are held until there are so many of them, or they have so many bytes."""


def export_log(
    log: LogReader,
    trust: Trust,
    write: Callable[[bytes], object],
    *,
    disclose: Collection[str] = (),
    progress: Progress = lambda _done, _total: None,
) -> int:
    """Give a log as lines to ``write``, in bounded memory; returns how many records it has.

    Args:
        log: the log, as one snapshot.
        trust: the log's own keys.
        write: takes one line at a time.
        disclose: digests whose hidden values are to be shown, or :data:`ALL`.
        progress: told how many records of how many are done.

    Raises:
        WitnessError: if a record is damaged, a value to be disclosed is not kept or too large.
    """
    latest, total = log.latest_checkpoint(), log.log_size()
    head: dict[str, Any] = {"log": FORMAT, "origin": trust.origin, "size": total}
    head["checkpoint"] = _note(latest) if latest else None
    write(_line(head | {"trust": json.loads(trust.to_json())}))
    checkpoints = log.checkpoints()
    due = next(checkpoints, None)
    values = chain.from_iterable(log.raw_values(0)) if disclose else iter(())
    value = next(values, None)
    wanted = set(disclose)
    signatures = chain.from_iterable(log.raw_signatures(0))
    signature = next(signatures, None)
    for chunk in log.raw_leaves(0):
        for leaf in chunk:
            write(_record(leaf))
            while signature is not None and signature[0] <= leaf[0]:
                if _is_of_the_log(*signature, trust):
                    write(_signature(*signature))
                signature = next(signatures, None)
            while value is not None and value[0] <= leaf[0]:
                if ALL in wanted or value[1] in wanted:
                    wanted -= {value[1]}
                    write(_disclosed(*value))
                value = next(values, None)
            while due is not None and due.size <= leaf[0] + 1:
                write(_checkpoint(due))
                due = next(checkpoints, None)
        progress(chunk[-1][0] + 1, total)
    if wanted - {ALL}:
        raise WitnessError(f"no record keeps a value behind {min(wanted - {ALL})}")
    return total


def verify_export(
    path: Path,
    trust: Trust,
    *,
    against: str | None = None,
    clock: Clock = utc_now,
    progress: Progress | None = None,
) -> VerificationReport:
    """Check an export, a file or the folder that holds it, as a log is checked, and by step 24.

    What is read is bounded in memory. Whatever is wrong is in the report.

    Raises:
        OSError: if it cannot be read.
    """
    steps = Steps()
    try:
        with steps.step(24, "the export says which log it is of") as detail:
            log = ExportedLog(path)
            detail.append(log.origin)
    except Refused as refused:
        return VerificationReport(INVALID, 0, (*steps.passed, refused.step))
    report = verify_log(log, trust, against=against, is_export=True, clock=clock, progress=progress)
    return replace(report, steps=(*steps.passed, *report.steps))


class ExportedLog:
    """The port ``LogReader`` over an export; nothing in it is believed yet.

    Each reader opens the file anew and passes over the lines of the others.

    Raises:
        OSError: if it cannot be read.
        VerificationError: if it does not begin as an export does.
    """

    def __init__(self, path: Path) -> None:
        self._path = path / FILE if path.is_dir() else path
        _, line = next(self._lines(0), (1, b""))
        head = _fields(
            1, line, {"log": str, "origin": str, "size": int, "trust": dict}, "checkpoint"
        )
        if head["log"] != FORMAT:
            raise VerificationError(f"it is of the form {head['log'][:40]!r}, not {FORMAT!r}")
        self.origin: str = head["origin"]
        self._size: int = head["size"]
        if not 0 <= self._size <= MAX_SIZE:
            raise VerificationError(f"line 1: no log has {str(self._size)[:30]} records")
        self._latest = head["checkpoint"]

    def log_size(self) -> int:
        """How many records it claims to have."""
        return self._size

    def latest_checkpoint(self) -> SignedCheckpoint | None:
        """The head that it claims to be the latest."""
        return None if self._latest is None else _signed(1, self._latest)

    def checkpoints(self, first_size: int = 0) -> Iterator[SignedCheckpoint]:
        """The heads in the order of their lines, from the first one of that size on."""
        for number, line in self._lines(1):
            if line.startswith(_CHECKPOINT):
                signed = _signed(number, _fields(number, line, {"checkpoint": str})["checkpoint"])
                if signed.size >= first_size:
                    yield signed

    def raw_leaves(self, start: int) -> Iterator[Sequence[RawLeaf]]:
        """The records from ``start`` on, in the order of their lines."""
        chunk: list[RawLeaf] = []
        held = 0
        for number, line in self._lines(1):
            if line.startswith(_RECORD):
                fields = {"index": int, "payloadType": str, "statement": str}
                row = _fields(number, line, fields)
                body = load_base64(row["statement"])
                if row["index"] < start:
                    continue
                kind = row["payloadType"]
                chunk.append((row["index"], kind, body, leaf_hash(kind, body)))
                held += len(body)
            elif not line.startswith((_SIGNATURE, _VALUE, _CHECKPOINT)):
                raise VerificationError(f"line {number} is none of ours")
            if len(chunk) == RECORDS_AT_ONCE or held >= BYTES_AT_ONCE:
                yield chunk
                chunk, held = [], 0
        if chunk:
            yield chunk

    def raw_digests(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str]]]:
        """With which record which digests were disclosed."""
        for rows in self.raw_values(first_leaf):
            yield [(leaf, digest) for leaf, digest, *_ in rows]

    def raw_values(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str, bytes, bytes]]]:
        """What was disclosed, in the order of its lines."""
        for number, line in self._lines(1):
            if line.startswith(_VALUE):
                fields = {"leaf": int, "digest": str, "salt": str, "value": str}
                row = _fields(number, line, fields)
                if row["leaf"] >= first_leaf:
                    salt, value = load_base64(row["salt"]), load_base64(row["value"])
                    yield [(row["leaf"], row["digest"], salt, value)]

    def read_nodes(self, positions: Sequence[NodeAt]) -> dict[NodeAt, bytes]:  # noqa: ARG002 - the port's signature
        """None: what is exported is what cannot be computed."""
        return {}

    def raw_signatures(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str, bytes]]]:
        """The signatures over records, in the order of their lines."""
        for number, line in self._lines(1):
            if line.startswith(_SIGNATURE):
                row = _fields(number, line, {"signature": str, "leaf": int, "keyid": str})
                signature = load_base64(row["signature"])
                if row["leaf"] >= first_leaf:
                    yield [(row["leaf"], row["keyid"], signature)]

    def get_signatures(self, leaf: int) -> dict[str, bytes]:
        """The signatures over one record, by the id of their key; reads the file for them."""
        rows = chain.from_iterable(self.raw_signatures(leaf))
        return {key_id: signature for at, key_id, signature in rows if at == leaf}

    def _lines(self, after: int) -> Iterator[tuple[int, bytes]]:
        """The lines after the first ``after``, with their numbers from 1 on."""
        with self._path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_BYTES + 1):
                number += 1
                if number > after:
                    if not line.endswith(b"\n"):
                        raise VerificationError(f"line {number} has no end, or is too long")
                    yield number, line[:-1]


def _fields(
    number: int, line: bytes, types: Mapping[str, type], optional_text: str = ""
) -> dict[str, Any]:
    """A line's fields, exactly these and of these types."""
    try:
        row = load_json(line)
    except VerificationError as error:
        raise VerificationError(f"line {number}: {error.reason}") from None
    names = {*types, optional_text} - {""}
    if not isinstance(row, dict) or set(row) != names:
        raise VerificationError(f"line {number} has not exactly {', '.join(sorted(names))}")
    if not all(type(row[name]) is kind for name, kind in types.items()) or not isinstance(
        row.get(optional_text, ""), str | None
    ):
        raise VerificationError(f"line {number}: a field is of another type")
    return row


def _signed(number: int, note: str) -> SignedCheckpoint:
    try:
        checkpoint = Checkpoint.parse(Note.parse(note).text)
    except VerificationError as error:
        raise VerificationError(f"line {number}: {error.reason}") from None
    return SignedCheckpoint(checkpoint.size, checkpoint.root, note)


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _damaged(what: str) -> WitnessError:
    """What an edited database holds: anything, in any column."""
    return WitnessError(f"{what} is damaged: crossmodel verify says more")


def _record(leaf: RawLeaf) -> bytes:
    index, kind, body, _ = leaf
    if not (isinstance(kind, str) and isinstance(body, bytes)):
        raise _damaged(f"record {index}")
    return _line({"index": index, "payloadType": kind, "statement": _base64(body)})


def _is_of_the_log(leaf: int, key_id: str, signature: bytes, trust: Trust) -> bool:
    """Whether it may be by a key of the log's own; of others' no verifier could say anything."""
    own = {trusted.key.key_id for trusted in trust.keys if trusted.covers(leaf + 1)}
    return key_id in own and isinstance(signature, bytes)


def _signature(leaf: int, key_id: str, signature: bytes) -> bytes:
    return _line({"signature": _base64(signature), "leaf": leaf, "keyid": key_id})


def _checkpoint(signed: SignedCheckpoint) -> bytes:
    return _line({"checkpoint": _note(signed)})


def _note(signed: SignedCheckpoint) -> str:
    if not isinstance(signed.note, str):
        raise _damaged(f"the checkpoint of {signed.size!r} records")
    return signed.note


def _disclosed(leaf: int, digest: str, salt: bytes, value: bytes) -> bytes:
    if not (isinstance(salt, bytes) and isinstance(value, bytes)):
        raise _damaged(f"a hidden value of record {leaf!r}")
    line = _line({"leaf": leaf, "digest": digest, "salt": _base64(salt), "value": _base64(value)})
    if len(line) > MAX_BYTES:
        raise WitnessError(f"the value behind {digest} is larger than verifiers read: leave it out")
    return line


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
