"""One tenant's vectors in memory, kept as the database has them."""

from __future__ import annotations

import contextlib
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from crossmodel.store import schema, vector_files
from crossmodel.store.nearest import Nearest, Numbers

_CHUNK: Final = 10_000
_FEW: Final = 5_000
_PROBED: Final = 256


class Following:
    """A tenant's vectors by one embedder: at first all of them, then what comes after the last.

    Other processes write to the same database, so each search begins with a look at its end. Row
    numbers rise, and one is used again only when all from it upwards were erased: so the newest
    row tells whether that has happened.
    """

    def __init__(self, tenant: str, embedder: str, nearest: Nearest, file: Path | None) -> None:
        self.nearest = nearest
        self._file = file
        self._opened = False
        self._compared = False
        self._last: tuple[int, int] | None = None  # the highest number, and its mark
        self._lock = threading.Lock()
        table = schema.insight_vectors
        self._seq = table.c.insight_seq
        mine = (table.c.tenant == tenant, table.c.embedder == embedder)
        self._seqs = sa.select(self._seq).where(*mine)
        self._rows = sa.select(self._seq, table.c.vector).where(*mine).order_by(self._seq)
        self._from = self._rows.where(self._seq >= sa.bindparam("seq"))
        self._named = sa.select(self._seq, table.c.vector).where(
            *mine, self._seq.in_(sa.bindparam("seqs", expanding=True))
        )
        self._newest = self._rows.order_by(None).order_by(self._seq.desc()).limit(1)

    def catch_up(self, connection: sa.Connection) -> None:
        """Take in what the caller's snapshot has and memory has not."""
        with self._lock:
            if not self._opened:
                self._open()
            if not self._compared:
                self._compared = True  # first: who says meanwhile that it must look again is heard
                try:
                    self._compare(connection)
                except BaseException:
                    self._compared = False
                    raise
            seq, mark = self._last or (0, 0)
            rows = connection.execute(self._from, {"seq": seq})
            first = rows.fetchmany(_CHUNK)
            if first and first[0].insight_seq == seq:
                same = zlib.crc32(first[0].vector) == mark
                first = first[1:]
            else:
                # an older snapshot than another reader's, or somebody has erased the end
                same = bool(first) or self._knows_newest(connection)
            if not same:
                rows.close()
                self._compare(connection)
                return
            while first:
                self._add(first)
                first = rows.fetchmany(_CHUNK)

    def look_again(self) -> None:
        """Compare with the table in full before the next search."""
        self._compared = False

    def forget(self, numbers: Numbers) -> None:
        """Let go of erased rows, here and in the file, which is written anew on closing."""
        with self._lock:
            if not self._opened:
                self._open()
            self.nearest.remove(numbers)
            self._note_last()
            if self._file is not None and self.nearest.changed:
                vector_files.remove(self._file)

    def close(self) -> None:
        """Stop building, and keep the graph if it has changed."""
        self.nearest.close()
        if self.nearest.changed:
            self._save()

    def _save(self) -> None:
        # a start can do without it, so a full disk must not keep anybody from going on
        if self._file is not None:
            with contextlib.suppress(OSError):
                if self.nearest.graph is None:
                    vector_files.remove(self._file)
                else:
                    vector_files.write(self._file, self.nearest)

    def _open(self) -> None:
        if self._file is not None:
            vector_files.read(self._file, self.nearest)
        self._opened = True

    def _add(self, rows: Sequence[Any]) -> None:
        """Take in rows, whose numbers rise; a vector of another length is nobody's."""
        size = 2 * self.nearest.dimensions
        rows = [row for row in rows if len(row.vector) == size]
        if not rows:
            return
        halves = np.frombuffer(b"".join(row.vector for row in rows), dtype=np.float16)
        numbers = np.array([row.insight_seq for row in rows], dtype=np.int64)
        marks = np.array([zlib.crc32(row.vector) for row in rows], dtype=np.uint32)
        vectors = halves.reshape(len(rows), -1).astype(np.float32)
        self.nearest.add(numbers, marks, vectors)
        self._last = max(self._last or (0, 0), (int(numbers[-1]), int(marks[-1])))

    def _knows_newest(self, connection: sa.Connection) -> bool:
        row = connection.execute(self._newest).first()
        if row is None:
            return True
        place = np.flatnonzero(self.nearest.numbers == row.insight_seq)
        return bool(len(place)) and self.nearest.marks[place[0]] == zlib.crc32(row.vector)

    def _compare(self, connection: sa.Connection) -> None:
        """Make memory hold what the table holds, whatever either held before."""
        if not len(self.nearest):
            for rows in connection.execute(self._rows).partitions(_CHUNK):
                self._add(rows)
            return
        kept = np.fromiter(connection.scalars(self._seqs), dtype=np.int64)
        self.nearest.remove(np.setdiff1d(self.nearest.numbers, kept))
        self._drop_reused(connection)
        self._note_last()
        missing = np.setdiff1d(kept, self.nearest.numbers)
        if len(missing) <= _FEW:
            for start in range(0, len(missing), _PROBED):
                part = missing[start : start + _PROBED].tolist()
                self._add(connection.execute(self._named.order_by(self._seq), {"seqs": part}).all())
        else:
            wanted = set(missing.tolist())
            for rows in connection.execute(self._rows).partitions(_CHUNK):
                self._add([row for row in rows if row.insight_seq in wanted])

    def _drop_reused(self, connection: sa.Connection) -> None:
        """Let go of vectors whose numbers now stand for something else.

        Such are those from some number on; or all of them, if the file belongs to another database,
        say to one that a backup has replaced.
        """
        numbers = np.sort(self.nearest.numbers)
        while len(numbers) and self._differ(connection, numbers[-_PROBED:]):
            self.nearest.remove(numbers[-_PROBED:])
            numbers = numbers[:-_PROBED]
        if self._differ(connection, numbers[:: len(numbers) // _PROBED + 1]):
            self.nearest.remove(numbers)

    def _differ(self, connection: sa.Connection, numbers: Numbers) -> bool:
        """Whether the vector of any of the numbers is another in the table than in memory."""
        order = np.argsort(self.nearest.numbers)
        places = order[np.searchsorted(self.nearest.numbers, numbers, sorter=order)]
        marks = dict(zip(numbers.tolist(), self.nearest.marks[places].tolist(), strict=True))
        rows = connection.execute(self._named, {"seqs": list(marks)})
        return any(zlib.crc32(row.vector) != marks[row.insight_seq] for row in rows)

    def _note_last(self) -> None:
        numbers, marks = self.nearest.numbers, self.nearest.marks
        place = int(np.argmax(numbers)) if len(numbers) else None
        self._last = None if place is None else (int(numbers[place]), int(marks[place]))
