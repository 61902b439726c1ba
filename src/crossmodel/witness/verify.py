"""Verification: numbered steps, each of which can only refuse.

Needs no store, no network and no package but ``cryptography``:
``python -m crossmodel.witness.verify FILE --trust KEYS`` checks one evidence file.

An evidence file passes these steps, in this order:

 1. it is no larger than it may be, and strict JSON of exactly our fields;
 2. its payload type is an in-toto statement;
 3. the statement is strict base64 of strict JSON: a Statement v1 with subjects and a predicate;
 4. the proof is a tlog-proof whose checkpoint is a signed note;
 5. the checkpoint's origin is the log that the verifier trusts;
 6. every trusted key that is valid for the tree's size has signed the checkpoint;
 7. the path leads from exactly these bytes, at this index, to the checkpoint's root;
 8. each disclosed value is what the statement commits to;
 9. the checkpoint is the pinned one, where there is a pin, or a newer one (which one file cannot
    show to extend the pin, so completeness stays unchecked);
25. each signature over the record itself, where there are any, is by a trusted key that is valid
    for a tree that ends in the record.

A whole log passes these:

10. the pinned checkpoint, where there is one, is a signed note of the trusted log;
11. there is at least one record, and a checkpoint over some of them;
12. each record's bytes give its leaf hash, in order and without a gap;
13. each stored node is the hash of its children;
14. the latest checkpoint is a signed note of the trusted log;
15. every trusted key that is valid for its size has signed it;
16. its root is the root over the records;
17. the log extends the pinned checkpoint, where there is one;
26. each key rotation is signed by the keys before it and after it, both trusted for the head that
    ends in it, which all of them have signed.

Both pass these at the end, where the trust file names outsiders:

18. as many of the trusted cosigners as it asks for have signed the checkpoint, and no line
    pretends to be one of theirs; with that, no pin is needed;
19. a trusted authority has time-stamped the checkpoint, and no record that it covers says that it
    was logged later than that.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from crossmodel.domain.witness import LogLeaf, VerificationReport, VerificationStep
from crossmodel.errors import VerificationError
from crossmodel.ports import LogTransaction, NodeAt
from crossmodel.witness import merkle
from crossmodel.witness.checkpoint import Checkpoint, TlogProof
from crossmodel.witness.cosignature import check_cosignatures
from crossmodel.witness.evidence import Evidence, parse_statement
from crossmodel.witness.keys import Trust
from crossmodel.witness.log import TreeBuilder, leaf_hash
from crossmodel.witness.note import Note
from crossmodel.witness.rotation import Rotation, is_rotation
from crossmodel.witness.statement import PAYLOAD_TYPE, SCHEMAS, predicate_type
from crossmodel.witness.strict import MAX_BYTES
from crossmodel.witness.timestamps import check_log_times, check_timestamps

VALID: Final = "valid"
UNPINNED: Final = "valid, completeness not checked"
INVALID: Final = "invalid"

REFUSED_EXIT: Final = 1
USAGE_EXIT: Final = 2

NODES_AT_ONCE: Final = 512
"""Stored nodes that are compared per look-up."""

Progress = Callable[[int, int], None]


class _Steps:
    """The steps of one verification so far; the first refusal ends it."""

    def __init__(self) -> None:
        self.passed: list[VerificationStep] = []

    @contextmanager
    def step(self, number: int, name: str) -> Iterator[list[str]]:
        """Run one step. What is added to the list is shown beside its name."""
        detail: list[str] = []
        try:
            yield detail
        except VerificationError as error:
            raise _Refused(VerificationStep(number, name, False, error.reason)) from error
        self.passed.append(VerificationStep(number, name, True, "; ".join(detail)))


class _Refused(Exception):  # noqa: N818 - the end of a verification, not an error of ours
    def __init__(self, step: VerificationStep) -> None:
        self.step = step


def verify_witness(data: bytes, trust: Trust, *, against: str | None = None) -> VerificationReport:
    """Check one evidence file by the steps 1 to 9, 18 and 19 of this module.

    ``against`` is a pinned checkpoint note of the same log. Whatever is wrong is in the report; it
    does not raise.
    """
    steps = _Steps()
    try:
        details = _witness_steps(steps, data, trust, against)
    except _Refused as refused:
        return VerificationReport(INVALID, 0, (*steps.passed, refused.step))
    verdict = VALID if details["pinned"] or details["cosigned"] else UNPINNED
    return VerificationReport(verdict, 1, tuple(steps.passed), details)


def _witness_steps(
    steps: _Steps, data: bytes, trust: Trust, against: str | None
) -> Mapping[str, Any]:
    with steps.step(1, "the file is strict JSON of our form"):
        evidence = Evidence.parse(data)
    with steps.step(2, "the payload is an in-toto statement"):
        if evidence.payload_type != PAYLOAD_TYPE:
            raise VerificationError(f"payload type {evidence.payload_type[:80]!r}")
    with steps.step(3, "the statement is well-formed") as detail:
        document = parse_statement(evidence.body)
        known = {predicate_type(kind) for kind in SCHEMAS}
        understood = document["predicateType"] in known
        detail.append(document["predicateType"] + ("" if understood else " (not understood)"))
    with steps.step(4, "the proof and its checkpoint are well-formed"):
        proof = TlogProof.parse(evidence.proof)
        checkpoint, note = proof.checkpoint()
    with steps.step(5, "the checkpoint is of the trusted log") as detail:
        _check_origin(checkpoint, trust)
        detail.append(checkpoint.origin)
    with steps.step(6, "the trusted keys have signed it") as detail:
        detail.extend(_check_signatures(checkpoint, note, trust))
    with steps.step(7, "the log holds exactly these bytes") as detail:
        leaf = leaf_hash(evidence.payload_type, evidence.body)
        if not merkle.verify_inclusion(
            leaf, proof.index, checkpoint.size, proof.path, checkpoint.root
        ):
            raise VerificationError(f"the path does not lead from leaf {proof.index} to the root")
        detail.append(f"leaf {proof.index} of {checkpoint.size}")
    with steps.step(8, "disclosed values are those committed to") as detail:
        evidence.check_disclosed(document)
        detail.append(f"{len(evidence.disclosed)} disclosed")
    pinned = None
    if against is not None:
        with steps.step(9, "the checkpoint agrees with the pinned one") as detail:
            pinned = signed_checkpoint(against, trust)
            _check_not_older(checkpoint, pinned)
            if checkpoint.size > pinned.size:
                detail.append(f"newer than the pin at {pinned.size}: check the log against it")
    if evidence.signatures:
        with steps.step(25, "the record's own signatures are by trusted keys") as detail:
            keys = [each.key for each in trust.keys if each.covers(proof.index + 1)]
            signed = evidence.check_signatures(keys)
            detail.extend(f"{key.algorithm} {key.key_id[:16]}…" for key in signed)
    outside = _outsiders(steps, note, trust, [evidence.body])
    return {
        "index": proof.index,
        "size": checkpoint.size,
        "pinned": pinned is not None and pinned.size == checkpoint.size,
        **outside,
        "predicateType": document["predicateType"],
        "understood": understood,
    }


def verify_log(
    tx: LogTransaction,
    trust: Trust,
    *,
    against: str | None = None,
    progress: Progress | None = None,
) -> VerificationReport:
    """Check a whole log by the steps 10 to 19 of this module, in bounded memory.

    Records after the latest checkpoint are checked and reported as not yet signed.
    """
    steps = _Steps()
    size = tx.log_size()
    try:
        details = _log_steps(steps, tx, trust, against, progress)
    except _Refused as refused:
        return VerificationReport(INVALID, size, (*steps.passed, refused.step))
    verdict = VALID if against is not None or details["cosigned"] else UNPINNED
    return VerificationReport(verdict, size, tuple(steps.passed), details)


def _log_steps(
    steps: _Steps,
    tx: LogTransaction,
    trust: Trust,
    against: str | None,
    progress: Progress | None,
) -> Mapping[str, Any]:
    size = tx.log_size()
    pinned = None
    if against is not None:
        with steps.step(10, "the pinned checkpoint is of the trusted log"):
            pinned = signed_checkpoint(against, trust)
    with steps.step(11, "there is something to check") as detail:
        signed = tx.latest_checkpoint()
        if size == 0:
            raise VerificationError("no records")
        # a database that somebody has edited may hold anything in any column
        if signed is None or not isinstance(signed.size, int) or signed.size < 1:
            raise VerificationError("no checkpoint covers any record")
        if signed.size > size:
            raise VerificationError(
                f"a head of {signed.size} records was signed, but there are {size}: the tail is cut"
            )
        detail.append(f"{size} records")
    wanted = {signed.size, pinned.size if pinned else signed.size}
    roots, rotations = _replay(steps, tx, size, wanted, progress)
    with steps.step(14, "the checkpoint is a signed note of the trusted log"):
        if not isinstance(signed.note, str):
            raise VerificationError("the note is no text")
        note = Note.parse(signed.note)
        checkpoint = Checkpoint.parse(note.text)
        _check_origin(checkpoint, trust)
    with steps.step(15, "the trusted keys have signed it") as detail:
        detail.extend(_check_signatures(checkpoint, note, trust))
    with steps.step(16, "its root is the root over the records") as detail:
        if (checkpoint.size, checkpoint.root) != (signed.size, roots[signed.size]):
            raise VerificationError("the records are not those that were signed")
        detail.append(f"{size - checkpoint.size} records after it")
    if pinned is not None:
        with steps.step(17, "the log extends the pinned checkpoint") as detail:
            if pinned.size > size:
                raise VerificationError(
                    f"the pin has {pinned.size} records, the log {size}: the tail is cut"
                )
            if roots[pinned.size] != pinned.root:
                raise VerificationError("the log's beginning is not what was pinned: a fork")
            detail.append(f"pinned at {pinned.size}")
    _rotations_step(steps, tx, signed.size, rotations, trust)
    outside = _outsiders(steps, note, trust, _statements(tx, signed.size))
    return {
        "size": size,
        "signed_size": signed.size,
        "unsigned": size - signed.size,
        **outside,
    }


def _outsiders(
    steps: _Steps, note: Note, trust: Trust, statements: Iterable[bytes]
) -> dict[str, Any]:
    """What cosigners and time-stamp authorities say of a checkpoint over these statements."""
    if trust.cosigners:
        with steps.step(18, "the trusted cosigners have signed the checkpoint") as detail:
            cosignatures = check_cosignatures(note, trust.cosigners, trust.cosignatures_needed)
            detail.extend(f"{each.name} at {_utc(each.seconds)}" for each in cosignatures)
    if trust.timestamp_authorities:
        with steps.step(19, "the checkpoint is time-stamped, and no record is later") as detail:
            stamps = check_timestamps(note, trust.timestamp_authorities)
            check_log_times(statements, stamps[0])
            detail.extend(f"{each.authority} at {each.stated.isoformat()}" for each in stamps)
    return {"cosigned": trust.cosignatures_needed > 0}


def _statements(tx: LogTransaction, size: int) -> Iterator[bytes]:
    """Those of the records that are statements; what is of another type says no time."""
    for leaf in tx.leaves(0, size):
        if leaf.payload_type == PAYLOAD_TYPE:
            yield leaf.statement


def _utc(seconds: int) -> str:
    """A time as text, or the number itself where no calendar reaches."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s"


