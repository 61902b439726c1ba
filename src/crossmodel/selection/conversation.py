"""Conversations stay with their model unless leaving it pays.

A change of model in the middle loses the prompt cache, and in a loop of tool calls the thread. So a
conversation leaves only for a gain that exceeds a margin and the cost of reading everything again;
after a pause, or when the task changes, it is free to.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from crossmodel.domain.config import ConversationConfig

SHORT_FOLLOW_UP: Final = 80
"""A turn of fewer characters says little by itself: what came before tells what it is about."""

ENOUGH_CHARACTERS: Final = 400
"""So much of a conversation is read back for a short turn."""


def routing_text(user_turns: Sequence[str]) -> str:
    """What a router should read of a conversation: its last turn, or more where that is short.

    "Commit it" is routed as the conversation is, not as two words are.
    """
    if not user_turns:
        return ""
    taken = [user_turns[-1]]
    if len(user_turns[-1].strip()) < SHORT_FOLLOW_UP:
        for turn in reversed(user_turns[:-1]):
            taken.append(turn)
            if sum(map(len, taken)) >= ENOUGH_CHARACTERS:
                break
    return " ".join(reversed(taken))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a conversation stands: its model, its task, and when it was last heard of."""

    model_id: str
    task: tuple[str, ...]
    last_used: float


@dataclass(frozen=True, slots=True)
class Stay:
    """That a conversation keeps its model, and why."""

    model_id: str
    reason: str


class ConversationMemory:
    """Remembers the model of each conversation; bounded and thread-safe."""

    def __init__(
        self, config: ConversationConfig, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._clock = clock
        self._standing: OrderedDict[str, Standing] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._standing)

    def stay(
        self,
        conversation_id: str,
        *,
        task: tuple[str, ...],
        in_tool_loop: bool,
        gain_over: Callable[[str], float | None],
    ) -> Stay | None:
        """Whether the conversation keeps its model.

        ``gain_over`` tells how much better the best candidate is than a model, the cost of losing
        the prompt cache taken off; ``None`` if that model can no longer be chosen.
        """
        with self._lock:
            standing = self._standing.get(conversation_id)
        if standing is None:
            return None
        gain = gain_over(standing.model_id)
        if gain is None:
            return None
        if in_tool_loop:
            return Stay(standing.model_id, "locked: the model waits for the result of its tool")
        if self._clock() - standing.last_used > self._config.idle_seconds:
            return None
        if standing.task != task:
            return None
        if gain > self._config.margin:
            return None
        return Stay(
            standing.model_id,
            f"the conversation stays: leaving gains {gain:.3f}, "
            f"not more than {self._config.margin:g}",
        )

    def remember(self, conversation_id: str, model_id: str, task: tuple[str, ...]) -> None:
        """Note who answers; the longest unused conversation goes where there are too many."""
        if self._config.max_conversations == 0:
            return
        with self._lock:
            self._standing[conversation_id] = Standing(model_id, task, self._clock())
            self._standing.move_to_end(conversation_id)
            if len(self._standing) > self._config.max_conversations:
                self._standing.popitem(last=False)
