"""DSSE envelopes (secure-systems-lab/dsse, protocol and envelope 1.0.2): bytes, type, signatures.

A signature covers the payload's exact bytes together with their type. The key id in an envelope is
nobody's word: which keys may verify is the verifier's to say, and all of them are tried.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from crossmodel.errors import VerificationError
from crossmodel.witness.keys.pairs import Signer
from crossmodel.witness.statement import pae
from crossmodel.witness.strict import load_base64, load_json

MAX_SIGNATURES: Final = 100
"""Most signatures of one envelope: each is tried with each key."""

_URL_SAFE: Final = str.maketrans("-_", "+/")


class Verifier(Protocol):
    """A public key that knows its algorithm."""

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` is this key's over exactly ``message``."""
        ...


Key = TypeVar("Key", bound=Verifier)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of an envelope; ``keyid`` is a hint, empty where there is none."""

    keyid: str
    sig: bytes

    def to_row(self) -> dict[str, str]:
        """How an envelope's JSON writes it."""
        encoded = base64.b64encode(self.sig).decode()
        return {"keyid": self.keyid, "sig": encoded} if self.keyid else {"sig": encoded}


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope taken apart; nothing in it is believed yet."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def sign(cls, payload_type: str, payload: bytes, signers: Sequence[Signer]) -> Envelope:
        """An envelope with a signature by each signer."""
        message = pae(payload_type, payload)
        made = (Signature(each.public.key_id, each.sign(message)) for each in signers)
        return cls(payload_type, payload, tuple(made))

    @classmethod
    def parse(cls, data: bytes) -> Envelope:
        """Read an envelope's JSON. Fields that we do not know are ignored, as the standard asks.

        Base64 may use either alphabet of RFC 4648, but each value has one encoding in each.

        Raises:
            VerificationError: if it is not of the form.
        """
        value = load_json(data)
        if not isinstance(value, dict) or not value.keys() >= {
            "payload",
            "payloadType",
            "signatures",
        }:
            raise VerificationError("an envelope has a payload, a payloadType and signatures")
        if not isinstance(value["payload"], str) or not isinstance(value["payloadType"], str):
            raise VerificationError("an envelope's payload and payloadType are strings")
        signatures = parse_signatures(value["signatures"])
        return cls(value["payloadType"], _load_either(value["payload"]), signatures)

    def to_json(self) -> bytes:
        """The envelope as one line of JSON, in standard base64."""
        value = {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [each.to_row() for each in self.signatures],
        }
        return json.dumps(value, separators=(",", ":")).encode() + b"\n"

    def verified_by(self, keys: Iterable[Key], threshold: int = 1) -> list[Key]:
        """Those of the trusted ``keys`` that signed it, at least ``threshold`` (1 or more) of them.

        Signatures by nobody whom we trust are ignored: they are others' business.

        Raises:
            VerificationError: if fewer keys did.
        """
        if threshold < 1:
            raise ValueError("a threshold below 1 would believe an unsigned envelope")
        message = pae(self.payload_type, self.payload)
        believed = list(dict.fromkeys(keys))  # a key that is listed twice counts once
        found = [
            key
            for key in believed
            if any(key.verifies(each.sig, message) for each in self.signatures)
        ]
        if len(found) < threshold:
            raise VerificationError(
                f"{len(found)} of {len(believed)} trusted keys signed it, {threshold} must have"
            )
        return found


def parse_signatures(rows: Any) -> tuple[Signature, ...]:
    """The signatures of an envelope's JSON.

    Raises:
        VerificationError: if they are not of the form, none, or more than a hundred.
    """
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_SIGNATURES:
        raise VerificationError(f"signatures is a list of 1 to {MAX_SIGNATURES} signatures")
    return tuple(_signature(row) for row in rows)


def _signature(row: Any) -> Signature:
    if not isinstance(row, Mapping) or not isinstance(row.get("sig"), str):
        raise VerificationError("a signature is an object with a sig")
    keyid = row.get("keyid") or ""  # unset is the same as empty
    if not isinstance(keyid, str):
        raise VerificationError("a keyid is a string")
    return Signature(keyid, _load_either(row["sig"]))


def _load_either(text: str) -> bytes:
    """Base64 in the standard alphabet or the URL-safe one, but in no mixture of both."""
    if "-" in text or "_" in text:
        if "+" in text or "/" in text:
            raise VerificationError("not base64: two alphabets in one value")
        text = text.translate(_URL_SAFE)
    return load_base64(text)
