"""The Merkle log over stored nodes: appending is O(1) amortised, a proof O(log n) reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import Final

from crossmodel.domain.period import utc_now
from crossmodel.domain.witness import Commitment, LogLeaf, SignedCheckpoint, Statement
from crossmodel.errors import InvalidInputError, NotFoundError, WitnessError
from crossmodel.ports import Clock, LogReader, LogTransaction, NodeAt, RawLeaf
from crossmodel.witness import merkle
from crossmodel.witness.statement import Draft, logged_at, pae

NODE_STRIDE: Final = 4
"""Only the nodes of levels that this divides are kept, one for 15 leaves; each of the others is at
most eight hashes away."""

RAW_AT_ONCE: Final = 500
"""Records that are given at a time where they are read as they are."""


class TreeBuilder:
    """Takes leaf hashes in order and gives the roots to be kept of subtrees that become complete.

    ``peaks`` are the roots of the complete subtrees so far, left to right, with their levels.
    """

    def __init__(self, size: int = 0, peaks: Sequence[tuple[int, bytes]] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)

    def extend(self, leaf_hashes: Sequence[bytes]) -> dict[NodeAt, bytes]:
        """Add leaves, level by level; returns the nodes that they complete and that are kept."""
        completed: dict[NodeAt, bytes] = {}
        waiting = dict(self.peaks)  # at most one subtree a level waits for its right sibling
        level, first, nodes = 0, self.size, list(leaf_hashes)
        self.size += len(nodes)
        while nodes:
            if level in waiting:
                nodes.insert(0, waiting.pop(level))
                first -= 1
            if len(nodes) & 1:
                waiting[level] = nodes.pop()
            nodes = merkle.parents(nodes)
            level, first = level + 1, first >> 1
            if level % NODE_STRIDE == 0:
                completed.update({(level, index): node for index, node in enumerate(nodes, first)})
        self.peaks = sorted(waiting.items(), reverse=True)
        return completed

    def root(self) -> bytes:
        """Root over all leaves so far."""
        return merkle.fold([digest for _, digest in self.peaks])


def leaf_hash(payload_type: str, body: bytes) -> bytes:
    """Hash of the leaf that holds a statement."""
    return merkle.leaf_hash(pae(payload_type, body))


def append(
    tx: LogTransaction, statements: Sequence[Draft | Statement], clock: Clock = utc_now
) -> list[int]:
    """Add statements with what they commit to; returns their leaves' indexes.

    The time that drafts get is the clock's, or that of the record before where the clock has been
    set back. A value that several statements about one thing commit to is kept with the first of
    them.
    """
    size = tx.log_size()
    builder = TreeBuilder(size, peaks(tx, size))
    before = next((logged_at(leaf.statement) for leaf in tx.leaves(size - 1, size)), None)
    moment = clock() if before is None else max(clock(), before)
    leaves: list[LogLeaf] = []
    hidden: dict[int, list[Commitment]] = {}
    known: set[tuple[str, str]] = set()
    for index, each in enumerate(statements, size):
        said = each.seal(moment) if isinstance(each, Draft) else each
        digest = leaf_hash(said.payload_type, said.body)
        leaves.append(LogLeaf(index, said.payload_type, said.body, digest, said.tenant, said.about))
        for commitment in said.commitments:
            value = said.about, commitment.digest
            if value not in known:
                known.add(value)
                hidden.setdefault(index, []).append(commitment)
    tx.append_leaves(leaves)
    tx.write_nodes(builder.extend([leaf.leaf_hash for leaf in leaves]))
    tx.put_commitments(hidden)
    return [leaf.index for leaf in leaves]


def root_at(tx: LogReader, size: int) -> bytes:
    """Root of the log's first ``size`` leaves."""
    return merkle.fold([digest for _, digest in peaks(tx, size)])


def inclusion_proof(tx: LogReader, index: int, size: int) -> list[bytes]:
    """The path of a leaf in the log's first ``size`` leaves."""
    return _roots(tx, merkle.inclusion_ranges(index, size))


def consistency_proof(tx: LogReader, size1: int, size2: int) -> list[bytes]:
    """The nodes that prove the first head to be a beginning of the second."""
    return _roots(tx, merkle.consistency_ranges(size1, size2))


def peaks(tx: LogReader, size: int) -> list[tuple[int, bytes]]:
    """Level and root of the complete subtrees that the first ``size`` leaves are made of.

    Raises:
        WitnessError: if the log lacks a node.
    """
    positions = list(merkle.perfect_subtrees(0, size))
    nodes = _nodes(tx, positions)
    return [(position[0], nodes[position]) for position in positions]


def _roots(tx: LogReader, ranges: Sequence[merkle.Range]) -> list[bytes]:
    parts = [list(merkle.perfect_subtrees(first, last)) for first, last in ranges]
    nodes = _nodes(tx, [position for part in parts for position in part])
    return [merkle.fold([nodes[position] for position in part]) for part in parts]


