"""Selections that are given again for a while, as long as nothing they depend on has changed."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from crossmodel.domain.selection import ModelSelection

MOST_KEPT: Final = 4096


class SelectionCache:
    """Keeps selections for ``ttl_seconds``; thread-safe and bounded.

    Keys must hold everything that a selection depends on, the registry's version included: then a
    change makes a new key, and what was chosen before it is never found again.
    """

    def __init__(self, ttl_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl_seconds
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, ModelSelection]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> ModelSelection | None:
        """The selection kept under ``key``, unless its time is over."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            until, selection = found
            if self._clock() >= until:
                del self._kept[key]
                return None
            return selection

    def put(self, key: Hashable, selection: ModelSelection) -> None:
        """Keep a selection; the oldest goes where there are too many."""
        with self._lock:
            self._kept[key] = (self._clock() + self._ttl, selection)
            self._kept.move_to_end(key)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
