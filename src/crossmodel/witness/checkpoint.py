"""Checkpoints and inclusion proofs as text: C2SP's *tlog-checkpoint* and *tlog-proof*."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossmodel.errors import VerificationError
from crossmodel.witness.merkle import HASH_BYTES, MAX_SIZE
from crossmodel.witness.note import Note
from crossmodel.witness.strict import load_base64

PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_PATH: Final = 63
"""Most hashes of an inclusion path: a tree has less than 2**63 leaves."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_CHECKPOINT_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of a log: its name, how many leaves it has, and the root over them."""

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a checkpoint's text. Lines after the third are extensions that we do not know.

        Raises:
            VerificationError: if it is not exactly of the form.
        """
        lines = text.split("\n")
        if len(lines) <= _CHECKPOINT_LINES or lines[-1] or not all(lines[:-1]):
            raise VerificationError("a checkpoint is an origin, a size and a root")
        root = load_base64(lines[2])
        if len(root) != HASH_BYTES:
            raise VerificationError(f"a root has {HASH_BYTES} bytes")
        return cls(lines[0], parse_decimal(lines[1]), root)


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A leaf's place in a log: its index, its path, and the signed head that the path leads to."""

    index: int
    path: tuple[bytes, ...]
    note: str

    def to_text(self) -> str:
        """The proof as text."""
        hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in self.path)
        return f"{PROOF_HEADER}\nindex {self.index}\n{hashes}\n{self.note}"

    @classmethod
    def parse(cls, text: str) -> TlogProof:
        """Take a proof apart; an ``extra`` line is allowed and means nothing to us.

        Raises:
            VerificationError: if it is not exactly of the form.
        """
        head, separator, note = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or lines.pop(0) != PROOF_HEADER:
            raise VerificationError(f"a proof starts with {PROOF_HEADER} and ends in a checkpoint")
        if lines and lines[0].startswith("extra "):
            load_base64(lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index "):
            raise VerificationError("a proof names its leaf's index")
        index = parse_decimal(lines.pop(0).removeprefix("index "))
        if len(lines) > MAX_PATH:
            raise VerificationError(f"a path has at most {MAX_PATH} hashes")
        return cls(index, tuple(_hashes(lines)), note)

    def checkpoint(self) -> tuple[Checkpoint, Note]:
        """The head that the path leads to, and the note that signs it."""
        note = Note.parse(self.note)
        return Checkpoint.parse(note.text), note


def parse_decimal(digits: str) -> int:
    """A decimal without sign or leading zeros, below 2**63.

    Raises:
        VerificationError: for anything else.
    """
    if not _DECIMAL.fullmatch(digits) or int(digits) > MAX_SIZE:
        raise VerificationError(f"not a decimal: {digits[:30]!r}")
    return int(digits)


def _hashes(lines: Sequence[str]) -> list[bytes]:
    hashes = [load_base64(line) for line in lines]
    if any(len(each) != HASH_BYTES for each in hashes):
        raise VerificationError(f"a hash of the path has {HASH_BYTES} bytes")
    return hashes
