"""Signed notes, as C2SP's *signed-note* defines them: a text, a blank line, signature lines.

Ed25519 lines are the ones that existing tools read. The format assigns RSA no type, so RSA lines
use type 0xff, which is open to all, with a long identifier of ours.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossmodel.errors import VerificationError, WitnessError
from crossmodel.witness.keys.pairs import ED25519, PublicKey, Signer
from crossmodel.witness.strict import is_key_name, load_base64

SIGNATURE_START: Final = "\N{EM DASH} "
ED25519_TYPE: Final = b"\x01"
RSA_TYPE: Final = b"\xffcrossmodel.dev/rsa-pss-sha256-mgf1-sha256-salt32"
KEY_HASH_BYTES: Final = 4
MAX_NOTE_BYTES: Final = 1_000_000
MAX_SIGNATURES: Final = 100


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: who is said to have signed, a hint at the key, the signature."""

    name: str
    key_hash: bytes
    signature: bytes

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """Take a signature line, without its newline, apart.

        Raises:
            VerificationError: if it is not exactly of the form.
        """
        name, space, encoded = line.removeprefix(SIGNATURE_START).partition(" ")
        if not line.startswith(SIGNATURE_START) or not space or not is_key_name(name):
            raise VerificationError("a signature line is a dash, a name and base64")
        raw = load_base64(encoded)
        if len(raw) <= KEY_HASH_BYTES:
            raise VerificationError("a signature line holds no signature")
        return cls(name, raw[:KEY_HASH_BYTES], raw[KEY_HASH_BYTES:])


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note. ``text`` ends in a newline and is exactly what the signatures cover."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, note: str) -> Note:
        """Take a note apart.

        Raises:
            VerificationError: if it is not exactly of the form.
        """
        _check_characters(note)
        text, separator, tail = note.rpartition("\n\n")
        if not separator or not tail.endswith("\n"):
            raise VerificationError("a note is a text, a blank line, and signature lines")
        lines = tail[:-1].split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise VerificationError(f"a note has at most {MAX_SIGNATURES} signatures")
        return cls(text + "\n", tuple(NoteSignature.parse(line) for line in lines))

    def is_signed_by(self, name: str, key: PublicKey) -> bool:
        """Whether the note has lines of that name and key, and each of them verifies.

        A key's hash is only a hint, so a line may be another key's that shares it; the format
        asks to refuse such a note, and so does this.
        """
        message = self.text.encode()
        verdicts = [
            key.verifies(signature, message) for signature in self.lines(name, key_hash(name, key))
        ]
        return bool(verdicts) and all(verdicts)

    def lines(self, name: str, hint: bytes) -> list[bytes]:
        """The signatures of all lines of that name and hint; nothing is verified."""
        return [
            line.signature
            for line in self.signatures
            if line.name == name and line.key_hash == hint
        ]


def sign_note(text: str, name: str, signers: Sequence[Signer]) -> str:
    """A note over ``text`` with a line for each signer.

    Raises:
        WitnessError: if the text does not end in a newline or holds control characters, or the
            name cannot stand in a line.
    """
    _check_characters(text)
    if not text.endswith("\n"):
        raise WitnessError("a note's text must end in a newline")
    if not is_key_name(name):
        raise WitnessError(f"a key name has no spaces, control characters or plus signs: {name!r}")
    message = text.encode()
    lines = [
        signature_line(name, key_hash(name, signer.public), signer.sign(message))
        for signer in signers
    ]
    return "\n".join([text, *lines, ""])


def add_line(note: str, line: str) -> str:
    """The same note with one more signature line; one that it has already is not added again.

    Raises:
        VerificationError: if either is not of the form, or the note has no room for it.
    """
    added = NoteSignature.parse(line.removesuffix("\n"))
    if added in Note.parse(note).signatures:
        return note
    longer = f"{note}{signature_line(added.name, added.key_hash, added.signature)}\n"
    Note.parse(longer)  # its size and number of lines
    return longer


def signature_line(name: str, hint: bytes, signature: bytes) -> str:
    """A note's signature line, without its newline."""
    return f"{SIGNATURE_START}{name} {base64.b64encode(hint + signature).decode()}"


def key_hash(name: str, key: PublicKey) -> bytes:
    """The hint at a key that signs notes as their author."""
    return line_hash(name, ED25519_TYPE if key.algorithm == ED25519 else RSA_TYPE, key.raw)


def line_hash(name: str, kind: bytes, material: bytes) -> bytes:
    """The first four bytes of SHA-256 over name, newline, signature type and key material."""
    said = name.encode("utf-8", "surrogatepass")  # which names no line: notes are UTF-8
    return hashlib.sha256(said + b"\n" + kind + material).digest()[:KEY_HASH_BYTES]


def _check_characters(note: str) -> None:
    try:
        size = len(note.encode("utf-8"))
    except UnicodeEncodeError:
        raise VerificationError("a note is UTF-8") from None
    if size > MAX_NOTE_BYTES:
        raise VerificationError(f"a note has at most {MAX_NOTE_BYTES:,} bytes")
    if any(c < " " and c != "\n" for c in note):
        raise VerificationError("a note holds no control characters")
