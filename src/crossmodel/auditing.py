"""What an outsider does: check evidence, exports and copies of a log, and sign its checkpoints.

Nothing of ours is open.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crossmodel.domain.witness import VerificationReport
from crossmodel.errors import InvalidInputError
from crossmodel.witness import KeyPlace, verify_witness
from crossmodel.witness import (
    accept_rotation as accepted,
)
from crossmodel.witness.cosigner import countersign
from crossmodel.witness.keys.pairs import ED25519
from crossmodel.witness.keys.signers import open_signer
from crossmodel.witness.outsiders import believed, parse_consistency
from crossmodel.witness.provenance.prov_json import prov_json
from crossmodel.witness.steps import NORMAL, Depth
from crossmodel.witness.verify import not_checked, verify_file
from crossmodel.witness.verify_log import verify_log

__all__ = [
    "Depth",
    "accept_rotation",
    "cosign",
    "not_checked",
    "prov_json",
    "verify_copy",
    "verify_evidence",
    "verify_path",
]


def verify_evidence(
    evidence: bytes, *, trust: bytes, against: str | None = None
) -> VerificationReport:
    """Check an evidence file by a trust file: offline, without settings, store or keys of ours.

    Raises:
        InvalidInputError: if the trust file is none; whatever is wrong with the evidence is in the
            report instead.
    """
    return verify_witness(evidence, believed(trust), against=against)


def accept_rotation(evidence: bytes, *, trust: bytes) -> bytes:
    """The trust file to use after a rotation, by its evidence and the trust file so far: offline.

    Raises:
        InvalidInputError: if the trust file is none.
        VerificationError: if the rotation must not be believed; the message says why.
    """
    return accepted(evidence, believed(trust)).to_json()


def cosign(
    checkpoint: str,
    *,
    trust: bytes,
    name: str,
    key: Path,
    passphrase: str | None = None,
    previous: str | None = None,
    proof: bytes | None = None,
) -> str:
    """An outsider's signature line under a log's checkpoint: without settings or a store of ours.

    Keep the checkpoint afterwards: it is ``previous`` the next time.

    Args:
        checkpoint: the signed note.
        trust: the log's trust file.
        name: what the outsider calls itself.
        key: the outsider's Ed25519 key, PKCS#8 in PEM.
        passphrase: what it is encrypted with.
        previous: the checkpoint of this log that was signed last.
        proof: that it is the beginning of the new one: the JSON of :class:`ConsistencyProof`.

    Raises:
        InvalidInputError: if the trust file is none, or there is a proof from no ``previous``.
        VerificationError: if the checkpoint is not the log's, or does not extend ``previous``.
        WitnessError: if the key or the name is not a cosigner's.
    """
    if proof is not None and previous is None:
        raise InvalidInputError("a proof leads from a checkpoint that was signed before: name it")
    path = () if proof is None else parse_consistency(proof).path
    signer = open_signer(KeyPlace(f"file:{key}"), ED25519, passphrase=passphrase)
    return countersign(checkpoint, believed(trust), name, signer, previous=previous, proof=path)


def verify_path(
    path: Path,
    *,
    trust: bytes,
    against: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VerificationReport:
    """Check an evidence file, or an export of a log, by a trust file: offline.

    Raises:
        InvalidInputError: if the trust file is none; whatever is wrong with the path's content is
            in the report instead.
        OSError: if it cannot be read.
    """
    return verify_file(path, believed(trust), against=against, progress=progress)


def verify_copy(
    url: str,
    *,
    trust: bytes,
    against: str | None = None,
    since: str | int | None = None,
    depth: Depth = NORMAL,
    progress: Callable[[int, int], None] | None = None,
) -> VerificationReport:
    """Check the log of somebody's store by a trust file: no keys are needed, nothing is written.

    Raises:
        StoreError: if it cannot be read.
        InvalidInputError: if the trust file is none.
    """
    from crossmodel.store.copies import open_copy  # noqa: PLC0415 - an ORM is slow to import

    keys = believed(trust)
    with open_copy(url) as log:
        return verify_log(log, keys, against=against, since=since, depth=depth, progress=progress)
