"""Waiting until what others have handed over is written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from crossmodel.witness.handing_over.spool import (
    DONE,
    Position,
    decode_progress,
    is_producer,
    segment_name,
)

LOOK_SECONDS: Final = 0.02


async def written_by(root: Path, *, seconds: float, besides: Collection[str] = ()) -> list[str]:
    """Wait until all that producers have handed over by now is written.

    Args:
        root: the folder of all producers of one store.
        seconds: how long to wait.
        besides: producers whose records are not waited for.

    Returns:
        The producers whose records are still not written; none mostly.
    """
    give_up_at = time.monotonic() + seconds
    waited_for = {folder: _end(folder) for folder in _producers(root) if folder.name not in besides}
    while True:
        waited_for = {
            folder: end for folder, end in waited_for.items() if not _is_written(folder, end)
        }
        if not waited_for or time.monotonic() >= give_up_at:
            return sorted(folder.name for folder in waited_for)
        await asyncio.sleep(LOOK_SECONDS)


def _producers(root: Path) -> list[Path]:
    try:
        return [entry for entry in root.iterdir() if is_producer(entry.name)]
    except FileNotFoundError:
        return []


def _end(folder: Path) -> Position:
    """The place behind what is in a producer's files."""
    segments = sorted(folder.glob(segment_name(0).replace("0", "[0-9]")))
    if not segments:
        return Position(0, 0)
    try:
        return Position(int(segments[-1].stem), segments[-1].stat().st_size)
    except FileNotFoundError:  # it has been read and removed
        return Position(0, 0)


def _is_written(folder: Path, end: Position) -> bool:
    """Whether the writer has come so far, or has removed what it had read to its end."""
    try:
        progress = decode_progress((folder / DONE).read_bytes())
    except FileNotFoundError:
        return not folder.exists() or end == (0, 0)
    return progress is not None and progress.position >= end
