"""What the log keeps, and what verification says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Commitment:
    """A value that a statement commits to without showing it: ``SHA256(salt ‖ value)``.

    ``salt`` is 32 random bytes; ``digest`` is the hash in hex. ``tenant`` says whose value it is:
    empty where nobody said.
    """

    digest: str
    salt: bytes = field(repr=False)
    value: bytes = field(repr=False)
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """The exact bytes of an in-toto statement, and the hidden values that it commits to.

    ``body`` is serialised once and never again: what is signed, stored and shown are these bytes.
    ``tenant`` and ``about`` (the id of the request or insight) find the record again; they are no
    part of what is proved.
    """

    payload_type: str
    body: bytes
    commitments: tuple[Commitment, ...] = ()
    tenant: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class LogLeaf:
    """One record of the log. ``leaf_hash`` is the RFC 6962 hash of its DSSE encoding.

    ``tenant`` and ``about`` are as in :class:`Statement`.
    """

    index: int
    payload_type: str
    statement: bytes
    leaf_hash: bytes
    tenant: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A signed head of the log: ``note`` is the C2SP signed note, exactly as signed."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class SigningClaim:
    """The right to sign the log's head, until it ends or is given back.

    ``token`` is larger than those of all claims before; ``holder`` is a name that no other claim
    has, also where a database has gone back and gives a token a second time.
    """

    holder: str
    token: int


@dataclass(frozen=True, slots=True)
class LogStanding:
    """How far the log has got.

    Attributes:
        records: how many there are.
        signed_records: how many of them the last checkpoint covers.
        newest_signed_at: when the last of those was logged, UTC; ``None`` if there is none.
        oldest_unsigned_at: when the first was logged that no checkpoint covers; ``None`` likewise.
        unwritten_bytes: what was handed over and is not in the store yet.
    """

    records: int
    signed_records: int
    newest_signed_at: datetime | None = None
    oldest_unsigned_at: datetime | None = None
    unwritten_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key of the log: for which sizes of trees it signs, and where its private half is.

    ``rotation`` is the record that brought it in, ``None`` for the first keys. ``path``,
    ``is_encrypted`` and ``mode`` (permission bits) are those of its file; ``None`` where it has
    none: the private keys of earlier generations were destroyed.
    """

    algorithm: str
    key_id: str
    from_size: int = 0
    to_size: int | None = None
    path: str | None = None
    is_encrypted: bool | None = None
    mode: int | None = None

    @property
    def is_current(self) -> bool:
        """Whether it signs now."""
        return self.to_size is None

    @property
    def rotation(self) -> int | None:
        """The record that brought it in."""
        return self.from_size - 1 if self.from_size else None

    @property
    def is_private(self) -> bool:
        """Whether nobody but its owner may read or write its file."""
        return self.mode is None or self.mode & 0o077 == 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "algorithm": self.algorithm,
            "key_id": self.key_id,
            "from_size": self.from_size,
            "to_size": self.to_size,
            "current": self.is_current,
            "rotation": self.rotation,
            "path": self.path,
            "encrypted": self.is_encrypted,
            "mode": None if self.mode is None else f"{self.mode:04o}",
        }


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That a log's first ``size1`` records are the beginning of its first ``size2`` (RFC 9162).

    ``signed`` are those of the two sizes that a checkpoint of the log is of.
    """

    size1: int
    size2: int
    root1: bytes
    root2: bytes
    path: tuple[bytes, ...]
    signed: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; hashes in hex."""
        return {
            "size1": self.size1,
            "root1": self.root1.hex(),
            "size2": self.size2,
            "root2": self.root2.hex(),
            "proof": [each.hex() for each in self.path],
            "signed": list(self.signed),
        }


@dataclass(frozen=True, slots=True)
class VerificationStep:
    """One numbered step of a verification, and what came of it."""

    number: int
    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What was checked, and the verdict.

    ``verdict`` is ``"valid"``, ``"valid, completeness not checked"`` or ``"invalid"``. A report
    over no record is never valid.
    """

    verdict: str
    records: int
    steps: tuple[VerificationStep, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_valid(self) -> bool:
        """Whether nothing was refused."""
        return self.verdict != "invalid"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "verdict": self.verdict,
            "valid": self.is_valid,
            "records": self.records,
            "steps": [
                {"number": s.number, "name": s.name, "passed": s.passed, "detail": s.detail}
                for s in self.steps
            ],
            "details": dict(self.details),
        }
