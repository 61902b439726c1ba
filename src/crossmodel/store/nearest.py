"""The nearest of many vectors, in memory: a few exactly, many by a graph that a thread builds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from crossmodel.text.embedding import Matrix, Vector

Numbers = npt.NDArray[np.int64]
Marks = npt.NDArray[np.uint32]

EXACT: Final = 20_000
"""Vectors up to which all are compared: 0.4 ms for 256 dimensions, and no graph to build."""

CONNECTIVITY: Final = 16
EXPANSION_ADD: Final = 128
EXPANSION_SEARCH: Final = 192
"""The graph's parameters M, efConstruction and ef; see ``benchmarks/retrieval.md``."""

_NODE_BYTES: Final = 160
_BATCH: Final = 32
_PAUSE_SECONDS: Final = 0.0002
_SCALE: Final = 190.0
_FILLER: Final = 2**62


class Nearest:
    """Unit vectors by number, each with a mark that tells whether it is still the same one.

    New ones wait in a matrix and are compared one and all. When more than ``EXACT`` wait, a thread
    moves them into a graph (HNSW: Malkov and Yashunin, 2020; by usearch, eight bits a dimension).
    Every vector is found at any time, in the matrix or in the graph. Safe to share among threads.
    """

    def __init__(self, dimensions: int, *, exact: int = EXACT) -> None:
        self.dimensions = dimensions
        self.changed = False  # whether the graph is another than the one in its file
        self.graph: Any = None
        self._exact = exact
        self._lock = threading.Lock()
        self._numbers = _Growing(np.empty(0, dtype=np.int64))
        self._marks = _Growing(np.empty(0, dtype=np.uint32))
        self._waiting = _Growing(np.empty((0, dimensions), dtype=np.float32))
        self._thread: threading.Thread | None = None
        self._stopped = False

    def __len__(self) -> int:
        return len(self._numbers.rows)

    @property
    def numbers(self) -> Numbers:
        """The numbers of all vectors: first those in the graph, then those that wait."""
        return self._numbers.rows

    @property
    def marks(self) -> Marks:
        """Their marks, in the same order."""
        return self._marks.rows

    @property
    def waiting(self) -> int:
        """How many wait for the graph."""
        return len(self._waiting.rows)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes, about."""
        # reckoned, as the graph would count through all of its nodes
        graph = (len(self) - self.waiting) * (self.dimensions + _NODE_BYTES)
        return graph + self._waiting.nbytes + self._numbers.nbytes + self._marks.nbytes

    def restore(self, numbers: Numbers, marks: Marks, graph: Any) -> None:
        """Take over a graph that holds exactly these."""
        with self._lock:
            self._numbers, self._marks, self.graph = _Growing(numbers), _Growing(marks), graph

    def add(self, numbers: Numbers, marks: Marks, vectors: Matrix) -> None:
        """Take in vectors of new numbers."""
        with self._lock:
            self._numbers.extend(numbers)
            self._marks.extend(marks)
            self._waiting.extend(vectors)
            if self.waiting > self._exact and self._thread is None and not self._stopped:
                self._thread = threading.Thread(
                    target=self._build, name="crossmodel-vectors", daemon=True
                )
                self._thread.start()

    def remove(self, numbers: Numbers) -> None:
        """Let go of vectors, so that nothing of them is left in memory or in the graph's file."""
        with self._lock:
            gone = np.isin(self._numbers.rows, numbers)
            if not gone.any():
                return
            built = len(self) - self.waiting
            in_graph = self._numbers.rows[:built][gone[:built]]
            self._waiting.keep(~gone[built:])
            self._numbers.keep(~gone)
            self._marks.keep(~gone)
            if len(in_graph) == built > 0:
                # fillers lead nowhere: what was added in their places might not be found
                self.graph, self.changed = None, True
            elif len(in_graph):
                self._overwrite(in_graph)

    def search(self, vector: Vector, count: int) -> tuple[Numbers, Vector]:
        """Numbers and cosines of the ``count`` nearest, or nearly so, best first."""
        with self._lock:
            waiting = self._waiting.rows
            numbers = self._numbers.rows[len(self) - len(waiting) :]
            found = None
            if self.graph is not None and len(self.graph):
                self.graph.expansion_search = max(EXPANSION_SEARCH, count)
                found = self.graph.search(_eight_bits(vector), count)
        # no product by BLAS: its threads wait for each other longer than one of them computes
        cosines = np.einsum("ij,j->i", waiting, vector)
        if len(cosines) > count:
            best = np.argpartition(cosines, -count)[-count:]
            numbers, cosines = numbers[best], cosines[best]
        if found is not None:
            of_graph = (1.0 - found.distances) / np.float32(_SCALE**2)
            numbers = np.concatenate([numbers, found.keys.astype(np.int64)])
            cosines = np.concatenate([cosines, of_graph])
        order = np.lexsort((numbers, -cosines))[:count]
        return numbers[order], cosines[order]

    def reading(self, read: Callable[[Numbers, Marks, Any], None]) -> None:
        """Call ``read`` with what the graph holds, while nobody changes it."""
        with self._lock:
            built = len(self) - self.waiting
            if self.graph is not None:
                read(self.numbers[:built], self.marks[:built], self.graph)

    def settle(self) -> None:
        """Wait until the thread, if there is one, has built all."""
        if (thread := self._thread) is not None:
            thread.join()

    def close(self) -> None:
        """Stop building; what waits is still compared."""
        self._stopped = True
        self.settle()

    def _build(self) -> None:
        """Move what waits into the graph; searches come in between."""
        threads = max(1, (os.cpu_count() or 1) - 1)
        while not self._stopped:
            with self._lock:
                count = min(self.waiting, _BATCH)
                if not count:
                    self._thread = None
                    return
                if self.graph is None:
                    self.graph = empty_graph(self.dimensions)
                built = len(self) - self.waiting
                numbers = self._numbers.rows[built : built + count]
                vectors = _eight_bits(self._waiting.rows[:count])
                self.graph.add(numbers.astype(np.uint64), vectors, threads=threads)
                self._waiting.drop(count)
                self.changed = True
            time.sleep(_PAUSE_SECONDS)  # a lock goes to whoever asks first, and that would be us

    def _overwrite(self, numbers: Numbers) -> None:
        """A vector that is only removed stays in the graph's memory until another takes its place.

        Fillers take the places, and are removed in turn.
        """
        self.graph.remove(numbers.astype(np.uint64))
        fillers = np.arange(_FILLER, _FILLER + len(numbers), dtype=np.uint64)
        self.graph.add(fillers, np.ones((len(numbers), self.dimensions), dtype=np.int8))
        self.graph.remove(fillers)
        self.changed = True


