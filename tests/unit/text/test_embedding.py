"""Many texts at once are embedded as one by one."""

import importlib.util

import numpy as np
import pytest

from crossmodel.errors import InvalidInputError
from crossmodel.text.embedding import best_name, embedder_name, open_embedder

TEXTS = [
    "", " \n", "a", "the cache keeps old records", "x" * 5000, "word " * 4000, "\ud800 \0", "漢字かな",
    *(f"number {n} of many texts" for n in range(600)),
]  # fmt: skip
NAMES = [
    "hashed",
    pytest.param(
        "static",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("wordllama") is None, reason="the extra is not installed"
        ),
    ),
]


@pytest.mark.parametrize("name", NAMES)
def test_all_at_once_is_as_one_by_one(name):
    embedder = open_embedder(name)
    matrix = embedder.embed_all(TEXTS)
    assert matrix.dtype == np.float32
    assert np.allclose(matrix, np.stack([embedder.embed(text) for text in TEXTS]), atol=1e-6)
    lengths = np.linalg.norm(matrix, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))
    assert embedder.embed_all([]).shape == (0, embedder.dimensions)


def test_a_name_that_is_none_is_refused():
    assert embedder_name(best_name()) == best_name()
    with pytest.raises(InvalidInputError, match="embedder"):
        embedder_name("word2vec")
