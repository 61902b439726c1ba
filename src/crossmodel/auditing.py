"""What an outsider does: check evidence, exports and copies of a log, with nothing of ours open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crossmodel.domain.witness import VerificationReport
from crossmodel.errors import InvalidInputError, VerificationError
from crossmodel.witness import Trust, verify_witness
from crossmodel.witness import (
    accept_rotation as accepted,
)
from crossmodel.witness.provenance.prov_json import prov_json
from crossmodel.witness.verify import verify_file
from crossmodel.witness.verify_log import NORMAL, Depth, verify_log

__all__ = [
    "Depth",
    "accept_rotation",
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
        VerificationError: if the trust file is none; whatever is wrong with the evidence is in the
            report instead.
    """
    return verify_witness(evidence, Trust.from_json(trust), against=against)


def accept_rotation(evidence: bytes, *, trust: bytes) -> bytes:
    """The trust file to use after a rotation, by its evidence and the trust file so far: offline.

    Raises:
        InvalidInputError: if the trust file is none.
        VerificationError: if the rotation must not be believed; the message says why.
    """
    try:
        believed = Trust.from_json(trust)
    except VerificationError as error:
        raise InvalidInputError(f"the trust file: {error}") from error
    return accepted(evidence, believed).to_json()


def verify_path(
    path: Path,
    *,
    trust: bytes,
    against: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VerificationReport:
    """Check an evidence file, or an export of a log, by a trust file: offline.

    Raises:
        VerificationError: if the trust file is none; whatever is wrong with the path's content is
            in the report instead.
        OSError: if it cannot be read.
    """
    return verify_file(path, Trust.from_json(trust), against=against, progress=progress)


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
        VerificationError: if the trust file is none.
    """
    from crossmodel.store.copies import open_copy  # noqa: PLC0415 - an ORM is slow to import

    believed = Trust.from_json(trust)
    with open_copy(url) as log:
        return verify_log(
            log, believed, against=against, since=since, depth=depth, progress=progress
        )
