"""A stream of chat chunks as Messages events."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from crossmodel.errors import InvalidInputError
from crossmodel.gateway.translation.chat_blocks import Blocks
from crossmodel.gateway.translation.counts import messages_usage, raw_usage
from crossmodel.gateway.translation.errors import error_body, error_message
from crossmodel.gateway.translation.message_stream import CUT
from crossmodel.gateway.translation.reading import Json, list_of, object_of, refuse, text_of
from crossmodel.gateway.translation.reasons import stop_reason
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.sse import Event, write_event
from crossmodel.wire.usage import RawUsage

_BAD_GATEWAY: Final = 502


class ChatStream:
    """Translates the chunks of a chat stream, one by one, into bytes for a Messages client.

    Of several choices the first is translated. Reasoning that some servers show is left out, as in
    whole answers. The prompt's tokens, which chat counts at the end only, are stated in the last
    event but one; the first says 0.

    Attributes:
        ended: whether the proper end has been sent.
        failed: whether an error has been sent; nothing is sent after either.
    """

    __slots__ = ("_blocks", "_matched", "_reason", "_refused", "_usage", "ended", "failed")

    def __init__(self) -> None:
        self._blocks: Blocks | None = None  # until the first chunk
        self._reason: str | None = None
        self._matched: str | None = None
        self._refused = False
        self._usage: RawUsage | None = None
        self.ended = False
        self.failed = False

    def feed(self, event: Event) -> bytes:
        """What to send for a chunk. Whatever comes, this never raises: an error is sent on."""
        if self.ended or self.failed or not event.data:
            return b""
        try:
            if event.data == b"[DONE]":
                return self._end()
            return self._translate(object_of(msgspec.json.decode(event.data), "chunk"), event)
        except (InvalidInputError, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return self._fail(f"a chunk of the provider's stream cannot be translated: {error}")

    def close(self) -> bytes:
        """What to send when the upstream has ended: nothing after a proper end, else an error."""
        return b"" if self.ended or self.failed else self._fail(CUT)

    def _translate(self, chunk: Json, event: Event) -> bytes:
        if chunk.get("error") is not None or event.event == b"error":
            return self._fail(error_message(chunk) or "the provider reported an error")
        self._usage = raw_usage(chunk.get("usage")) or self._usage
        made = b""
        for n, given in enumerate(list_of(chunk.get("choices"), "choices")):
            path = f"choices[{n}]"
            choice = object_of(given, path)
            if choice.get("index", 0) == 0:
                made += self._choice(chunk, choice, path)
        return made

    def _choice(self, chunk: Json, choice: Json, path: str) -> bytes:
        made = [] if self._blocks is not None else [self._start(chunk)]
        blocks = self._blocks
        assert blocks is not None
        delta = object_of(choice.get("delta") or {}, f"{path}.delta")
        if delta.get("audio") is not None or delta.get("function_call") is not None:
            raise refuse(f"{path}.delta", "Messages has nothing like audio or function_call")
        if delta.get("content"):
            made.append(blocks.text(text_of(delta["content"], f"{path}.delta.content")))
        if delta.get("refusal"):
            self._refused = True
            made.append(blocks.text(text_of(delta["refusal"], f"{path}.delta.refusal")))
        where = f"{path}.delta.tool_calls"
        for m, call in enumerate(list_of(delta.get("tool_calls") or [], where)):
            made.append(blocks.call(object_of(call, f"{where}[{m}]"), f"{where}[{m}]"))
        if choice.get("finish_reason") is not None:
            self._reason = text_of(choice["finish_reason"], f"{path}.finish_reason")
            matched = choice.get("stop_reason")  # vLLM and its kin say which text has stopped it
            self._matched = matched if isinstance(matched, str) else None
        return b"".join(made)

    def _start(self, chunk: Json) -> bytes:
        name = text_of(chunk.get("id"), "id")
        self._blocks = Blocks(name)
        message: dict[str, Any] = {
            "id": name,
            "type": "message",
            "role": "assistant",
            "model": text_of(chunk.get("model"), "model"),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": messages_usage(self._usage) | {"output_tokens": 0},
        }
        return _event("message_start", {"message": message})

    def _end(self) -> bytes:
        if self._blocks is None or self._reason is None:
            return self._fail(CUT)  # [DONE] alone does not make an answer whole
        last = self._blocks.finish(whole=self._reason != "length")
        called = self._blocks.called
        reason = stop_reason(self._reason, called=called, refused=self._refused)
        matched = self._matched if reason == "end_turn" else None
        delta = {
            "stop_reason": reason if matched is None else "stop_sequence",
            "stop_sequence": matched,
        }
        self.ended = True
        return (
            last
            + _event("message_delta", {"delta": delta, "usage": messages_usage(self._usage)})
            + _event("message_stop", {})
        )

    def _fail(self, message: str) -> bytes:
        self.failed = True
        return write_event(error_body(_BAD_GATEWAY, message, Dialect.MESSAGES), b"error")


def _event(kind: str, fields: Json) -> bytes:
    return write_event(msgspec.json.encode({"type": kind, **fields}), kind.encode())
