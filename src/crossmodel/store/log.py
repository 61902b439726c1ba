"""The Merkle log's tables: leaves, nodes, signed heads, and the values that statements hide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa

from crossmodel.domain.witness import Commitment, LogLeaf, SignedCheckpoint
from crossmodel.errors import NotFoundError, StoreConflictError, StoreError
from crossmodel.ports import NodeAt, RawLeaf
from crossmodel.store import schema
from crossmodel.store.rows import CHUNK, Rows, chunks, exact_bytes

# As text, for appending and proving are a dozen of these: to make such a query with SQLAlchemy
# takes longer than to run it. What is put in are whole numbers.
_SIZE: Final = 'SELECT max("index") FROM log_leaves'
_LEAF_COLUMNS: Final = ", ".join(f'"{name}"' for name in LogLeaf.__slots__)
_LEAVES: Final = (
    f"SELECT {_LEAF_COLUMNS} FROM log_leaves "  # noqa: S608 - our own names
    'WHERE "index" >= {start:d} AND "index" < {stop:d} ORDER BY "index" LIMIT {chunk:d}'
)
_LEAF_HASHES: Final = 'SELECT "index", leaf_hash FROM log_leaves WHERE "index" IN ({indexes})'
_NODES: Final = (
    'SELECT "index", hash FROM log_nodes WHERE level = {level:d} AND "index" IN ({indexes})'
)
_MOVE_SPOOL: Final = sa.text(
    'INSERT INTO log_spools (producer, segment, "offset") VALUES (:p, :s, :o) '
    'ON CONFLICT (producer) DO UPDATE SET segment = excluded.segment, "offset" = excluded."offset"'
)
_SIGNER: Final = 1
_LEAF: Final = attrgetter(*LogLeaf.__slots__)
_COMMITMENT: Final = attrgetter(*Commitment.__slots__)


def _as_stored(column: sa.Column[Any]) -> sa.Label[Any]:
    """A column as the driver gives it: what an editor put there may be of another type."""
    return sa.type_coerce(column, sa.types.NullType()).label(column.name)


_AS_STORED: Final = sa.select(*map(_as_stored, schema.checkpoints.c))


class LogTables(Rows):
    """The port ``LogTransaction``: what is the same on every database."""

    def log_size(self) -> int:
        """How many leaves there are.

        Raises:
            StoreError: if somebody has put anything but numbers where leaves are numbered.
        """
        last = self._connection.exec_driver_sql(_SIZE).scalar()
        if last is not None and not isinstance(last, int):
            raise StoreError("a record's index is no number: restore the store from a backup")
        return 0 if last is None else last + 1

    def append_leaves(self, leaves: Sequence[LogLeaf]) -> None:
        """Add leaves; their indexes must continue the log without a gap."""
        expected = self.log_size()
        indexes = [leaf.index for leaf in leaves]
        if indexes != list(range(expected, expected + len(indexes))):
            raise StoreError(
                f"the log's next leaf is {expected}, not {indexes[0]} to {indexes[-1]}"
            )
        self._insert_tuples(schema.log_leaves, LogLeaf.__slots__, list(map(_LEAF, leaves)))

    def leaves(self, start: int, stop: int) -> Iterator[LogLeaf]:
        """The leaves ``start <= index < stop``, in order, in bounded memory."""
        while True:
            query = _LEAVES.format(start=start, stop=stop, chunk=CHUNK)
            rows = self._connection.exec_driver_sql(query).all()
            yield from map(_leaf, rows)
            if len(rows) < CHUNK:
                return
            start = rows[-1][0] + 1

    def raw_leaves(self, start: int) -> Iterator[Sequence[RawLeaf]]:
        """The records from ``start`` on, in order, some hundred at a time, as they are stored."""
        table = schema.log_leaves
        columns = (table.c.index, table.c.payload_type, table.c.statement, table.c.leaf_hash)
        query = sa.select(*map(_as_stored, columns)).where(table.c.index >= start)
        return self._in_parts(query.order_by(table.c.index))

    def raw_digests(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str]]]:
        """With which record the value of which digest is kept, in order, some at a time."""
        table = schema.commitments
        return self._kept(first_leaf, table.c.leaf, table.c.digest)

    def raw_values(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str, bytes, bytes]]]:
        """Record, digest, salt and value of what is hidden, in order, some at a time."""
        table = schema.commitments
        return self._kept(first_leaf, table.c.leaf, table.c.digest, table.c.salt, table.c.value)

    def _kept(self, first_leaf: int, *columns: sa.Column[Any]) -> Iterator[Sequence[Any]]:
        table = schema.commitments
        query = sa.select(*map(_as_stored, columns)).where(table.c.leaf >= first_leaf)
        return self._in_parts(query.order_by(table.c.leaf, table.c.position))

    def _in_parts(self, query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
        yield from self._streamed(query).partitions()

    def _streamed(self, query: sa.Select[Any]) -> sa.CursorResult[Any]:
        """Rows that are fetched some at a time, however many there are."""
        return self._connection.execute(query, execution_options={"yield_per": CHUNK})

    def leaves_about(self, tenant: str, about: str) -> list[LogLeaf]:
        """The tenant's records about a request or insight, in order."""
        table = schema.log_leaves
        columns = (table.c[name] for name in LogLeaf.__slots__)
        query = sa.select(*columns).where(table.c.about == about, table.c.tenant == tenant)
        return list(map(_leaf, self._connection.execute(query.order_by(table.c.index))))

    def put_signatures(self, leaf: int, signatures: Mapping[str, bytes]) -> None:
        """Keep signatures over one record, by the id of their key."""
        self._insert(
            schema.log_signatures,
            (
                {"leaf": leaf, "key_id": key_id, "signature": signature}
                for key_id, signature in signatures.items()
            ),
        )

    def raw_signatures(self, first_leaf: int) -> Iterator[Sequence[tuple[int, str, bytes]]]:
        """Record, key id and signature of what signs records, in order, some at a time."""
        table = schema.log_signatures
        query = sa.select(*map(_as_stored, table.c)).where(table.c.leaf >= first_leaf)
        return self._in_parts(query.order_by(table.c.leaf, table.c.key_id))

    def get_signatures(self, leaf: int) -> dict[str, bytes]:
        """The signatures over one record, by the id of their key."""
        table = schema.log_signatures
        query = sa.select(table.c.key_id, table.c.signature).where(table.c.leaf == leaf)
        rows = self._connection.execute(query)
        return {key_id: exact_bytes(signature) for key_id, signature in rows}

    def write_nodes(self, nodes: Mapping[NodeAt, bytes]) -> None:
        """Keep the hashes of complete subtrees above level 0."""
        rows = [(level, index, digest) for (level, index), digest in nodes.items()]
        self._insert_tuples(schema.log_nodes, ("level", "index", "hash"), rows)

    def read_nodes(self, positions: Sequence[NodeAt]) -> dict[NodeAt, bytes]:
        """The hashes kept at these positions; level 0 gives leaf hashes."""
        by_level: dict[int, list[int]] = {}
        for level, index in positions:
            by_level.setdefault(level, []).append(index)
        found: dict[NodeAt, bytes] = {}
        for part in chunks(by_level.pop(0, ())):
            query = _LEAF_HASHES.format(indexes=_numbers(part))
            found.update({(0, i): digest for i, digest in self._connection.exec_driver_sql(query)})
        for level, indexes in by_level.items():
            for part in chunks(indexes):
                query = _NODES.format(level=level, indexes=_numbers(part))
                rows = self._connection.exec_driver_sql(query)
                found.update({(level, index): digest for index, digest in rows})
        return found

    def claim_signing(self, holder: str, now: datetime, until: datetime) -> int | None:
        """Be the log's one signer until then; the token to publish with, or ``None``."""
        table = schema.log_signer
        row = self._one(table, id=_SIGNER)
        if row is None:
            first = {"id": _SIGNER, "holder": holder, "token": 1, "until": until}
            self._connection.execute(sa.insert(table), first)
            return 1
        is_held = row["holder"] != "" and row["until"] > now
        if is_held and row["holder"] != holder:
            return None
        token: int = row["token"] if is_held else row["token"] + 1
        changed = {"holder": holder, "token": token, "until": until}
        self._connection.execute(sa.update(table).where(table.c.id == _SIGNER), changed)
        return token

    def release_signing(self, token: int) -> bool:
        """Let others sign; False if somebody else has claimed it since."""
        table = schema.log_signer
        mine = sa.and_(table.c.id == _SIGNER, table.c.token == token)
        done = self._connection.execute(sa.update(table).where(mine), {"holder": ""})
        return done.rowcount == 1

    def add_checkpoint(self, checkpoint: SignedCheckpoint, token: int | None = None) -> None:
        """Keep a signed head, and let others sign; see the port for what is refused."""
        if token is not None and not self.release_signing(token):
            raise StoreConflictError(
                f"the head of size {checkpoint.size} is not kept: another signer has taken over "
                "since, and its heads count"
            )
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
        newest = _AS_STORED.order_by(table.c.size.desc()).limit(1)
        row = self._connection.execute(newest).mappings().first()
        return None if row is None else SignedCheckpoint(**row)

    def checkpoints(self, first_size: int = 0) -> Iterator[SignedCheckpoint]:
        """The signed heads of at least that size, by size, in bounded memory."""
        table = schema.checkpoints
        in_order = _AS_STORED.where(table.c.size >= first_size).order_by(table.c.size)
        for row in self._streamed(in_order).mappings():
            yield SignedCheckpoint(**row)

    def attach_signature(self, size: int, line: str) -> None:
        """Add somebody else's signature line to the note of the head of that size."""
        table = schema.checkpoints
        row = self._one(table, size=size)
        if row is None:
            raise NotFoundError(f"there is no checkpoint of size {size}")
        if line not in row["note"].splitlines():
            note = f"{row['note']}{line}\n"
            self._connection.execute(sa.update(table).where(table.c.size == size), {"note": note})

    def put_commitments(self, records: Mapping[int, Sequence[Commitment]]) -> None:
        """Keep the salts and values that records are the first to commit to, by record."""
        names = ("leaf", "position", *Commitment.__slots__)
        rows = [
            (leaf, position, *_COMMITMENT(commitment))
            for leaf, commitments in records.items()
            for position, commitment in enumerate(commitments)
        ]
        self._insert_tuples(schema.commitments, names, rows)

    def get_commitments(self, leaf: int, digests: Sequence[str]) -> dict[str, Commitment]:
        """Those of the commitments of a record that have not been erased."""
        leaves, table = schema.log_leaves, schema.commitments
        own = sa.select(leaves.c.about, leaves.c.tenant).where(leaves.c.index == leaf).subquery()
        siblings = sa.select(leaves.c.index).where(
            leaves.c.about == own.c.about, leaves.c.tenant == own.c.tenant, own.c.about != ""
        )
        columns = (table.c.digest, table.c.salt, table.c.value, table.c.tenant)
        at = sa.or_(table.c.leaf == leaf, table.c.leaf.in_(siblings))
        rows = self._connection.execute(sa.select(*columns).where(at))
        wanted = set(digests)
        return {
            digest: Commitment(digest, exact_bytes(salt), exact_bytes(value), tenant)
            for digest, salt, value, tenant in rows
            if digest in wanted
        }

    def spools(self) -> list[str]:
        """The producers whose spools have been read."""
        return list(self._connection.scalars(sa.select(schema.log_spools.c.producer)))

    def spool_position(self, producer: str) -> tuple[int, int]:
        """How far a producer's spool has been read: segment and offset, (0, 0) at first."""
        row = self._one(schema.log_spools, producer=producer)
        return (0, 0) if row is None else (row["segment"], row["offset"])

    def set_spool_position(self, producer: str, segment: int, offset: int) -> None:
        """Note how far it has been read, in the transaction that keeps what was read."""
        self._connection.execute(_MOVE_SPOOL, {"p": producer, "s": segment, "o": offset})

    def forget_spool(self, producer: str) -> None:
        """Forget a producer whose spool is gone."""
        table = schema.log_spools
        self._connection.execute(sa.delete(table).where(table.c.producer == producer))


def _leaf(row: Sequence[Any]) -> LogLeaf:
    """A row in the order of a leaf's fields."""
    index, payload_type, statement, leaf_hash, tenant, about = row
    return LogLeaf(
        index, payload_type, exact_bytes(statement), exact_bytes(leaf_hash), tenant, about
    )


def _numbers(indexes: Sequence[int]) -> str:
    return ", ".join(f"{index:d}" for index in indexes)
