"""Search of insights by what they mean: their vectors in the database, the nearest of them found.

The table ``insight_vectors`` is the truth. What is held in memory is derived from it, and whatever
is found there is looked up and measured again in the caller's own snapshot.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from crossmodel.store import schema, vector_files
from crossmodel.store.embeddings import UNRELATED, Embeddings
from crossmodel.store.following import Following
from crossmodel.store.nearest import Nearest
from crossmodel.store.rows import chunks
from crossmodel.store.wanted import JUDGED, Wanted
from crossmodel.text.embedding import Matrix, Vector

SPARE: Final = 0.5
"""What is measured exactly beyond what is asked for, as a share of it: neighbours change places
when coordinates have eight bits. Four times as many when too few are wanted."""

MOST_CANDIDATES: Final = 4096

MOST_BYTES: Final = 2**30
"""Memory for vectors of tenants beside the one that is searched; the last used stay."""


class VectorIndex(Embeddings):
    """Vectors by one embedder; safe to share among threads.

    ``folder`` is where graphs of many vectors are kept between starts; ``None`` keeps none.

    Raises:
        InvalidInputError: if there is no embedder of that name.
    """

    def __init__(self, embedder: str, folder: Path | None) -> None:
        super().__init__(embedder)
        self._folder = folder
        self._tenants: OrderedDict[str, Following] = OrderedDict()
        self._lock = threading.Lock()

    def put(
        self, connection: sa.Connection, insights: Sequence[tuple[int, str]], matrix: Matrix
    ) -> None:
        """Keep vectors of insights, each known by its row number and tenant."""
        if not insights:
            return
        rows = [
            {"insight_seq": seq, "tenant": tenant, "embedder": self.name, "vector": row.tobytes()}
            for (seq, tenant), row in zip(insights, matrix.astype(np.float16), strict=True)
        ]
        connection.execute(sa.insert(schema.insight_vectors), rows)

    def find(
        self, connection: sa.Connection, query: str, limit: int, wanted: Wanted
    ) -> dict[int, float]:
        """Row numbers of the nearest insights, best first, each with its cosine.

        A transaction that writes finds what was known when somebody last read: its own insights
        may yet be taken back, and must not be seen by others.
        """
        vector = self.embedder.embed(query)
        if limit < 1 or not vector.any():
            return {}
        following = self._following(wanted.tenant)
        if connection.get_execution_options().get("reading", False):
            following.catch_up(connection)
        count = math.ceil((1.0 + SPARE) * limit)
        while True:
            seqs, cosines = following.nearest.search(vector, count)
            near = self._measured(connection, seqs.tolist(), vector, wanted)
            reached_all = len(seqs) < count or cosines[-1] < UNRELATED
            if len(near) >= limit or reached_all or count >= MOST_CANDIDATES:
                return dict(sorted(near.items(), key=lambda each: (-each[1], each[0]))[:limit])
            count *= 4

    def vectors(self, connection: sa.Connection, seqs: Iterable[int]) -> dict[int, Vector]:
        """The vectors of those of the insights that have one."""
        rows = self._rows(connection, list(seqs))
        if not rows:
            return {}
        return dict(zip([row.insight_seq for row in rows], self._matrix(rows), strict=True))

    def forget(self, tenant: str, seqs: Iterable[int]) -> None:
        """Let go of vectors whose rows are erased, in memory and in the tenant's file.

        To be called once the erasure is committed.
        """
        with self._lock:
            held = tenant in self._tenants
        if held or ((file := self._file(tenant)) is not None and file.exists()):
            self._following(tenant).forget(np.fromiter(seqs, dtype=np.int64))

    def look_again(self) -> None:
        """Compare with the database in full before the next search: rows came between others."""
        with self._lock:
            for following in self._tenants.values():
                following.look_again()

    def settle(self, tenant: str) -> None:
        """Wait until the graph of the tenant's vectors is built."""
        self._following(tenant).nearest.settle()

    def close(self) -> None:
        """Stop building graphs, and keep those that have changed."""
        with self._lock:
            leaving = list(self._tenants.values())
            self._tenants.clear()
        for following in leaving:
            following.close()

    def _file(self, tenant: str) -> Path | None:
        return self._folder and self._folder / vector_files.file_name(tenant, self.name)

    def _following(self, tenant: str) -> Following:
        """The tenant's vectors in memory; those of others leave when there are too many."""
        leaving = []
        with self._lock:
            if (following := self._tenants.get(tenant)) is None:
                following = self._tenants[tenant] = Following(
                    tenant, self.name, Nearest(self.embedder.dimensions), self._file(tenant)
                )
            self._tenants.move_to_end(tenant)
            held = sum(each.nearest.nbytes for each in self._tenants.values())
            while held > MOST_BYTES and len(self._tenants) > 1:
                _, oldest = self._tenants.popitem(last=False)
                held -= oldest.nearest.nbytes
                leaving.append(oldest)
        for oldest in leaving:
            oldest.close()
        return following

    def _measured(
        self, connection: sa.Connection, seqs: Sequence[int], vector: Vector, wanted: Wanted
    ) -> dict[int, float]:
        """The cosines of those of the insights that are wanted and near enough."""
        rows = [row for row in self._rows(connection, seqs) if wanted.admits(*row[2:])]
        if not rows:
            return {}
        cosines = self._matrix(rows) @ vector
        return {
            row.insight_seq: float(cosine)
            for row, cosine in zip(rows, cosines, strict=True)
            if cosine >= UNRELATED
        }

    def _rows(self, connection: sa.Connection, seqs: Sequence[int]) -> list[Any]:
        """Vectors of insights, with what says whether they are wanted."""
        size = 2 * self.embedder.dimensions
        return [
            row
            for part in chunks(seqs)
            for row in connection.execute(_VECTORS, {"seqs": part, "embedder": self.name}).all()
            if len(row.vector) == size
        ]

    @staticmethod
    def _matrix(rows: Sequence[Any]) -> Matrix:
        halves = np.frombuffer(b"".join(row.vector for row in rows), dtype=np.float16)
        return halves.reshape(len(rows), -1).astype(np.float32)


_VECTORS: Final = (
    sa.select(schema.insight_vectors.c.insight_seq, schema.insight_vectors.c.vector, *JUDGED)
    .join_from(
        schema.insight_vectors,
        schema.insights,
        schema.insights.c.seq == schema.insight_vectors.c.insight_seq,
    )
    .where(
        schema.insight_vectors.c.insight_seq.in_(sa.bindparam("seqs", expanding=True)),
        schema.insight_vectors.c.embedder == sa.bindparam("embedder"),
    )
)
