"""What a log's owner does with outsiders: name them, and keep what they say of its checkpoints.

What is kept is an outsider's line under a checkpoint of the store. A line cannot be taken back: one
that bears a trusted name and hint and is not that outsider's makes verifiers refuse the checkpoint.
So lines are checked as far as can be before they are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crossmodel.domain.witness import ConsistencyProof, SignedCheckpoint
from crossmodel.errors import InvalidInputError, NotFoundError, VerificationError
from crossmodel.ports import LogTransaction
from crossmodel.witness.cosignature import (
    SIGNATURE_BYTES,
    TIME_BYTES,
    cosigner_hash,
    find_cosignature,
)
from crossmodel.witness.keys.pairs import PublicKey
from crossmodel.witness.keys.trust import Cosigner, TimestampAuthority, Trust
from crossmodel.witness.merkle import HASH_BYTES
from crossmodel.witness.note import Note, NoteSignature, add_line, signature_line
from crossmodel.witness.strict import load_json
from crossmodel.witness.timestamps import stamped_digest, timestamp_line

_PROOF_FIELDS: Final = {"size1", "root1", "size2", "root2", "proof", "signed"}


def name_outsiders(
    trust: Trust,
    cosigners: Mapping[str, bytes],
    needed: int | None,
    authorities: Mapping[str, bytes],
) -> Trust:
    """The same trust, in outsiders too.

    Args:
        trust: trust in the log's keys.
        cosigners: Ed25519 public keys in PEM, by the names that their lines bear.
        needed: how many of them must have signed a head; all of them if left out.
        authorities: certificates in PEM, by the names that their lines are to bear: a root, and
            the one that signs if answers leave it out.

    Raises:
        InvalidInputError: if a key or certificate cannot be read, or verifiers would refuse it.
    """
    try:
        named = replace(
            trust,
            cosigners=tuple(Cosigner(name, _key(name, pem)) for name, pem in cosigners.items()),
            cosignatures_needed=len(cosigners) if needed is None else needed,
            timestamp_authorities=tuple(
                TimestampAuthority(name, _certificates(name, pem))
                for name, pem in authorities.items()
            ),
        )
        return Trust.from_json(named.to_json())  # as whoever is handed it will read it
    except VerificationError as error:
        raise InvalidInputError(error.reason) from None


def believed(trust: bytes) -> Trust:
    """What a trust file says that somebody handed over.

    Raises:
        InvalidInputError: if it is none.
    """
    try:
        return Trust.from_json(trust)
    except VerificationError as error:
        raise InvalidInputError(f"the trust file: {error}") from error


def parse_consistency(data: bytes) -> ConsistencyProof:
    """A consistency proof from the JSON of :meth:`ConsistencyProof.to_dict`; nothing is checked.

    Raises:
        VerificationError: if it is not exactly of the form.
    """
    row = load_json(data)
    if not isinstance(row, dict) or set(row) != _PROOF_FIELDS:
        raise VerificationError(
            f"a consistency proof has exactly the fields {', '.join(sorted(_PROOF_FIELDS))}"
        )
    sizes, signed, path = (row["size1"], row["size2"]), row["signed"], row["proof"]
    if not isinstance(signed, list) or not isinstance(path, list):
        raise VerificationError("proof and signed are lists")
    if not all(type(size) is int and size >= 0 for size in (*sizes, *signed)):
        raise VerificationError("size1, size2 and signed are sizes of trees")
    root1, root2 = _hash(row["root1"]), _hash(row["root2"])
    return ConsistencyProof(*sizes, root1, root2, tuple(map(_hash, path)), tuple(signed))


def attach_cosignatures(
    log: LogTransaction,
    text: str,
    *,
    origin: str,
    cosigners: Sequence[Cosigner] = (),
    size: int | None = None,
) -> list[tuple[str, int]]:
    """Keep cosigners' lines with the checkpoints that they are over, all of them or none.

    Args:
        log: where the checkpoints are.
        text: signature lines, each of a cosigner.
        origin: the log's name, which no cosigner bears.
        cosigners: whoever may have signed; then each line is verified, and kept with the latest
            checkpoint that it is over.
        size: of the checkpoint that it is; without ``cosigners`` it is taken at your word.

    Returns:
        For each line the cosigner's name and the size of the checkpoint.

    Raises:
        InvalidInputError: if neither ``cosigners`` nor ``size`` says which checkpoint it is.
        NotFoundError: if there is no checkpoint of that size.
        VerificationError: if a line is no cosignature, by none of the cosigners, or over no such
            checkpoint.
    """
    if not cosigners and size is None:
        raise InvalidInputError(
            "say which checkpoint was signed by its size, or name the cosigners: then it is found"
        )
    lines = [_cosignature(line, origin) for line in text.splitlines() if line]
    if not lines:
        raise VerificationError("there is no signature line")
    places = [(line, _signed_head(log, line, cosigners, size)) for line in lines]
    for line, head in places:
        _keep(log, head.size, signature_line(line.name, line.key_hash, line.signature))
    return [(line.name, head.size) for line, head in places]


def attach_timestamp(
    log: LogTransaction, response: bytes, authorities: Sequence[TimestampAuthority]
) -> tuple[str, int]:
    """Keep an authority's answer with the latest checkpoint over whose text it is.

    Returns:
        The authority's name and the size of the checkpoint.

    Raises:
        InvalidInputError: if there are no ``authorities`` to believe.
        VerificationError: if it is over none of the log's checkpoints, or by none of them.
        MissingExtraError: without the extra ``audit``.
    """
    if not authorities:
        raise InvalidInputError("name the time-stamp authority: its answers name it in no safe way")
    name, digest = stamped_digest(response)
    head = _latest(log, lambda note: hashlib.new(name, note.text.encode()).digest() == digest)
    if head is None:
        raise VerificationError("the time-stamp is over none of this log's checkpoints")
    refused = VerificationError("nobody")
    for authority in authorities:
        try:
            line = timestamp_line(head.note, authority, response)
        except VerificationError as error:
            refused = error
            continue
        _keep(log, head.size, line)
        return authority.name, head.size
    raise refused


def _signed_head(
    log: LogTransaction, line: NoteSignature, cosigners: Sequence[Cosigner], size: int | None
) -> SignedCheckpoint:
    """The checkpoint that a line is over."""

    def is_over(note: Note) -> bool:
        try:
            return any(find_cosignature(Note(note.text, (line,)), each) for each in own)
        except VerificationError:
            return False

    own = [each for each in cosigners if _is_by(line, each)]
    if cosigners and not own:
        raise VerificationError(f"the line of {line.name} is by no cosigner that is trusted")
    if size is not None and next((h.size for h in log.checkpoints(size)), None) != size:
        raise NotFoundError(f"there is no checkpoint of {size} records")
    head = _latest(log, is_over if own else lambda _: True, size)
    if head is None:
        which = "any checkpoint of this log" if size is None else f"the checkpoint of {size}"
        raise VerificationError(f"the line of {line.name} is not over {which}")
    return head


def _latest(
    log: LogTransaction, fits: Callable[[Note], bool], size: int | None = None
) -> SignedCheckpoint | None:
    """The latest checkpoint that fits, or the one of ``size`` if it does."""
    latest = None
    for head in log.checkpoints(size or 0):
        if size is not None and head.size != size:
            break
        if fits(Note.parse(head.note)):
            latest = head
    return latest


def _keep(log: LogTransaction, size: int, line: str) -> None:
    add_line(next(log.checkpoints(size)).note, line)  # refuses what would make it malformed
    log.attach_signature(size, line)


def _cosignature(line: str, origin: str) -> NoteSignature:
    signed = NoteSignature.parse(line)
    if len(signed.signature) != TIME_BYTES + SIGNATURE_BYTES:
        raise VerificationError(f"the line of {signed.name} is no Ed25519 cosignature")
    if signed.name == origin:
        raise VerificationError(
            "a line by the log itself says nothing that it does not say already"
        )
    return signed


def _is_by(line: NoteSignature, cosigner: Cosigner) -> bool:
    hint = cosigner_hash(cosigner.name, cosigner.key)
    return (line.name, line.key_hash) == (cosigner.name, hint)


def _key(name: str, pem: bytes) -> PublicKey:
    try:
        return PublicKey.from_pem(pem)
    except VerificationError as error:
        raise VerificationError(f"the cosigner {name}: {error.reason}") from None


def _certificates(name: str, pem: bytes) -> tuple[bytes, ...]:
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise VerificationError(f"the authority {name}: not certificates in PEM") from None
    return tuple(each.public_bytes(Encoding.DER) for each in found)


def _hash(text: object) -> bytes:
    try:
        found = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES or found.hex() != text:
        raise VerificationError(f"hashes are {HASH_BYTES} bytes in lower-case hex")
    return found
