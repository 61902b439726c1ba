"""The Merkle log, as whoever appends to it and proves from it sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from crossmodel.domain.witness import Commitment, LogLeaf, SignedCheckpoint, SigningClaim

NodeAt = tuple[int, int]
"""Where a node of the Merkle tree stands: (level, index); leaves are level 0."""


RawLeaf = tuple[Any, Any, Any, Any]
"""Index, payload type, statement and leaf hash of a record as they are stored: in a database that
somebody has edited, each of them may be of any type."""


class LogReader(Protocol):
    """What a log is verified from: a transaction of a store, or an export."""

    def log_size(self) -> int:
        """How many leaves there are."""
        ...

    def raw_leaves(self, start: int) -> Iterator[Sequence[RawLeaf]]:
        """The records from ``start`` on, in order, some hundred at a time, as they are stored."""
        ...

    def raw_digests(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str]]]:
        """With which record, of at least ``first_leaf``, the value of which digest is kept.

        In order, some hundred at a time.
        """
        ...

    def raw_values(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str, bytes, bytes]]]:
        """Record, digest, salt and value of what :meth:`raw_digests` tells of."""
        ...

    def read_nodes(self, positions: Sequence[NodeAt]) -> dict[NodeAt, bytes]:
        """The hashes kept at these positions; level 0 gives leaf hashes."""
        ...

    def latest_checkpoint(self) -> SignedCheckpoint | None:
        """The signed head of the largest size."""
        ...

    def checkpoints(self, first_size: int = 0) -> Iterator[SignedCheckpoint]:
        """The signed heads of at least that size, by size, in bounded memory."""
        ...

    def raw_signatures(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str, bytes]]]:
        """Record, key id and signature of all signatures over records from ``first_leaf`` on.

        In order, some hundred at a time.
        """
        ...

    def get_signatures(self, leaf: int) -> dict[str, bytes]:
        """The signatures over one record, by the id of their key."""
        ...


class LogTransaction(LogReader, Protocol):
    """What the Merkle log reads and writes, all inside one transaction."""

    def append_leaves(self, leaves: Sequence[LogLeaf]) -> None:
        """Add leaves; their indexes must continue the log without a gap."""
        ...

    def leaves(self, start: int, stop: int) -> Iterator[LogLeaf]:
        """The leaves ``start <= index < stop``, in order, in bounded memory."""
        ...

    def leaves_about(self, tenant: str, about: str) -> list[LogLeaf]:
        """The tenant's records about a request or insight, in order."""
        ...

    def put_signatures(self, leaf: int, signatures: Mapping[str, bytes]) -> None:
        """Keep signatures over one record, by the id of their key."""
        ...

    def write_nodes(self, nodes: Mapping[NodeAt, bytes]) -> None:
        """Keep the hashes of complete subtrees above level 0."""
        ...

    def claim_signing(self, holder: str, now: datetime, until: datetime) -> SigningClaim | None:
        """Be the log's one signer until then; ``None`` while another claim lasts.

        ``holder`` is a new name for each claim. A claim that would end later than twice as far
        from ``now`` as this one is by a clock that is wrong, and does not last.
        """
        ...

    def renew_signing(self, claim: SigningClaim, until: datetime) -> bool:
        """Let a claim last until then; False if it was given back, or another has followed it."""
        ...

    def check_signing(self, claim: SigningClaim) -> None:
        """Make sure that a claim has been followed by no other, whether it has ended or not.

        Raises:
            StoreConflictError: if it has, or was given back.
        """
        ...

    def release_signing(self, claim: SigningClaim) -> bool:
        """Give a claim back; False if that was done, or another has followed it."""
        ...

    def add_checkpoint(
        self, checkpoint: SignedCheckpoint, claim: SigningClaim | None = None
    ) -> None:
        """Keep a signed head; one of the same size and another root is refused.

        With a ``claim``, so is one whose signer has been followed by another.

        Raises:
            StoreConflictError: as :meth:`check_signing`.
            StoreError: if there is another root.
        """
        ...

    def attach_signature(self, size: int, line: str) -> None:
        """Add somebody else's signature line to the note of the head of that size.

        A line that it has already is not added again.
        """
        ...

    def put_commitments(self, records: Mapping[int, Sequence[Commitment]]) -> None:
        """Keep the salts and values that records are the first to commit to, by record."""
        ...

    def get_commitments(self, leaf: int, digests: Sequence[str]) -> dict[str, Commitment]:
        """Those of the commitments of a record that have not been erased.

        They are kept with the record or with another one about the same request or insight.
        """
        ...
