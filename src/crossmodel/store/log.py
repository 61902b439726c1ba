"""The Merkle log's tables: leaves, nodes, signed heads, and the values that statements hide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from crossmodel.domain.witness import Commitment, LogLeaf, SignedCheckpoint
from crossmodel.errors import StoreError
from crossmodel.ports import NodeAt
from crossmodel.store import schema
from crossmodel.store.rows import CHUNK, Rows, chunks


class LogTables(Rows):
    """The port ``LogTransaction``: what is the same on every database."""

    def log_size(self) -> int:
        """How many leaves there are."""
        last = self._connection.scalar(sa.select(sa.func.max(schema.log_leaves.c.index)))
        return 0 if last is None else last + 1

    def append_leaves(self, leaves: Sequence[LogLeaf]) -> None:
        """Add leaves; their indexes must continue the log without a gap."""
        expected = self.log_size()
        for position, leaf in enumerate(leaves, expected):
            if leaf.index != position:
                raise StoreError(f"the log's next leaf is {position}, not {leaf.index}")
        self._insert(schema.log_leaves, (asdict(leaf) for leaf in leaves))

    def leaves(self, start: int, stop: int) -> Iterator[LogLeaf]:
        """The leaves ``start <= index < stop``, in order, in bounded memory."""
        index = schema.log_leaves.c.index
        in_order = sa.select(schema.log_leaves).order_by(index).limit(CHUNK)
        while True:
            query = in_order.where(index >= start, index < stop)
            leaves = [LogLeaf(**row) for row in self._connection.execute(query).mappings()]
            yield from leaves
            if len(leaves) < CHUNK:
                return
            start = leaves[-1].index + 1

    def write_nodes(self, nodes: Mapping[NodeAt, bytes]) -> None:
        """Keep the hashes of complete subtrees above level 0."""
        self._insert(
            schema.log_nodes,
            (
                {"level": level, "index": index, "hash": digest}
                for (level, index), digest in nodes.items()
            ),
        )

    def read_nodes(self, positions: Sequence[NodeAt]) -> dict[NodeAt, bytes]:
        """The hashes kept at these positions; level 0 gives leaf hashes."""
        found: dict[NodeAt, bytes] = {}
        leaves, nodes = schema.log_leaves, schema.log_nodes
        for chunk in chunks([index for level, index in positions if level == 0]):
            leaf_query = sa.select(leaves.c.index, leaves.c.leaf_hash)
            leaf_rows = self._connection.execute(leaf_query.where(leaves.c.index.in_(chunk)))
            found.update({(0, index): digest for index, digest in leaf_rows})
        for above in chunks([position for position in positions if position[0] > 0]):
            at = sa.tuple_(nodes.c.level, nodes.c.index).in_(above)
            rows = self._connection.execute(sa.select(nodes).where(at))
            found.update({(level, index): digest for level, index, digest in rows})
        return found

    def add_checkpoint(self, checkpoint: SignedCheckpoint) -> None:
        """Keep a signed head; one of the same size and another root is refused."""
        row = self._one(schema.checkpoints, size=checkpoint.size)
        if row is None:
            self._connection.execute(sa.insert(schema.checkpoints), asdict(checkpoint))
        elif row["root"] != checkpoint.root:
            raise StoreError(
                f"there is a checkpoint of size {checkpoint.size} with another root: the log has "
                "forked; keep both files and find out who wrote the other"
            )

    def latest_checkpoint(self) -> SignedCheckpoint | None:
        """The signed head of the largest size."""
        table = schema.checkpoints
        newest = sa.select(table).order_by(table.c.size.desc()).limit(1)
        row = self._connection.execute(newest).mappings().first()
        return None if row is None else SignedCheckpoint(**row)

    def put_commitments(self, commitments: Sequence[Commitment]) -> None:
        """Keep salts and values, by digest."""
        known = self.get_commitments([commitment.digest for commitment in commitments])
        fresh = {c.digest: c for c in commitments if c.digest not in known}
        self._insert(schema.commitments, (asdict(commitment) for commitment in fresh.values()))

    def get_commitments(self, digests: Sequence[str]) -> dict[str, Commitment]:
        """Those of the commitments that have not been erased."""
        table = schema.commitments
        found: dict[str, Commitment] = {}
        for chunk in chunks(digests):
            rows = self._connection.execute(sa.select(table).where(table.c.digest.in_(chunk)))
            found.update({row["digest"]: Commitment(**row) for row in rows.mappings()})
        return found
