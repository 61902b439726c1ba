"""What is asked, and what a whole answer to it must hold; each can be told from all others."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any, Final

from chaos_rig.client import POLITE, Answer, Ending, Manner, post

CHAT: Final = "/v1/chat/completions"
MESSAGES: Final = "/v1/messages"
PIECES: Final = 40
METERED_TOKENS: Final = 20
_MIB: Final = 1 << 20

WELL: Final = (
    "text", "text+split-7", "text+unknown", "unicode", f"long-{PIECES}+slow-5", "text+first-50",
    "text+flaky-1", "text+close", "text+one-write",
)  # fmt: skip
"""Behaviours of an upstream that answers well, sooner or later."""

SHORT: Final = "short"
"""Ends before the length that it promised. Of a stream that is after its last event, so a gateway
that gives it another framing may present it as complete: nothing is missing."""

BROKEN: Final = (
    f"long-{PIECES}+drop-5", f"long-{PIECES}+cut-5", f"long-{PIECES}+stall-5", SHORT, "stall",
    "garbage", "status-500", "status-503", "retry-after-1",
)  # fmt: skip
"""Behaviours after which no answer is whole."""

METERED: Final = (
    f"long-{METERED_TOKENS}",
    f"long-{METERED_TOKENS}+slow-10",
    f"long-{METERED_TOKENS}+drop-8",
)
"""What the key with a budget asks for."""

BIG: Final = "big"
AUTO: Final = "auto"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request.

    Attributes:
        model: what the client names.
        behaviour: what the upstream does for that model; of ``auto``, that of all good ones.
        marker: a word that only the answer to this request holds.
        key: the client's key.
        path: which dialect it speaks.
        streams: whether the answer is to be a stream.
        manner: how the client behaves.
    """

    model: str
    behaviour: str
    marker: str
    key: str
    path: str = CHAT
    streams: bool = False
    manner: Manner = POLITE

    @property
    def request(self) -> bytes:
        """Its bytes."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": f"Please say {self.marker} once more."}],
            "max_tokens": METERED_TOKENS if self.behaviour in METERED else 4 * PIECES,
        }
        if self.streams:
            body["stream"] = True
            if self.path == CHAT:
                body["stream_options"] = {"include_usage": True}
        return post(self.path, json.dumps(body).encode(), self.key)

    def is_false(self, answer: Answer) -> bool:
        """Whether an answer passes for complete that is not: cut, broken or somebody else's."""
        if answer.ending is not Ending.WHOLE or tells_error(bytes(answer.body)):
            return False
        return not self._is_complete(bytes(answer.body))

    def _is_complete(self, body: bytes) -> bool:
        if self.behaviour in BROKEN and not (self.streams and self.behaviour == SHORT):
            return False
        if self.streams:
            last = b"message_stop" if self.path == MESSAGES else b"[DONE]"
            if last not in body:
                return False
        else:
            try:
                json.loads(body)
            except ValueError:
                return False
        return self._expected(body)

    def _expected(self, body: bytes) -> bool:
        if self.behaviour == AUTO:
            last_piece = b"w%d " % (PIECES - 1)
            return self.marker.encode() in body or last_piece in body or len(body) > 3 * _MIB
        if self.behaviour == BIG:
            return len(body) > 3 * _MIB
        stem, _, figure = self.behaviour.partition("+")[0].partition("-")
        if stem == "long":
            return b"w%d " % (int(figure) - 1) in body
        return self.marker.encode() in body


def tells_error(body: bytes) -> bool:
    """Whether the client is told that something went wrong after the answer had begun."""
    return b"event: error" in body or b'data: {"error"' in body


def marker(rng: random.Random) -> str:
    """A word that nobody else says."""
    return f"m{rng.getrandbits(64):016x}"
