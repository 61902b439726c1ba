"""The Merkle log over stored nodes: appending is O(1) amortised, a proof O(log n) reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from crossmodel.domain.witness import Commitment, LogLeaf, SignedCheckpoint, Statement
from crossmodel.errors import InvalidInputError, WitnessError
from crossmodel.ports import LogTransaction, NodeAt
from crossmodel.witness import merkle
from crossmodel.witness.statement import pae


class TreeBuilder:
    """Takes leaf hashes in order and yields each subtree's root as it becomes complete.

    ``peaks`` are the roots of the complete subtrees so far, left to right, with their levels.
    """

    def __init__(self, size: int = 0, peaks: Sequence[tuple[int, bytes]] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)

    def add(self, leaf_hash: bytes) -> dict[NodeAt, bytes]:
        """Add one leaf; returns the nodes above level 0 that it completes."""
        completed: dict[NodeAt, bytes] = {}
        level, computed = 0, leaf_hash
        while self.peaks and self.peaks[-1][0] == level:
            computed = merkle.node_hash(self.peaks.pop()[1], computed)
            level += 1
            completed[level, self.size >> level] = computed
        self.peaks.append((level, computed))
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Root over all leaves so far."""
        return merkle.fold([digest for _, digest in self.peaks])


def leaf_hash(payload_type: str, body: bytes) -> bytes:
    """Hash of the leaf that holds a statement."""
    return merkle.leaf_hash(pae(payload_type, body))


def append(tx: LogTransaction, statements: Sequence[Statement]) -> list[int]:
    """Add statements with what they commit to; returns their leaves' indexes."""
    size = tx.log_size()
    builder = TreeBuilder(size, _peaks(tx, size))
    leaves: list[LogLeaf] = []
    nodes: dict[NodeAt, bytes] = {}
    commitments: list[Commitment] = []
    for index, statement in enumerate(statements, size):
        digest = leaf_hash(statement.payload_type, statement.body)
        leaves.append(LogLeaf(index, statement.payload_type, statement.body, digest))
        nodes.update(builder.add(digest))
        commitments += statement.commitments
    tx.append_leaves(leaves)
    tx.write_nodes(nodes)
    tx.put_commitments(commitments)
    return [leaf.index for leaf in leaves]


def root_at(tx: LogTransaction, size: int) -> bytes:
    """Root of the log's first ``size`` leaves."""
    return merkle.fold([digest for _, digest in _peaks(tx, size)])


def inclusion_proof(tx: LogTransaction, index: int, size: int) -> list[bytes]:
    """The path of a leaf in the log's first ``size`` leaves."""
    return _roots(tx, merkle.inclusion_ranges(index, size))


def consistency_proof(tx: LogTransaction, size1: int, size2: int) -> list[bytes]:
    """The nodes that prove the first head to be a beginning of the second."""
    return _roots(tx, merkle.consistency_ranges(size1, size2))


def _peaks(tx: LogTransaction, size: int) -> list[tuple[int, bytes]]:
    positions = list(merkle.perfect_subtrees(0, size))
    nodes = _nodes(tx, positions)
    return [(position[0], nodes[position]) for position in positions]


def _roots(tx: LogTransaction, ranges: Sequence[merkle.Range]) -> list[bytes]:
    parts = [list(merkle.perfect_subtrees(first, last)) for first, last in ranges]
    nodes = _nodes(tx, [position for part in parts for position in part])
    return [merkle.fold([nodes[position] for position in part]) for part in parts]


def _nodes(tx: LogTransaction, positions: Sequence[NodeAt]) -> dict[NodeAt, bytes]:
    nodes = tx.read_nodes(positions)
    missing = [position for position in positions if position not in nodes]
    if missing:
        raise WitnessError(f"the log lacks its node {missing[0]}: restore it from a backup")
    return nodes


class MemoryLog:
    """The port ``LogTransaction`` in memory, for a CrossModelVIF that is used alone."""

    def __init__(self) -> None:
        self._leaves: list[LogLeaf] = []
        self._nodes: dict[NodeAt, bytes] = {}
        self._checkpoints: dict[int, SignedCheckpoint] = {}
        self._commitments: dict[str, Commitment] = {}

    def log_size(self) -> int:
        """How many leaves there are."""
        return len(self._leaves)

    def append_leaves(self, leaves: Sequence[LogLeaf]) -> None:
        """Add leaves; their indexes must continue the log without a gap."""
        for position, leaf in enumerate(leaves, len(self._leaves)):
            if leaf.index != position:
                raise InvalidInputError(f"the log's next leaf is {position}, not {leaf.index}")
        self._leaves += leaves

    def leaves(self, start: int, stop: int) -> Iterator[LogLeaf]:
        """The leaves ``start <= index < stop``, in order."""
        yield from self._leaves[start:stop]

    def write_nodes(self, nodes: Mapping[NodeAt, bytes]) -> None:
        """Keep the hashes of complete subtrees above level 0."""
        self._nodes.update(nodes)

    def read_nodes(self, positions: Sequence[NodeAt]) -> dict[NodeAt, bytes]:
        """The hashes kept at these positions; level 0 gives leaf hashes."""
        found = {at: self._nodes[at] for at in positions if at in self._nodes}
        for level, index in positions:
            if level == 0 and index < len(self._leaves):
                found[0, index] = self._leaves[index].leaf_hash
        return found

    def add_checkpoint(self, checkpoint: SignedCheckpoint) -> None:
        """Keep a signed head; one of the same size and another root is refused."""
        known = self._checkpoints.setdefault(checkpoint.size, checkpoint)
        if known.root != checkpoint.root:
            raise WitnessError(f"there is another checkpoint of size {checkpoint.size}")

    def latest_checkpoint(self) -> SignedCheckpoint | None:
        """The signed head of the largest size."""
        return self._checkpoints[max(self._checkpoints)] if self._checkpoints else None

    def put_commitments(self, commitments: Sequence[Commitment]) -> None:
        """Keep salts and values, by digest."""
        self._commitments.update({commitment.digest: commitment for commitment in commitments})

    def get_commitments(self, digests: Sequence[str]) -> dict[str, Commitment]:
        """Those of the commitments that there are."""
        return {d: self._commitments[d] for d in digests if d in self._commitments}
