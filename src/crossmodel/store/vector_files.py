"""A graph of vectors in a file beside the database, so that a start does not build it again.

The database is the truth. A file that is damaged, or of another version, is taken for none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zlib
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from crossmodel.store.nearest import Marks, Nearest, Numbers, empty_graph

FORMAT: Final = 1


def file_name(tenant: str, embedder: str) -> str:
    """The file of that tenant's vectors; a hash, as a tenant may have any name."""
    key = f"{embedder}\0{tenant}".encode("utf-8", "surrogatepass")
    return f"{hashlib.sha256(key).hexdigest()[:32]}.graph"


def write(path: Path, nearest: Nearest) -> None:
    """Keep what the graph holds; a reader finds the old file or the new one, never a part."""

    def save(numbers: Numbers, marks: Marks, graph: Any) -> None:
        body = numbers.tobytes() + marks.tobytes() + bytes(graph.save())
        header = _header(nearest.dimensions, len(numbers))
        line = json.dumps(header | {"crc32": _checksum(header, body)}).encode() + b"\n"
        path.parent.mkdir(exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                file.writelines([line, body])
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        nearest.changed = False

    nearest.reading(save)


def read(path: Path, nearest: Nearest) -> None:
    """Fill ``nearest`` from the file, if there is a whole one of this version."""
    try:
        content = path.read_bytes()
    except OSError:
        return
    end = content.find(b"\n")
    try:
        header = json.loads(content[: max(end, 0)])
        rows, checksum = int(header["rows"]), header.pop("crc32")
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    body = memoryview(content)[end + 1 :]
    if header != _header(nearest.dimensions, rows) or checksum != _checksum(header, body):
        return
    numbers = np.frombuffer(body[: 8 * rows], dtype=np.int64)
    marks = np.frombuffer(body[8 * rows : 12 * rows], dtype=np.uint32)
    graph = empty_graph(nearest.dimensions)
    graph.load(bytes(body[12 * rows :]))
    nearest.restore(numbers.copy(), marks.copy(), graph)


def remove(path: Path) -> None:
    """Take the file away, if there is one."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _header(dimensions: int, rows: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "usearch": metadata.version("usearch"),
        "dimensions": dimensions,
        "rows": rows,
    }


def _checksum(header: dict[str, Any], body: bytes | memoryview) -> int:
    return zlib.crc32(body, zlib.crc32(json.dumps(header).encode()))
