"""Verification: numbered steps, each of which can only refuse.

Needs no store, no network and no package but ``cryptography``:
``python -m crossmodel.witness.verify FILE --trust KEYS`` checks one evidence file or an export.
A number is a step's name: a new step takes the next free one, wherever it stands in the order.

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

A whole log passes these (:mod:`crossmodel.witness.verify_log`), 12 to 16 and 20 to 22 for every
record:

10. the pinned checkpoint, where there is one, is a signed note of the trusted log;
11. there is at least one record, a checkpoint over some of them, and none over more than there are;
12. each record's bytes give its leaf hash, in order and without a gap;
13. each stored node is the hash of its children (an export has none);
14. each checkpoint, not only the latest, is a signed note of the trusted log;
15. every trusted key that is valid for its size has signed it;
16. its root is the root over the records at its size, and no two are of one size;
17. the log extends the pinned checkpoint, where there is one;
20. the time at which the log took a record is not before that of the record before it, and not
    later than now, give or take five minutes; records of a known kind say it once one has;
21. each hidden value that is kept is what its record commits to, under a salt of 32 bytes;
22. a hidden value that is gone is covered by a later ``erasure`` record that is signed (an export
    holds only what was disclosed, so there this is not looked at);
23. where only what follows a checkpoint is read: the stored nodes give that checkpoint's root, and
    the last record before it is under that root;
26. each key rotation is signed by the keys before it and after it, both trusted for the head that
    ends in it, which all of them have signed.

Both pass these at the end, where the trust file names outsiders:

18. as many of the trusted cosigners as it asks for have signed the checkpoint, and no line
    pretends to be one of theirs; with that, no pin is needed;
19. a trusted authority has time-stamped the checkpoint, and no record that it covers says that it
    was logged later than that.

An export passes these besides (:mod:`crossmodel.witness.export`):

24. its first line says which log it is of; each further line, as it is read, is strict JSON of
    exactly our fields;
25. each signature over a record is as in an evidence file, and stands in the records' order.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from crossmodel.domain.witness import VerificationReport
from crossmodel.errors import VerificationError
from crossmodel.witness import merkle
from crossmodel.witness.checkpoint import Checkpoint, TlogProof
from crossmodel.witness.evidence import Evidence, parse_statement
from crossmodel.witness.export import START, verify_export
from crossmodel.witness.keys.trust import Trust
from crossmodel.witness.log import leaf_hash
from crossmodel.witness.schemas import understands
from crossmodel.witness.statement import PAYLOAD_TYPE
from crossmodel.witness.steps import (
    INVALID,
    UNPINNED,
    VALID,
    Progress,
    Refused,
    Steps,
    ask_outsiders,
    check_origin,
    check_signatures,
    signed_checkpoint,
)
from crossmodel.witness.strict import MAX_BYTES

REFUSED_EXIT: Final = 1
USAGE_EXIT: Final = 2


def verify_witness(data: bytes, trust: Trust, *, against: str | None = None) -> VerificationReport:
    """Check one evidence file by the steps 1 to 9, 25, 18 and 19 of this module.

    ``against`` is a pinned checkpoint note of the same log. Whatever is wrong is in the report; it
    does not raise.
    """
    steps = Steps()
    try:
        details = _witness_steps(steps, data, trust, against)
    except Refused as refused:
        return VerificationReport(INVALID, 0, (*steps.passed, refused.step))
    verdict = VALID if details["pinned"] or details["cosigned"] else UNPINNED
    return VerificationReport(verdict, 1, tuple(steps.passed), details)


def _witness_steps(
    steps: Steps, data: bytes, trust: Trust, against: str | None
) -> Mapping[str, Any]:
    with steps.step(1, "the file is strict JSON of our form"):
        evidence = Evidence.parse(data)
    with steps.step(2, "the payload is an in-toto statement"):
        if evidence.payload_type != PAYLOAD_TYPE:
            raise VerificationError(f"payload type {evidence.payload_type[:80]!r}")
    with steps.step(3, "the statement is well-formed") as detail:
        document = parse_statement(evidence.body)
        understood = understands(document)
        detail.append(document["predicateType"] + ("" if understood else " (not understood)"))
    with steps.step(4, "the proof and its checkpoint are well-formed"):
        proof = TlogProof.parse(evidence.proof)
        checkpoint, note = proof.checkpoint()
    with steps.step(5, "the checkpoint is of the trusted log") as detail:
        check_origin(checkpoint, trust)
        detail.append(checkpoint.origin)
    with steps.step(6, "the trusted keys have signed it") as detail:
        detail.extend(check_signatures(checkpoint, note, trust))
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
    outside = ask_outsiders(steps, note, trust, [evidence.body])
    return {
        "index": proof.index,
        "size": checkpoint.size,
        "pinned": pinned is not None and pinned.size == checkpoint.size,
        **outside,
        "predicateType": document["predicateType"],
        "understood": understood,
    }


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


def verify_file(
    path: Path, trust: Trust, *, against: str | None = None, progress: Progress | None = None
) -> VerificationReport:
    """Check what stands under a path: an evidence file, an export, or a folder with an export.

    ``progress`` is told how many records of an export are done.

    Raises:
        OSError: if it cannot be read.
    """
    data = START if path.is_dir() else _read(path)
    if data.startswith(START):
        return verify_export(path, trust, against=against, progress=progress)
    return verify_witness(data, trust, against=against)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a file from the command line: 0 valid, 1 refused, 2 not checked at all."""
    parser = argparse.ArgumentParser(
        prog="python -m crossmodel.witness.verify",
        description="Check an evidence file, or the export of a log, offline.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--trust", type=Path, required=True, help="the keys that you believe")
    parser.add_argument("--against", type=Path, help="a checkpoint that you kept")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        trust = _trust(options.trust)
        against = _read(options.against).decode("utf-8") if options.against else None
        report = verify_file(options.file, trust, against=against)
    except (OSError, UnicodeDecodeError, VerificationError) as error:
        _say(f"not checked: {error}", sys.stderr)
        if options.json:
            sys.stdout.write(json.dumps(not_checked(error), indent=2) + "\n")
        return USAGE_EXIT
    if options.json:
        sys.stdout.write(json.dumps(report.to_dict(), indent=2) + "\n")
    else:
        for step in report.steps:
            mark = "ok" if step.passed else "REFUSED"
            _say(f"{step.number:>3} {mark:<7} {step.name}  {step.detail}")
        sys.stdout.write(f"{report.verdict}\n")
    return 0 if report.is_valid else REFUSED_EXIT


def _say(line: str, to: TextIO | None = None) -> None:
    """One line, whatever evidence puts into it: nothing ends it early or drives a terminal."""
    file = to or sys.stdout
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    encoding = file.encoding or "utf-8"  # which may lack a character
    file.write(shown.encode(encoding, "replace").decode(encoding) + "\n")


def _trust(path: Path) -> Trust:
    try:
        return Trust.from_json(_read(path))
    except VerificationError as error:
        raise VerificationError(f"the trust file {path}: {error}") from error


def not_checked(error: Exception) -> dict[str, Any]:
    """What is said, as JSON, where nothing could be checked: it is never valid."""
    return {"verdict": "not checked", "valid": False, "records": 0, "error": str(error)}


if __name__ == "__main__":
    sys.exit(main())