def _nodes(tx: LogReader, positions: Sequence[NodeAt]) -> dict[NodeAt, bytes]:
    """The nodes at any positions, computed from those that are kept below them."""
    below = {position: _kept_below(position) for position in positions}
    kept = tx.read_nodes([each for parts in below.values() for each in parts])
    missing = [each for parts in below.values() for each in parts if each not in kept]
    if missing:
        raise WitnessError(f"the log lacks its node {missing[0]}: restore it from a backup")
    return {
        position: merkle.root([kept[each] for each in parts]) for position, parts in below.items()
    }


def _kept_below(position: NodeAt) -> list[NodeAt]:
    level, index = position
    above = level % NODE_STRIDE
    first = index << above
    return [(level - above, each) for each in range(first, first + (1 << above))]


class MemoryLog:
    """The port ``LogTransaction`` in memory, for a CrossModelVIF that is used alone."""

    def __init__(self) -> None:
        self._leaves: list[LogLeaf] = []
        self._nodes: dict[NodeAt, bytes] = {}
        self._checkpoints: dict[int, SignedCheckpoint] = {}
        self._commitments: dict[str, Commitment] = {}
        self._kept_with: dict[str, int] = {}
        self._signatures: dict[int, dict[str, bytes]] = {}

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
        yield from self._leaves[max(start, 0) : max(stop, 0)]

    def raw_leaves(self, start: int) -> Iterator[Sequence[RawLeaf]]:
        """The records from ``start`` on, in order, as they are kept."""
        for first in range(start, len(self._leaves), RAW_AT_ONCE):
            yield [
                (leaf.index, leaf.payload_type, leaf.statement, leaf.leaf_hash)
                for leaf in self._leaves[first : first + RAW_AT_ONCE]
            ]

    def raw_digests(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str]]]:
        """With which record the value of which digest is kept, in order."""
        for rows in self.raw_values(first_leaf):
            yield [(leaf, digest) for leaf, digest, *_ in rows]

    def raw_values(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str, bytes, bytes]]]:
        """Record, digest, salt and value of what is hidden, in order."""
        rows = [
            (self._kept_with[digest], digest, kept.salt, kept.value)
            for digest, kept in self._commitments.items()
            if self._kept_with[digest] >= first_leaf
        ]
        yield sorted(rows, key=itemgetter(0))

    def leaves_about(self, tenant: str, about: str) -> list[LogLeaf]:
        """The tenant's records about a request or insight, in order."""
        return [leaf for leaf in self._leaves if (leaf.tenant, leaf.about) == (tenant, about)]

    def put_signatures(self, leaf: int, signatures: Mapping[str, bytes]) -> None:
        """Keep signatures over one record, by the id of their key."""
        self._signatures.setdefault(leaf, {}).update(signatures)

    def raw_signatures(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str, bytes]]]:
        """Record, key id and signature of what signs records, in order."""
        yield [
            (leaf, key_id, signature)
            for leaf in sorted(self._signatures)
            for key_id, signature in sorted(self._signatures[leaf].items())
            if leaf >= first_leaf
        ]

    def get_signatures(self, leaf: int) -> dict[str, bytes]:
        """The signatures over one record, by the id of their key."""
        return dict(self._signatures.get(leaf, {}))

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

    def claim_signing(self, holder: str, now: datetime, until: datetime) -> int | None:  # noqa: ARG002 - nobody else is there
        """Be the one signer: in memory there is no other."""
        return 1

    def release_signing(self, token: int) -> bool:
        """Let others sign: in memory there are none."""
        return token == 1

    def add_checkpoint(self, checkpoint: SignedCheckpoint, token: int | None = None) -> None:  # noqa: ARG002 - as above
        """Keep a signed head; one of the same size and another root is refused."""
        known = self._checkpoints.setdefault(checkpoint.size, checkpoint)
        if known.root != checkpoint.root:
            raise WitnessError(f"there is another checkpoint of size {checkpoint.size}")

    def latest_checkpoint(self) -> SignedCheckpoint | None:
        """The signed head of the largest size."""
        return self._checkpoints[max(self._checkpoints)] if self._checkpoints else None

    def checkpoints(self, first_size: int = 0) -> Iterator[SignedCheckpoint]:
        """The signed heads of at least that size, by size."""
        yield from (self._checkpoints[n] for n in sorted(self._checkpoints) if n >= first_size)

    def attach_signature(self, size: int, line: str) -> None:
        """Add somebody else's signature line to the note of the head of that size."""
        if size not in self._checkpoints:
            raise NotFoundError(f"there is no checkpoint of size {size}")
        head = self._checkpoints[size]
        if line not in head.note.splitlines():
            self._checkpoints[size] = replace(head, note=f"{head.note}{line}\n")

    def put_commitments(self, records: Mapping[int, Sequence[Commitment]]) -> None:
        """Keep salts and values."""
        for leaf, commitments in records.items():
            for commitment in commitments:
                self._commitments[commitment.digest] = commitment
                self._kept_with[commitment.digest] = leaf

    def get_commitments(self, leaf: int, digests: Sequence[str]) -> dict[str, Commitment]:  # noqa: ARG002 - in memory the digest is enough
        """Those of the commitments that there are."""
        return {d: self._commitments[d] for d in digests if d in self._commitments}
