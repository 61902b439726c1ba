"""Cosignatures: outsiders' lines under a checkpoint, as C2SP's *tlog-cosignature* defines them.

A cosignature says that of all heads of a log that the cosigner has seen this one is the largest and
extends all others, as of a time. Only the Ed25519 form (``cosignature/v1``) is made and read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossmodel.errors import VerificationError, WitnessError
from crossmodel.witness.keys.pairs import ED25519, PublicKey, Signer
from crossmodel.witness.keys.trust import Cosigner
from crossmodel.witness.note import Note, line_hash, signature_line
from crossmodel.witness.strict import is_key_name

COSIGNATURE_TYPE: Final = b"\x04"
TIME_BYTES: Final = 8
SIGNATURE_BYTES: Final = 64
MAX_SECONDS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cosignature:
    """That ``name`` signed, ``seconds`` after 1970-01-01T00:00:00Z by its own clock."""

    name: str
    seconds: int


def cosignature_line(text: str, name: str, signer: Signer, seconds: int) -> str:
    """The line by which ``name`` cosigns a checkpoint's ``text``; nothing about it is checked.

    Raises:
        WitnessError: if the key is not Ed25519, the name cannot stand in a line, or the time (in
            seconds since 1970) does not fit 63 bits.
    """
    if signer.public.algorithm != ED25519:
        raise WitnessError("a cosigner's key is Ed25519")
    if not is_key_name(name):
        raise WitnessError(f"a key name has no spaces, control characters or plus signs: {name!r}")
    if not 0 <= seconds <= MAX_SECONDS:
        raise WitnessError(f"a cosignature's time must be from 0 to {MAX_SECONDS}, not {seconds}")
    signed = seconds.to_bytes(TIME_BYTES) + signer.sign(_message(text, seconds))
    return signature_line(name, cosigner_hash(name, signer.public), signed)


def cosigner_hash(name: str, key: PublicKey) -> bytes:
    """The hint at a cosigner's key, which differs from the hint at the same key as an author's."""
    return line_hash(name, COSIGNATURE_TYPE, key.raw)


def find_cosignature(note: Note, cosigner: Cosigner) -> Cosignature | None:
    """The cosigner's latest line under a note; ``None`` if it has none.

    Raises:
        VerificationError: if a line bears its name and its key's hint, but is not that key's.
    """
    latest = None
    for signed in note.lines(cosigner.name, cosigner_hash(cosigner.name, cosigner.key)):
        seconds = int.from_bytes(signed[:TIME_BYTES])
        if (
            len(signed) != TIME_BYTES + SIGNATURE_BYTES
            or seconds > MAX_SECONDS
            or not cosigner.key.verifies(signed[TIME_BYTES:], _message(note.text, seconds))
        ):
            raise VerificationError(f"a cosignature is not by {cosigner.name}, as it says")
        latest = max(seconds, latest or 0)
    return None if latest is None else Cosignature(cosigner.name, latest)


def check_cosignatures(note: Note, cosigners: Sequence[Cosigner], needed: int) -> list[Cosignature]:
    """What the trusted cosigners say of a note, each counted once.

    Raises:
        VerificationError: if fewer than ``needed`` have signed it, or a line pretends to be theirs.
    """
    found = [each for each in (find_cosignature(note, one) for one in cosigners) if each]
    if len(found) < needed:
        raise VerificationError(
            f"{len(found)} of the trusted cosigners have signed the checkpoint, needed are {needed}"
        )
    return found


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
