"""A router as one small file: a NumPy archive of plain arrays and one JSON header, no pickles."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from crossmodel.errors import CrossModelError, InvalidInputError
from crossmodel.selection.learned.calibration import Calibration
from crossmodel.selection.learned.cells import Cells
from crossmodel.selection.learned.dial import Traffic
from crossmodel.selection.learned.features import SHAPE_FEATURES
from crossmodel.selection.learned.router import LearnedRouter
from crossmodel.selection.learned.topics import Gate, Topics
from crossmodel.text.embedding import Embedder, open_embedder

FORMAT: Final = "crossmodel-router/1"
LARGEST: Final = 512 * 2**20
"""Bytes that a file may hold when unpacked."""

POSITIVE: Final = ("shape_spread", "sizes", "radii")
TRAFFIC: Final = ("expected_quality", "expected_cost", "quality", "cost_usd")


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """What a router's file says in words."""

    format: str
    embedder: str
    models: list[str]
    topics: list[str]
    edge: Annotated[float, msgspec.Meta(gt=0)]
    gate: Gate
    report: dict[str, Any]


def dump_router(router: LearnedRouter) -> bytes:
    """The bytes of a router's file. No prompt is in them."""
    file = io.BytesIO()
    np.savez_compressed(file, **_arrays(router))
    return file.getvalue()


def router_sha256(router: LearnedRouter) -> str:
    """SHA-256 of everything that a router's file holds, however that is compressed; in hex."""
    digest = hashlib.sha256()
    for name, array in _arrays(router).items():
        whole = np.ascontiguousarray(array)
        digest.update(f"{name} {whole.dtype.str} {whole.shape}\n".encode())
        digest.update(whole.tobytes())
    return digest.hexdigest()


def _arrays(router: LearnedRouter) -> dict[str, Any]:
    topics, cells = router.topics, router.cells
    header = Header(
        format=FORMAT,
        embedder=router.embedder.name,
        models=list(cells.models),
        topics=list(topics.names),
        edge=topics.edge,
        gate=topics.gate,
        report=router.report,
    )
    arrays: dict[str, Any] = {
        "header": np.frombuffer(msgspec.json.encode(header), dtype=np.uint8),
        "shape_center": router.shape_center,
        "shape_spread": router.shape_spread,
        "sizes": topics.sizes,
        "whitening": topics.whitening,
        "centroids": topics.centroids,
        "radii": topics.radii,
        "caution": topics.caution,
        "counts": cells.counts,
        "sums": cells.sums,
        "initial": cells.initial,
        "usd_per_character": cells.usd_per_character,
        "usd_per_answer": cells.usd_per_answer,
        "calibration": np.stack([router.calibration.estimates, router.calibration.probabilities]),
    }
    return arrays | {f"traffic_{name}": getattr(router.traffic, name) for name in TRAFFIC}


def load_router(
    data: bytes, *, embedders: Callable[[str], Embedder] = open_embedder
) -> LearnedRouter:
    """The router of a file's bytes.

    Raises:
        InvalidInputError: if they are no such file, or its parts do not fit each other.
        MissingExtraError: if its embedder is not installed.
    """
    try:
        header, arrays = _read(data)
        return _build(header, arrays, embedders(header.embedder))
    except CrossModelError:
        raise
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError, msgspec.MsgspecError) as e:
        raise InvalidInputError(f"this is no router file: {e}") from e


def _read(data: bytes) -> tuple[Header, dict[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > LARGEST:
        raise InvalidInputError(f"this router file unpacks to {unpacked} bytes; {LARGEST} at most")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    header = msgspec.json.decode(arrays.pop("header").tobytes(), type=Header)
    if header.format != FORMAT:
        raise InvalidInputError(f"this router file is {header.format!r}; {FORMAT!r} is read here")
    return header, arrays


def _build(header: Header, arrays: dict[str, Any], embedder: Embedder) -> LearnedRouter:
    k, m, d = len(header.topics), len(header.models), embedder.dimensions + SHAPE_FEATURES
    knots = arrays["calibration"].shape[-1]
    n = len(arrays["traffic_quality"])
    shapes = {
        "shape_center": (SHAPE_FEATURES,),
        "shape_spread": (SHAPE_FEATURES,),
        "sizes": (k,),
        "whitening": (d, d),
        "centroids": (k, d),
        "radii": (k,),
        "caution": (k,),
        "counts": (k, m),
        "sums": (k, m),
        "initial": (m,),
        "usd_per_character": (m,),
        "usd_per_answer": (k + 1, m),
        "calibration": (2, knots),
        **{f"traffic_{name}": (n, m) for name in TRAFFIC},
    }
    for name, expected in shapes.items():
        found = arrays[name]
        if found.shape != expected or found.dtype.kind != "f":
            raise InvalidInputError(
                f"{name} of this router file is {found.dtype}{found.shape}, not floats "
                f"of {expected}"
            )
        if not name.startswith("traffic_") and not np.isfinite(found).all():
            raise InvalidInputError(f"{name} of this router file holds NaN or infinity")
        if name in POSITIVE and not (found > 0).all():
            raise InvalidInputError(f"{name} of this router file must be positive")
    return LearnedRouter(
        embedder=embedder,
        shape_center=arrays["shape_center"],
        shape_spread=arrays["shape_spread"],
        topics=Topics(
            names=tuple(header.topics),
            sizes=arrays["sizes"],
            whitening=arrays["whitening"],
            centroids=arrays["centroids"],
            radii=arrays["radii"],
            edge=header.edge,
            gate=header.gate,
            caution=arrays["caution"],
        ),
        cells=Cells(
            models=tuple(header.models),
            counts=arrays["counts"],
            sums=arrays["sums"],
            initial=arrays["initial"],
            usd_per_character=arrays["usd_per_character"],
            usd_per_answer=arrays["usd_per_answer"],
        ),
        calibration=Calibration(*arrays["calibration"]),
        traffic=Traffic(tuple(header.models), *(arrays[f"traffic_{name}"] for name in TRAFFIC)),
        report=header.report,
    )
