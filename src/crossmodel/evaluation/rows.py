"""Files of JSON lines whose rows are all of one type."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from crossmodel.errors import InvalidInputError, NotFoundError


class Row(Protocol):
    """What a row must have."""

    @property
    def id(self) -> str:
        """Unique within a file."""
        ...


R = TypeVar("R", bound=Row)


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """The rows of a JSONL file; fields that ``kind`` does not have are skipped.

    Raises:
        NotFoundError: if the file cannot be read.
        InvalidInputError: naming the line that is no such row, or the id that is there twice.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"cannot read {path}: {error}") from error
    # not splitlines(), which breaks at U+2028 inside of strings
    return parse_rows(text.split("\n"), str(path), kind)


def parse_rows(lines: Iterable[str], origin: str, kind: type[R]) -> list[R]:
    """The rows in lines of JSON; empty lines are skipped. ``origin`` is for error messages."""
    name = kind.__name__.lower()
    rows: dict[str, R] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=kind)
        except (msgspec.MsgspecError, InvalidInputError, UnicodeEncodeError) as error:
            raise InvalidInputError(f"{origin}:{number}: not a {name}: {error}") from error
        if row.id in rows:
            raise InvalidInputError(f"{origin}:{number}: the id {row.id!r} is there twice")
        rows[row.id] = row
    if not rows:
        raise InvalidInputError(f"{origin} holds no {name}s")
    return list(rows.values())
