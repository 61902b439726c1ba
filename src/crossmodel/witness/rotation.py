"""Rotation records: who signs from there on, said by the keys before and the keys after.

A record at leaf *r* names the old keys and the new ones, and is signed, over its DSSE encoding, by
all of both. Old keys are believed up to the tree of *r* + 1 records, new ones from that tree on, so
the head of exactly that size, the handover head, is signed by both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crossmodel.domain.witness import LogLeaf
from crossmodel.errors import VerificationError
from crossmodel.witness import merkle
from crossmodel.witness.checkpoint import TlogProof
from crossmodel.witness.evidence import Evidence, parse_statement
from crossmodel.witness.keys.pairs import PublicKey
from crossmodel.witness.keys.trust import Trust, TrustedKey
from crossmodel.witness.log import leaf_hash
from crossmodel.witness.schemas import KEY_ROTATION, predicate_type
from crossmodel.witness.statement import PAYLOAD_TYPE, pae, subject_digests


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation record that both generations of keys have signed."""

    index: int
    body: bytes
    old: tuple[PublicKey, ...]
    new: tuple[PublicKey, ...]

    @property
    def from_size(self) -> int:
        """The tree from which on the new keys are believed, and up to which the old ones are."""
        return self.index + 1

    @classmethod
    def of(
        cls, index: int, payload_type: str, body: bytes, signatures: Collection[bytes]
    ) -> Rotation:
        """Read the record at leaf ``index`` and check its signatures; whose they are is not asked.

        Raises:
            VerificationError: if it is no rotation record, says another place than its own, or
                lacks a signature by one of the keys that it names.
        """
        document = parse_statement(body)
        if payload_type != PAYLOAD_TYPE or document["predicateType"] != predicate_type(
            KEY_ROTATION
        ):
            raise VerificationError(f"record {index} is no key rotation")
        predicate = document["predicate"]
        old, new = _keys(predicate, "old"), _keys(predicate, "new")
        if type(predicate.get("from_size")) is not int or predicate["from_size"] != index + 1:
            raise VerificationError(
                f"the rotation at record {index} must be from size {index + 1} on"
            )
        if set(old) & set(new):
            raise VerificationError(f"the rotation at record {index} goes on with an old key")
        if {key.key_id for key in new} != set(subject_digests(document)):
            raise VerificationError(f"the rotation at record {index} is about other keys")
        message = pae(payload_type, body)
        for key in (*old, *new):
            if not any(key.verifies(each, message) for each in signatures):
                raise VerificationError(
                    f"the rotation at record {index} is not signed by {key.algorithm} "
                    f"{key.key_id[:16]}…"
                )
        return cls(index, body, old, new)

    @classmethod
    def at(cls, leaf: LogLeaf, signatures: Mapping[str, bytes]) -> Rotation:
        """The record that a log holds. A database that was edited may hold anything.

        Raises:
            VerificationError: as :meth:`of`.
        """
        if not isinstance(leaf.statement, bytes) or not all(
            isinstance(each, bytes) for each in signatures.values()
        ):
            raise VerificationError(f"record {leaf.index} is no key rotation: it is no bytes")
        return cls.of(leaf.index, leaf.payload_type, leaf.statement, signatures.values())

    def check_trusted(self, trust: Trust) -> None:
        """Whether it hands over from keys that are believed until then to keys believed since.

        Raises:
            VerificationError: if it does not.
        """
        believed = {t.key for t in trust.keys if t.covers(self.from_size)}
        known = {*self.old, *self.new}
        if not believed <= known or not believed & set(self.old) or not believed & set(self.new):
            raise VerificationError(
                f"record {self.index} rotates keys, but not from and to those that are trusted"
            )


