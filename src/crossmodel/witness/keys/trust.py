"""What a verifier believes: the trust file."""

from __future__ import annotations

import base64
import importlib.util
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossmodel.errors import VerificationError
from crossmodel.witness.keys.pairs import ED25519, PublicKey
from crossmodel.witness.strict import is_key_name, load_base64, load_json

TIMESTAMPS_NEED: Final = "time-stamps need the extra 'audit': pip install 'crossmodel[audit]'"


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key that a verifier believes for tree sizes from ``from_size`` to ``to_size``."""

    key: PublicKey
    from_size: int = 0
    to_size: int | None = None

    def covers(self, size: int) -> bool:
        """Whether it is believed for a tree of that size."""
        return self.from_size <= size and (self.to_size is None or size <= self.to_size)


@dataclass(frozen=True, slots=True)
class Cosigner:
    """An outsider who signs only heads that extend what it saw before (C2SP *tlog-cosignature*)."""

    name: str
    key: PublicKey


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """Who says when a head existed (RFC 3161): certificates in DER, a root among them.

    The certificate that signs must be there too if the authority leaves it out of its answers.
    """

    name: str
    certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier believes: one log, by its origin, its keys, and outsiders who watch it.

    With ``cosignatures_needed`` a head counts only if that many of the cosigners have signed it,
    and then it needs no pin. With ``timestamp_authorities`` one of them must have stamped it.
    """

    origin: str
    keys: tuple[TrustedKey, ...]
    cosigners: tuple[Cosigner, ...] = ()
    cosignatures_needed: int = 0
    timestamp_authorities: tuple[TimestampAuthority, ...] = ()

    @classmethod
    def of(cls, origin: str, keys: Sequence[PublicKey]) -> Trust:
        """Trust in keys for trees of every size."""
        return cls(origin, tuple(TrustedKey(key) for key in keys))

    def to_json(self) -> bytes:
        """The trust file."""
        rows = [
            trusted.key.to_row() | {"from_size": trusted.from_size, "to_size": trusted.to_size}
            for trusted in self.keys
        ]
        value = {"origin": self.origin, "keys": rows} | _outsider_rows(self)
        return json.dumps(value, indent=2).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Trust:
        """Read a trust file.

        Raises:
            VerificationError: if it is not exactly one, or holds a key outside of our policy.
        """
        value = load_json(data)
        if not isinstance(value, dict) or set(value) - set(_OUTSIDERS) != {"origin", "keys"}:
            raise VerificationError(
                "a trust file holds an origin and keys, and may hold " + ", ".join(_OUTSIDERS)
            )
        if not isinstance(value["origin"], str) or not isinstance(value["keys"], list):
            raise VerificationError("a trust file's origin is a string, its keys are a list")
        keys = tuple(_trusted(row) for row in value["keys"])
        if not keys:
            raise VerificationError("a trust file must hold at least one key")
        cosigners, needed = _cosigners(value, {trusted.key.spki for trusted in keys})
        return cls(value["origin"], keys, cosigners, needed, _authorities(value))


def _trusted(row: Any) -> TrustedKey:
    names = {"algorithm", "spki", "key_id", "from_size", "to_size"}
    if not isinstance(row, dict) or set(row) != names:
        raise VerificationError(f"a trusted key has exactly the fields {', '.join(sorted(names))}")
    key = PublicKey.from_row(row)
    first, last = row["from_size"], row["to_size"]
    sizes = [first] if last is None else [first, last]
    if not all(type(size) is int and size >= 0 for size in sizes) or sizes != sorted(sizes):
        raise VerificationError("from_size and to_size must be sizes of trees, in this order")
    return TrustedKey(key, first, last)


_OUTSIDERS: Final = ("cosigners", "cosignatures_needed", "timestamp_authorities")
"""What a trust file may hold besides; without it, it means what it always meant."""


def _outsider_rows(trust: Trust) -> dict[str, Any]:
    rows = {
        "cosigners": [
            {"name": each.name, "spki": _base64(each.key.spki), "key_id": each.key.key_id}
            for each in trust.cosigners
        ],
        "cosignatures_needed": trust.cosignatures_needed,
        "timestamp_authorities": [
            {"name": each.name, "certificates": [_base64(der) for der in each.certificates]}
            for each in trust.timestamp_authorities
        ],
    }
    return {name: value for name, value in rows.items() if value}


def _cosigners(
    value: Mapping[str, Any], own: Collection[bytes]
) -> tuple[tuple[Cosigner, ...], int]:
    """The cosigners of a trust file, and how many of them it asks for."""
    cosigners = tuple(
        Cosigner(_outsiders_name(row), _cosigners_key(row))
        for row in _rows(value, "cosigners", {"name", "spki", "key_id"})
    )
    keys = [cosigner.key.spki for cosigner in cosigners]
    if len(set(keys)) < len(keys) or set(keys) & set(own):
        raise VerificationError("each cosigner has a key of its own, which is not the log's")
    needed = value.get("cosignatures_needed", 0)
    if type(needed) is not int or not 0 <= needed <= len(cosigners):
        raise VerificationError(
            f"cosignatures_needed must be from 0 to the number of cosigners, {len(cosigners)}"
        )
    return cosigners, needed


def _cosigners_key(row: Mapping[str, Any]) -> PublicKey:
    key = PublicKey.load(_bytes(row["spki"]))
    if key.algorithm != ED25519 or key.key_id != row["key_id"]:
        raise VerificationError("a cosigner's key is Ed25519, and what its key_id says")
    return key


def _authorities(value: Mapping[str, Any]) -> tuple[TimestampAuthority, ...]:
    rows = _rows(value, "timestamp_authorities", {"name", "certificates"})
    if rows and importlib.util.find_spec("rfc3161_client") is None:
        raise VerificationError(TIMESTAMPS_NEED)
    if not all(isinstance(row["certificates"], list) and row["certificates"] for row in rows):
        raise VerificationError("a timestamp authority has a list of certificates")
    authorities = tuple(
        TimestampAuthority(_outsiders_name(row), tuple(map(_bytes, row["certificates"])))
        for row in rows
    )
    if len({authority.name for authority in authorities}) < len(authorities):
        raise VerificationError("each timestamp authority has a name of its own")
    return authorities


def _rows(value: Mapping[str, Any], field: str, names: set[str]) -> list[Mapping[str, Any]]:
    rows = value.get(field, [])
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and set(row) == names for row in rows
    ):
        raise VerificationError(f"{field} is a list of objects of {', '.join(sorted(names))}")
    return rows


def _outsiders_name(row: Mapping[str, Any]) -> str:
    name = row["name"]
    if not isinstance(name, str) or not is_key_name(name):
        raise VerificationError(
            "an outsider's name has no spaces, control characters or plus signs"
        )
    return name


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise VerificationError("keys and certificates are base64")
    return load_base64(text)
