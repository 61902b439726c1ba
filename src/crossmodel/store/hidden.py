"""The values that records of the log hide, as erasing sees them: found, counted and deleted.

Whoever deletes says which records lack a value from then on. That is more than the records that
values were kept with: the request of a turn is kept with its first record, and others commit to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import sqlalchemy as sa

from crossmodel.store import schema
from crossmodel.store.passages import Needles, forms, raw
from crossmodel.store.rows import chunks
from crossmodel.store.sources import scan
from crossmodel.text.payloads import strings_in


class HiddenValues:
    """The hidden values of one connection's log."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def count(self, leaves: Collection[int]) -> int:
        """How many are kept with these records."""
        table = schema.commitments
        query = sa.select(sa.func.count()).select_from(table)
        return sum(
            self._connection.scalar(query.where(table.c.leaf.in_(chunk))) or 0
            for chunk in chunks(leaves)
        )

    def of(self, leaves: Collection[int]) -> list[bytes]:
        """Those that are kept with these records."""
        table = schema.commitments
        found: list[bytes] = []
        for chunk in chunks(leaves):
            query = sa.select(table.c.value).where(table.c.leaf.in_(chunk))
            found += self._connection.scalars(query.order_by(table.c.leaf, table.c.position))
        return found

    def drop(self, leaves: Collection[int]) -> int:
        """Delete those that are kept with these records; how many went."""
        table = schema.commitments
        return sum(
            self._connection.execute(sa.delete(table).where(table.c.leaf.in_(chunk))).rowcount
            for chunk in chunks(leaves)
        )

    def forget(
        self, tenant: str, digests: Iterable[str], exact: Iterable[str], within: Iterable[str]
    ) -> tuple[int, set[int]]:
        """Delete the tenant's: by digest, by what they are, by what they hold.

        Returns how many went, and which records lack one of them now. Of values from before their
        tenant was kept nobody knows whose they are; they go as well.
        """
        table = schema.commitments
        values = {raw(each) for each in exact}
        needles = Needles(form for passage in within for form in forms(passage))
        rows = scan(
            self._connection,
            sa.select(table.c.leaf, table.c.position, table.c.digest, table.c.value).where(
                table.c.tenant.in_([tenant, ""])
            ),
        )
        named = set(digests)
        doomed = [
            (leaf, position, digest)
            for leaf, position, digest, value in rows
            if digest in named or value in values or _holds(needles, value)
        ]
        at = sa.tuple_(table.c.leaf, table.c.position)
        for chunk in chunks([(leaf, position) for leaf, position, _ in doomed]):
            self._connection.execute(sa.delete(table).where(at.in_(chunk)))
        return len(doomed), self._lacking([(leaf, digest) for leaf, _, digest in doomed])

    def _lacking(self, doomed: Sequence[tuple[int, str]]) -> set[int]:
        """The records that values were kept with, and those about the same that commit to them."""
        table = schema.log_leaves
        lacking = {leaf for leaf, _ in doomed}
        subjects: dict[int, tuple[str, str]] = {}
        for chunk in chunks(lacking):
            query = sa.select(table.c.index, table.c.about, table.c.tenant).where(
                table.c.index.in_(chunk), table.c.about != ""
            )
            subjects |= {index: (about, of) for index, about, of in self._connection.execute(query)}
        digests: dict[tuple[str, str], list[bytes]] = {}
        for leaf, digest in doomed:
            if leaf in subjects:
                digests.setdefault(subjects[leaf], []).append(digest.encode())
        columns = (table.c.index, table.c.about, table.c.tenant, table.c.statement)
        for chunk_of in chunks(digests):
            same = sa.tuple_(table.c.about, table.c.tenant).in_(chunk_of)
            for index, about, of, body in self._connection.execute(sa.select(*columns).where(same)):
                if any(digest in body for digest in digests[about, of]):
                    lacking.add(index)
        return lacking


def _holds(needles: Needles, value: bytes) -> bool:
    """Whether a value holds one, also where JSON spells it with escapes of its own."""
    return needles.are_in(value) or (
        b"\\" in value and any(needles.are_in(raw(text)) for text in strings_in(value))
    )


def as_ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Numbers as ranges ``(first, last)``, both included, in order and each number once."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(ranges)
