"""The evidence file of one record: its statement, its proof, and what the holder discloses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossmodel.errors import VerificationError
from crossmodel.witness.dsse import Signature, parse_signatures
from crossmodel.witness.keys.pairs import PublicKey
from crossmodel.witness.statement import SALT_BYTES, STATEMENT_TYPE, pae, subject_digests
from crossmodel.witness.strict import load_base64, load_json

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """An evidence file taken apart; nothing in it is believed yet."""

    payload_type: str
    body: bytes
    proof: str
    disclosed: tuple[tuple[str, bytes, bytes], ...]
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Evidence:
        """Read the file's outer form.

        Raises:
            VerificationError: if it is not exactly of the form.
        """
        value = load_json(data)
        names = {"payloadType", "statement", "proof", "disclosed"}
        if not isinstance(value, dict) or set(value) - {"signatures"} != names:
            raise VerificationError(
                f"evidence has exactly the fields {', '.join(sorted(names))}, perhaps signatures"
            )
        texts = [value["payloadType"], value["statement"], value["proof"]]
        if not all(isinstance(text, str) for text in texts):
            raise VerificationError("payloadType, statement and proof are strings")
        if not isinstance(value["disclosed"], list):
            raise VerificationError("disclosed is a list")
        disclosed = tuple(_disclosure(row) for row in value["disclosed"])
        signatures = _signatures(value["signatures"]) if "signatures" in value else ()
        return cls(texts[0], load_base64(texts[1]), texts[2], disclosed, signatures)

    def check_signatures(self, keys: Sequence[PublicKey]) -> list[PublicKey]:
        """Whether the record's own signatures are as :func:`check_signatures` asks.

        Raises:
            VerificationError: for the first that is not.
        """
        return check_signatures(self.payload_type, self.body, self.signatures, keys)

    def check_disclosed(self, document: Mapping[str, Any]) -> None:
        """Whether each disclosed value is one that the statement commits to.

        Raises:
            VerificationError: for the first that is not.
        """
        committed = set(subject_digests(document))
        if len({digest for digest, *_ in self.disclosed}) < len(self.disclosed):
            raise VerificationError("a value is disclosed twice")
        for digest, salt, value in self.disclosed:
            if len(salt) != SALT_BYTES:  # else bytes could pass from the value into the salt
                raise VerificationError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
            if hashlib.sha256(salt + value).hexdigest() != digest:
                raise VerificationError(f"the value disclosed for {digest[:16]}… is another")
            if digest not in committed:
                raise VerificationError(f"the statement does not commit to {digest[:16]}…")


def check_signatures(
    payload_type: str, body: bytes, signatures: Sequence[Signature], keys: Sequence[PublicKey]
) -> list[PublicKey]:
    """Whether each signature over a record is by one of the trusted ``keys``; names those keys.

    Which key it is, is tried and not read; a key id that then names another key is a lie.

    Raises:
        VerificationError: for the first that is not, or if a key signed twice.
    """
    message = pae(payload_type, body)
    found = []
    for signature in signatures:
        key = next((each for each in keys if each.verifies(signature.sig, message)), None)
        if key is None:
            raise VerificationError(
                f"the signature said to be by {signature.keyid[:16]!r} is by no key that is "
                "trusted for this record"
            )
        if signature.keyid != key.key_id:
            raise VerificationError(f"a signature by {key.key_id[:16]}… names another key")
        found.append(key)
    if len(set(found)) < len(found):
        raise VerificationError("a key signed twice")
    return found


def parse_statement(body: bytes) -> Mapping[str, Any]:
    """A statement's bytes as a document.

    Raises:
        VerificationError: if it is no in-toto Statement v1 with SHA-256 subjects.
    """
    document = load_json(body)
    names = {"_type", "subject", "predicateType", "predicate"}
    if not isinstance(document, dict) or set(document) != names:
        raise VerificationError(f"a statement has exactly the fields {', '.join(sorted(names))}")
    if document["_type"] != STATEMENT_TYPE or not isinstance(document["predicateType"], str):
        raise VerificationError(f"a statement is a {STATEMENT_TYPE} with a predicate type")
    if not isinstance(document["predicate"], dict) or not isinstance(document["subject"], list):
        raise VerificationError("a statement has a predicate and a list of subjects")
    try:
        digests = subject_digests(document)
    except (KeyError, TypeError):
        raise VerificationError("each subject has a SHA-256 digest") from None
    if not digests or not all(
        isinstance(digest, str) and _SHA256_HEX.fullmatch(digest) for digest in digests
    ):
        raise VerificationError("each subject has a SHA-256 digest")
    return document


def _signatures(rows: Any) -> tuple[Signature, ...]:
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and set(row) == {"keyid", "sig"} and isinstance(row["sig"], str)
        for row in rows
    ):
        raise VerificationError("a signature has exactly the fields keyid, sig")
    for row in rows:
        load_base64(row["sig"])  # an envelope may use another alphabet; ours has one
    return parse_signatures(rows)


def _disclosure(row: Any) -> tuple[str, bytes, bytes]:
    names = {"digest", "salt", "value"}
    if not isinstance(row, dict) or set(row) != names:
        raise VerificationError(f"a disclosure has exactly the fields {', '.join(sorted(names))}")
    if not all(isinstance(row[name], str) for name in names):
        raise VerificationError("a disclosure's fields are strings")
    return row["digest"], load_base64(row["salt"]), load_base64(row["value"])
