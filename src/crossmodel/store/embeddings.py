"""What insights' vectors are made of, wherever they are kept and however they are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Final

import sqlalchemy as sa

from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.store.wanted import Wanted
from crossmodel.text.embedding import Embedder, Matrix, Vector, embedder_name, open_embedder

UNRELATED: Final = 0.3
"""A cosine that nine of ten pairs of sentences of different subjects stay below (in Python's
manual, static 0.91, hashed 0.90, MiniLM 0.86 of them): what lies below is not found."""


class Embeddings(ABC):
    """Vectors by one embedder; safe to share among threads.

    Raises:
        InvalidInputError: if there is no embedder of that name.
    """

    def __init__(self, embedder: str) -> None:
        self.name = embedder_name(embedder)

    @property
    def embedder(self) -> Embedder:
        """The embedder, loaded when it is first needed."""
        return open_embedder(self.name)

    def add(
        self, connection: sa.Connection, tenant: str, insights: Sequence[tuple[int, Insight]]
    ) -> None:
        """Keep the vectors of new insights, each with its row number."""
        matrix = self.embedder.embed_all([embedded(insight) for _, insight in insights])
        self.put(connection, [(seq, tenant) for seq, _ in insights], matrix)

    @abstractmethod
    def put(
        self, connection: sa.Connection, insights: Sequence[tuple[int, str]], matrix: Matrix
    ) -> None:
        """Keep vectors of insights, each known by its row number and tenant."""

    @abstractmethod
    def find(
        self, connection: sa.Connection, query: str, limit: int, wanted: Wanted
    ) -> dict[int, float]:
        """Row numbers of the nearest insights, best first, each with its cosine."""

    @abstractmethod
    def vectors(self, connection: sa.Connection, seqs: Iterable[int]) -> dict[int, Vector]:
        """The vectors of those of the insights that have one."""

    @abstractmethod
    def forget(self, tenant: str, seqs: Iterable[int]) -> None:
        """Let go of what is held outside of the database of rows whose erasure is committed."""

    @abstractmethod
    def look_again(self) -> None:
        """Expect rows between those that were seen before."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held outside of the database."""


def embedded(insight: Insight) -> str:
    """What of an insight becomes its vector: what it is about and what it says.

    A worked example is known by its input as well, since that is what questions are like.
    """
    given = insight.metadata.get("input") if insight.kind == InsightKind.EXAMPLE else None
    parts = [insight.scope, insight.content, given if isinstance(given, str) else ""]
    return "\n".join(part for part in parts if part)