class _Growing:
    """Rows of an array that grows at its end in constant time a row, and shrinks anywhere."""

    def __init__(self, rows: npt.NDArray[Any]) -> None:
        self._array = rows
        self._start = 0
        self._end = len(rows)

    @property
    def rows(self) -> npt.NDArray[Any]:
        """A view; later changes of the rows do not show in it."""
        return self._array[self._start : self._end]

    @property
    def nbytes(self) -> int:
        return int(self._array.nbytes)

    def extend(self, rows: npt.NDArray[Any]) -> None:
        if self._end + len(rows) > len(self._array):
            size = self._end - self._start
            room = (size + size // 4 + len(rows), *self._array.shape[1:])
            grown = np.empty(room, dtype=self._array.dtype)
            grown[:size] = self.rows
            self._array, self._start, self._end = grown, 0, size
        self._array[self._end : self._end + len(rows)] = rows
        self._end += len(rows)

    def keep(self, which: npt.NDArray[np.bool_]) -> None:
        self._hold(self.rows[which])

    def drop(self, count: int) -> None:
        self._start += count
        if self._start > (self._end - self._start) or self._start == self._end:
            self._hold(self.rows.copy())  # lets go of the memory

    def _hold(self, rows: npt.NDArray[Any]) -> None:
        self._array = rows
        self._start = 0
        self._end = len(rows)


def empty_graph(dimensions: int) -> Any:
    """A graph without vectors."""
    from usearch.index import Index  # noqa: PLC0415 - not before there are enough vectors

    return Index(
        ndim=dimensions,
        metric="ip",
        dtype="i8",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=EXPANSION_SEARCH,
    )


def _eight_bits(vectors: Matrix | Vector) -> npt.NDArray[np.int8]:
    """Coordinates from -0.67 to 0.67 in 255 steps; hardly one of a unit vector lies beyond."""
    scaled: Matrix = np.rint(vectors * np.float32(_SCALE))
    return np.clip(scaled, -127, 127).astype(np.int8)