def generations(
    rotations: Sequence[Rotation], newest: Sequence[PublicKey]
) -> tuple[TrustedKey, ...]:
    """All keys that signed a log, each with its sizes, by going back from the ``newest`` ones.

    Each generation is believed because the one after it has signed who came before. ``rotations``
    are in the order of the log; those that lead to other keys are passed over.
    """
    keys, last = tuple(newest), None
    trusted: list[TrustedKey] = []
    for rotation in reversed(rotations):
        if set(rotation.new) & set(keys):
            trusted[:0] = [TrustedKey(key, rotation.from_size, last) for key in keys]
            keys, last = rotation.old, rotation.from_size
    return (*(TrustedKey(key, 0, last) for key in keys), *trusted)


def accept_rotation(data: bytes, trust: Trust) -> Trust:
    """What to believe after a rotation, by its evidence file and what was believed before.

    The file is the evidence of the rotation record under the handover head, with the record's
    signatures. Whoever has stolen the old keys can make such a file too: where that may be, get
    the new trust file by a way that you trust instead.

    Raises:
        VerificationError: if the evidence is malformed or another log's; if a signature of the old
            keys, all that are believed at that size, or of the new ones is missing, under the
            record or under the head; if the sizes do not fit; if a new key is outside of our
            policy or was believed before; or if the rotation was accepted already.
    """
    evidence = Evidence.parse(data)
    proof = TlogProof.parse(evidence.proof)
    checkpoint, note = proof.checkpoint()
    if checkpoint.origin != trust.origin:
        raise VerificationError(
            f"it is of the log {checkpoint.origin[:80]!r}, trusted is {trust.origin!r}"
        )
    signatures = [each.sig for each in evidence.signatures]
    rotation = Rotation.of(proof.index, evidence.payload_type, evidence.body, signatures)
    if checkpoint.size != rotation.from_size:
        raise VerificationError(
            f"the evidence must be under the head of {rotation.from_size} records, at which the "
            f"keys were handed over, not of {checkpoint.size}"
        )
    known = {trusted.key for trusted in trust.keys}
    if known.issuperset(rotation.new):
        raise VerificationError("the rotation was accepted already: the trust file has its keys")
    if not known.isdisjoint(rotation.new):
        raise VerificationError("the rotation goes on with a key that was believed before")
    if not {each.key for each in trust.cosigners}.isdisjoint(rotation.new):
        raise VerificationError("the rotation goes on with the key of a trusted cosigner")
    believed = {trusted.key for trusted in trust.keys if trusted.covers(rotation.from_size)}
    if believed != set(rotation.old) or any(
        trusted.to_size is not None for trusted in trust.keys if trusted.key in believed
    ):
        raise VerificationError(
            f"the rotation is not from the keys that are trusted at {rotation.from_size} records; "
            "accept earlier rotations first"
        )
    for key in (*rotation.old, *rotation.new):
        if not note.is_signed_by(checkpoint.origin, key):
            raise VerificationError(
                f"the handover head is not signed by {key.algorithm} {key.key_id[:16]}…"
            )
    leaf = leaf_hash(evidence.payload_type, evidence.body)
    if not merkle.verify_inclusion(leaf, proof.index, checkpoint.size, proof.path, checkpoint.root):
        raise VerificationError(f"the path does not lead from leaf {proof.index} to the root")
    return replace(trust, keys=tuple(_after(trust.keys, rotation)))


def _after(keys: Iterable[TrustedKey], rotation: Rotation) -> Iterable[TrustedKey]:
    for trusted in keys:
        ends = trusted.key in rotation.old
        yield replace(trusted, to_size=rotation.from_size) if ends else trusted
    yield from (TrustedKey(key, rotation.from_size) for key in rotation.new)


def _keys(predicate: Mapping[str, Any], name: str) -> tuple[PublicKey, ...]:
    rows = predicate.get(name)
    fields = {"algorithm", "spki", "key_id"}
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and set(row) == fields for row in rows
    ):
        raise VerificationError(f"a rotation's {name} keys are rows of {', '.join(sorted(fields))}")
    keys = tuple(PublicKey.from_row(row) for row in rows)
    if not keys or len(set(keys)) < len(keys):
        raise VerificationError(f"a rotation names its {name} keys, each once")
    return keys