def _replay(
    steps: _Steps, tx: LogTransaction, size: int, wanted: set[int], progress: Progress | None
) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Rebuild the tree from the records' bytes.

    Returns its roots at the wanted sizes, and the key rotations with the root that ends in each.
    """
    builder = TreeBuilder()
    rotations: dict[int, bytes] = {}
    roots: dict[int, bytes] = {0: merkle.EMPTY_ROOT}
    pending: dict[NodeAt, bytes] = {}
    with (
        _nodes_step(steps) as compare,
        steps.step(12, "each record gives its leaf hash, in order"),
    ):
        for leaf in tx.leaves(0, size):
            pending.update(builder.add(_checked_leaf(leaf, builder.size)))
            if len(pending) >= NODES_AT_ONCE:
                compare(tx, pending)
                pending.clear()
            if builder.size in wanted:
                roots[builder.size] = builder.root()
            if is_rotation(leaf):
                rotations[leaf.index] = builder.root()
            if progress is not None and (builder.size % NODES_AT_ONCE == 0 or builder.size == size):
                progress(builder.size, size)
        compare(tx, pending)
        if builder.size != size:
            raise VerificationError(f"{size - builder.size} records are missing")
    return roots, rotations


def _rotations_step(
    steps: _Steps, tx: LogTransaction, signed: int, rotations: Mapping[int, bytes], trust: Trust
) -> None:
    if rotations:
        with steps.step(26, "each key rotation is by both generations") as detail:
            for index, root in rotations.items():
                _check_rotation(tx, index, root, trust, is_signed=index < signed)
            detail.append(f"{len(rotations)} rotations")


def _check_rotation(
    tx: LogTransaction, index: int, root: bytes, trust: Trust, *, is_signed: bool
) -> None:
    """A rotation record and, once heads cover it, the head that all its keys have signed."""
    for leaf in tx.leaves(index, index + 1):
        Rotation.at(leaf, tx.get_signatures(index)).check_trusted(trust)
    if not is_signed:
        return
    kept = next(iter(tx.checkpoints(index + 1)), None)
    if kept is None or kept.size != index + 1 or not isinstance(kept.note, str):
        raise VerificationError(f"the head of {index + 1} records, where keys changed, is missing")
    note = Note.parse(kept.note)
    head = Checkpoint.parse(note.text)
    _check_origin(head, trust)
    _check_signatures(head, note, trust)
    if (head.size, head.root) != (index + 1, root):
        raise VerificationError(f"the head where record {index} changes the keys is another log's")


@contextmanager
def _nodes_step(steps: _Steps) -> Iterator[Callable[[LogTransaction, dict[NodeAt, bytes]], None]]:
    """Step 13 goes along with step 12, so that the log is read once."""

    def compare(tx: LogTransaction, computed: dict[NodeAt, bytes]) -> None:
        stored = tx.read_nodes(list(computed))
        for at, digest in computed.items():
            if stored.get(at) != digest:
                name = "each stored node is the hash of its children"
                reason = f"the node {at} is not what its leaves give"
                raise _Refused(VerificationStep(13, name, False, reason))

    yield compare
    steps.passed.append(VerificationStep(13, "each stored node is the hash of its children", True))


def _checked_leaf(leaf: LogLeaf, expected: int) -> bytes:
    if not (isinstance(leaf.statement, bytes) and isinstance(leaf.payload_type, str)):
        raise VerificationError(f"record {leaf.index} is not what was hashed: it is no bytes")
    if leaf.index != expected:
        raise VerificationError(f"record {expected} is missing: the next one is {leaf.index}")
    digest = leaf_hash(leaf.payload_type, leaf.statement)
    if digest != leaf.leaf_hash:
        raise VerificationError(f"record {leaf.index} is not what was hashed")
    return digest


def _check_origin(checkpoint: Checkpoint, trust: Trust) -> None:
    if checkpoint.origin != trust.origin:
        raise VerificationError(
            f"it is of the log {checkpoint.origin[:80]!r}, trusted is {trust.origin!r}"
        )


def _check_signatures(checkpoint: Checkpoint, note: Note, trust: Trust) -> list[str]:
    believed = [trusted.key for trusted in trust.keys if trusted.covers(checkpoint.size)]
    if not believed:
        raise VerificationError(f"no trusted key is valid for a tree of {checkpoint.size} records")
    for key in believed:
        if not note.is_signed_by(checkpoint.origin, key):
            raise VerificationError(f"no valid signature by {key.algorithm} {key.key_id[:16]}…")
    return [f"{key.algorithm} {key.key_id[:16]}…" for key in believed]


def signed_checkpoint(text: str, trust: Trust) -> Checkpoint:
    """A checkpoint note that is the trusted log's.

    Raises:
        VerificationError: if it is malformed, another log's, or lacks a trusted key's signature.
    """
    note = Note.parse(text)
    checkpoint = Checkpoint.parse(note.text)
    _check_origin(checkpoint, trust)
    _check_signatures(checkpoint, note, trust)
    return checkpoint


def _check_not_older(checkpoint: Checkpoint, pinned: Checkpoint) -> None:
    if checkpoint.size < pinned.size:
        raise VerificationError(
            f"its head has {checkpoint.size} records, the pinned one {pinned.size}: the log was "
            "rolled back, or the evidence is older than the pin; ask for new evidence"
        )
    if checkpoint.size == pinned.size and checkpoint.root != pinned.root:
        raise VerificationError("two heads of one size: the log has forked")


def _read(path: Path) -> bytes:
    """A file's bytes, or just enough of them to be refused for their number."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check an evidence file from the command line: 0 valid, 1 refused, 2 not checked at all."""
    parser = argparse.ArgumentParser(
        prog="python -m crossmodel.witness.verify", description="Check an evidence file offline."
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--trust", type=Path, required=True, help="the keys that you believe")
    parser.add_argument("--against", type=Path, help="a checkpoint that you kept")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        trust = Trust.from_json(_read(options.trust))
        against = _read(options.against).decode("utf-8") if options.against else None
        report = verify_witness(_read(options.file), trust, against=against)
    except (OSError, UnicodeDecodeError, VerificationError) as error:
        sys.stderr.write(f"not checked: {error}\n")
        return USAGE_EXIT
    if options.json:
        sys.stdout.write(json.dumps(report.to_dict(), indent=2) + "\n")
    else:
        for step in report.steps:
            mark = "ok" if step.passed else "REFUSED"
            sys.stdout.write(f"{step.number:>3} {mark:<7} {step.name}  {step.detail}\n")
        sys.stdout.write(f"{report.verdict}\n")
    return 0 if report.is_valid else REFUSED_EXIT


if __name__ == "__main__":
    sys.exit(main())
