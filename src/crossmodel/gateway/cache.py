"""Answers to requests that would be answered the same again: one tenant's, word for word."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import astuple, dataclass, field, replace
from typing import Final

import msgspec

from crossmodel.domain.models import ModelSpec
from crossmodel.domain.selection import ModelSelection
from crossmodel.gateway.peek import Fields
from crossmodel.gateway.request import AskedFor
from crossmodel.gateway.routes import EMBEDDINGS, Route

ZERO: Final = (b"0", b"0.0", b"-0", b"-0.0")

CHANGING: Final = ("conversation", "background")
"""Fields of Responses whose like may be answered otherwise the next time."""

OVERHEAD: Final = 1024
"""Bytes that an entry takes besides its answer, about."""


@dataclass(frozen=True, slots=True, eq=False)
class CachedAnswer:
    """An answer that came whole.

    Attributes:
        body: as the client got it.
        content_type: what it is.
        is_stream: whether it is a stream of events.
        selection: why the model that gave it was chosen.
        model: who gave it.
        served_model: who gave it, as the provider says.
    """

    body: bytes = field(repr=False)
    content_type: bytes
    is_stream: bool
    selection: ModelSelection
    model: ModelSpec
    served_model: str


class AnswerCache:
    """Keeps answers for a while, the last used the longest. For one event loop.

    Args:
        most_bytes: what it may hold.
        seconds: how long an answer may be given again.
        clock: monotonic seconds.
    """

    def __init__(
        self, most_bytes: int, seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._clock = clock
        self._entries: OrderedDict[bytes, tuple[float, CachedAnswer]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> CachedAnswer | None:
        """The answer to the same request, if it is here and not too old."""
        found = self._entries.get(key)
        if found is None:
            return None
        kept_at, answer = found
        if self._clock() - kept_at > self._seconds:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return answer

    def put(self, key: bytes, answer: CachedAnswer) -> None:
        """Keep an answer; the ones that were used the longest ago make room for it."""
        size = len(answer.body) + OVERHEAD
        if size > self._most_bytes:
            return
        if key in self._entries:
            self._drop(key)
        self._entries[key] = self._clock(), answer
        self._bytes += size
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget all, as when models have changed."""
        self._entries.clear()
        self._bytes = 0

    def _drop(self, key: bytes) -> None:
        _, answer = self._entries.pop(key)
        self._bytes -= len(answer.body) + OVERHEAD


def cache_key(asked: AskedFor, tenant: str, allowed: frozenset[str] | None) -> bytes | None:
    """What an answer is kept by; ``None`` for a request that may be answered otherwise each time.

    Two requests are the same if a tenant asked for the same on the same path, field by field and
    byte by byte, with the same wishes and the same of what else providers heed, and might have been
    answered by the same models.
    """
    fields = asked.seen.fields
    if not _is_deterministic(asked.route, fields):
        return None
    whose = tenant, asked.route.path, sorted(allowed) if allowed is not None else None
    wishes = replace(asked.wishes, cache=True, timeout=None)
    said = *whose, astuple(wishes), *asked.heeded, msgspec.json.encode(fields)
    return hashlib.sha256(msgspec.msgpack.encode(said)).digest()


def _is_deterministic(route: Route, fields: Fields) -> bool:
    """Whether the client asked for the likeliest answer, and for one alone."""
    if route is EMBEDDINGS:
        return True
    if any(name in fields for name in CHANGING):
        return False
    temperature = fields.get("temperature")
    answers = fields.get("n")
    if temperature is None or bytes(temperature) not in ZERO:
        return False
    return answers is None or bytes(answers) in {b"1", b"null"}
