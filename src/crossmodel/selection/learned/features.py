"""What the router sees of a prompt: its meaning as a vector, and its shape as a few numbers.

The shape tells apart what the meaning does not: a one-line question, a page of context, code, a
multiple-choice form. Leaving whole domains out showed that it is what betrays a new domain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from crossmodel.ports import Spread
from crossmodel.text.embedding import Embedder, is_registered, open_embedder

Matrix = npt.NDArray[np.float32]

SHAPE_WEIGHT: Final = 0.1
"""Weight of one standard deviation of shape beside an embedding of unit length."""

SHAPE_LIMIT: Final = 4.0
"""Standard deviations at which a shape feature is cut off."""

OPTION = re.compile(r"^\s*\(?[A-J][.):]\s", re.MULTILINE)
CODE = re.compile(r"```|^\s*(?:def|class|import|function|SELECT|#include)\b", re.MULTILINE)

_CLASSES: Final = (b" \t", b"\n", b"0123456789", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"?", b".!",
                   b",;:'\"()-/", b"{}[]<>=+*_\\$^|&%#@~`")  # fmt: skip
_CLASS_OF_BYTE: Final = np.zeros((256, len(_CLASSES) + 1), dtype=np.float32)
for _column, _members in enumerate(_CLASSES):
    _CLASS_OF_BYTE[list(_members), _column] = 1.0
_CLASS_OF_BYTE[128:, -1] = 1.0  # bytes beyond ASCII

LEAST_SPREAD: Final = np.array([0.35] * 7 + [0.05] * 6, dtype=np.float32)
"""Standard deviations of shape are taken to be at least this: where no prompt so far had a line
break or a digit, the first one that has must not look like nothing on earth."""

DESCRIBED_TOGETHER: Final = 2000
"""Texts that are described at once where they are shared out: a fraction of a second's work."""

SHAPE_FEATURES: Final = 13


def shape(text: str) -> Matrix:
    """Length and make-up of a text, shape (13,); long counts as logarithms, shares as they are."""
    raw = text.encode("utf-8", "replace")
    histogram = np.bincount(np.frombuffer(raw, dtype=np.uint8), minlength=256)
    space, newline, digit, upper, question, stop, mark, symbol, foreign = (
        histogram.astype(np.float32) @ _CLASS_OF_BYTE
    ).tolist()
    length = max(len(raw), 1)
    words = space + newline + 1.0
    counts = np.log1p([len(raw), words, newline, question, stop, symbol, _options(text)])
    shares = (
        digit / length,
        upper / length,
        (stop + mark + symbol) / length,
        foreign / length,
        min(length / words, 50.0) / 10.0,
        float(text.rstrip().endswith("?")) + 2.0 * bool(CODE.search(text)),
    )
    return np.concatenate([counts, shares]).astype(np.float32)


def describe(
    embedder: Embedder, texts: Sequence[str], spread: Spread = map
) -> tuple[Matrix, Matrix]:
    """Embeddings, shape (n, dimensions), and shapes, (n, 13), of many texts, in parts."""
    parts = [texts[at : at + DESCRIBED_TOGETHER] for at in range(0, len(texts), DESCRIBED_TOGETHER)]
    described = list(spread(_Describing(embedder), parts))
    if not described:
        return _describe(embedder, ())
    meaning, form = zip(*described, strict=True)
    return np.concatenate(meaning), np.concatenate(form)


class _Describing:
    """Describes texts; where it is sent to, an embedder that has a name is opened by it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def __call__(self, texts: Sequence[str]) -> tuple[Matrix, Matrix]:
        return _describe(self._embedder, texts)

    def __reduce__(self) -> tuple[Callable[..., _Describing], tuple[object]]:
        name = self._embedder.name
        if is_registered(self._embedder):
            return _describing_by, (name,)
        return _Describing, (self._embedder,)


def _describing_by(name: str) -> _Describing:
    return _Describing(open_embedder(name))


def _describe(embedder: Embedder, texts: Sequence[str]) -> tuple[Matrix, Matrix]:
    meaning = np.empty((len(texts), embedder.dimensions), dtype=np.float32)
    form = np.empty((len(texts), SHAPE_FEATURES), dtype=np.float32)
    for row, text in enumerate(texts):
        meaning[row] = embedder.embed(text)
        form[row] = shape(text)
    return meaning, form


def scale_of(form: Matrix) -> tuple[Matrix, Matrix]:
    """Center and spread, shape (13,) each, of the shapes that were trained on."""
    return form.mean(axis=0), np.maximum(form.std(axis=0), LEAST_SPREAD)


def combine(meaning: Matrix, form: Matrix, center: Matrix, spread: Matrix) -> Matrix:
    """One matrix of both; ``center`` and ``spread`` of the shapes come from training."""
    scaled = np.clip((form - center) / spread, -SHAPE_LIMIT, SHAPE_LIMIT) * SHAPE_WEIGHT
    return np.concatenate([meaning, scaled.astype(np.float32)], axis=-1)


def _options(text: str) -> int:
    return len(OPTION.findall(text)) if "\n" in text else 0
