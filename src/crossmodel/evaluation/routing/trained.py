"""Routers to and from files, for the commands that train and judge them."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from crossmodel.errors import InvalidInputError
from crossmodel.ports import Spread
from crossmodel.selection.learned import (
    LearnedRouter,
    OutcomeTable,
    dump_router,
    load_router,
    train_router,
)
from crossmodel.text.embedding import best_embedder, open_embedder


def train(table: OutcomeTable, embedder: str = "best", *, spread: Spread = map) -> LearnedRouter:
    """A router learned from a table; ``embedder`` is a name, or ``best`` of what is installed."""
    opened = best_embedder() if embedder == "best" else open_embedder(embedder)
    return train_router(table, opened, spread=spread)


def save(router: LearnedRouter, file: BinaryIO) -> int:
    """Write a router; returns how many bytes it has."""
    return file.write(dump_router(router))


def load(path: Path) -> LearnedRouter:
    """The router of a file.

    Raises:
        InvalidInputError: if it cannot be read or is no router.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from error
    try:
        return load_router(data)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from error
