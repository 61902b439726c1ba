"""A stream of Messages events as chat chunks."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from crossmodel.errors import InvalidInputError
from crossmodel.gateway.translation.counts import chat_usage, raw_usage
from crossmodel.gateway.translation.errors import error_body, error_message
from crossmodel.gateway.translation.message_calls import Call, CallQueue
from crossmodel.gateway.translation.reading import Json, json_text, object_of, refuse, text_of
from crossmodel.gateway.translation.reasons import finish_reason
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.sse import DONE, Event, write_event
from crossmodel.wire.usage import RawUsage

CUT: Final = "the provider's stream broke off before its end; what came is not complete"
"""What a client is told where an upstream stream stops without its proper end."""

_BAD_GATEWAY: Final = 502
_PING: Final = b": ping\n\n"
"""A comment: it keeps the connection alive, and clients pass over it."""


class MessageStream:
    """Translates the events of a Messages stream, one by one, into bytes for a chat client.

    Args:
        created: Unix time in seconds, which each chunk states.
        include_usage: whether the client asked for a last chunk with the usage.

    Attributes:
        ended: whether the proper end has been sent.
        failed: whether an error has been sent; nothing is sent after either.
    """

    __slots__ = (
        "_calls", "_created", "_id", "_include_usage", "_kinds", "_model", "_queue", "_reason",
        "_started", "_usage", "ended", "failed",
    )  # fmt: skip

    def __init__(self, *, created: int, include_usage: bool = False) -> None:
        self._created = created
        self._include_usage = include_usage
        self._id = ""
        self._model = ""
        self._calls: dict[int, Call] = {}  # by the index of their block
        self._queue = CallQueue()
        self._kinds: dict[int, str] = {}  # of the blocks that have started and not stopped
        self._reason: object = None
        self._started = False
        self._usage = RawUsage()
        self.ended = False
        self.failed = False

    def feed(self, event: Event) -> bytes:
        """What to send for an event. Whatever comes, this never raises: an error is sent on."""
        if self.ended or self.failed or not event.data:
            return b""
        try:
            data = object_of(msgspec.json.decode(event.data), "event")
            return self._translate(data)
        except (InvalidInputError, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return self._fail(f"an event of the provider's stream cannot be translated: {error}")

    def close(self) -> bytes:
        """What to send when the upstream has ended: nothing after a proper end, else an error."""
        return b"" if self.ended or self.failed else self._fail(CUT)

    def _translate(self, data: Json) -> bytes:
        kind = data.get("type")
        if kind == "content_block_delta":
            return self._delta(data)
        if kind == "content_block_start":
            return self._start_block(data)
        if kind == "content_block_stop":
            return self._stop_block(data)
        if kind == "message_start":
            return self._start(data)
        if kind == "message_delta":
            return self._finish(data)
        if kind == "message_stop":
            return self._end()
        if kind == "ping":
            return _PING
        if kind == "error":
            return self._fail(error_message(data) or "the provider reported an error")
        return b""  # the API announces that new kinds of events may come, to be passed over

    def _start(self, data: Json) -> bytes:
        message = object_of(data.get("message"), "message")
        self._id = text_of(message.get("id"), "message.id")
        self._model = text_of(message.get("model"), "message.model")
        self._started = True
        self._count(message.get("usage"))
        return self._chunk({"role": "assistant", "content": ""})

    def _count(self, usage: object) -> None:
        raw = raw_usage(usage)
        if raw is not None:
            self._usage = self._usage.updated(raw)

    def _start_block(self, data: Json) -> bytes:
        self._must_have_started()
        block = object_of(data.get("content_block"), "content_block")
        kind = text_of(block.get("type"), "content_block.type")
        index = _index(data)
        if index in self._kinds:
            raise refuse("index", f"block {index} is open already")
        self._kinds[index] = kind
        if kind == "text":
            return self._say("content", block.get("text"))
        if kind == "thinking":
            return self._say("reasoning_content", block.get("thinking"))
        if kind == "redacted_thinking":
            return b""
        if kind != "tool_use":
            raise refuse("content_block.type", f"chat has nothing like {kind!r}")
        call = self._queue.start(object_of(block.get("input") or {}, "content_block.input"))
        self._calls[index] = call
        function = {"name": text_of(block.get("name"), "content_block.name"), "arguments": ""}
        called = text_of(block.get("id"), "content_block.id")
        return self._tool(call, {"id": called, "type": "function", "function": function})

    def _delta(self, data: Json) -> bytes:
        index = _index(data)
        if index not in self._kinds:
            raise refuse("index", f"no block {index} is open")
        delta = object_of(data.get("delta"), "delta")
        kind = delta.get("type")
        if kind == "text_delta":
            return self._say("content", text_of(delta.get("text"), "delta.text"))
        if kind == "input_json_delta":
            return self._arguments(index, text_of(delta.get("partial_json"), "delta.partial_json"))
        if kind == "thinking_delta":
            return self._say("reasoning_content", text_of(delta.get("thinking"), "delta.thinking"))
        if kind == "signature_delta" or kind == "citations_delta":  # noqa: PLR1714 - may be unhashable
            return b""  # a mark for the provider alone; where the text comes from
        raise refuse("delta.type", f"chat has nothing like {kind!r}")

    def _arguments(self, index: int, part: str) -> bytes:
        call = self._calls.get(index)
        if call is None:
            raise refuse("delta.type", "arguments for a block that is no tool call")
        if not part:
            return b""
        call.came = True
        return self._tool(call, {"function": {"arguments": part}})

    def _stop_block(self, data: Json) -> bytes:
        index = _index(data)
        if self._kinds.pop(index, None) != "tool_use":
            return b""
        call = self._calls[index]
        if call.came:
            return self._queue.stop(call)
        # no parts came: the arguments are those of the start, mostly none; chat needs an object
        arguments = json_text(call.given, "content_block.input")
        sent = self._tool(call, {"function": {"arguments": arguments}})
        return sent + self._queue.stop(call)

    def _finish(self, data: Json) -> bytes:
        delta = object_of(data.get("delta"), "delta")
        self._reason = delta.get("stop_reason") or self._reason
        self._count(data.get("usage"))
        details = delta.get("stop_details")
        return (
            self._say("refusal", details.get("explanation")) if isinstance(details, dict) else b""
        )

    def _end(self) -> bytes:
        self._must_have_started()
        if self._kinds:
            raise refuse("message_stop", "a block has not ended")
        self.ended = True
        last = self._chunk({}, finish=finish_reason(self._reason))
        if self._include_usage:
            last += self._write([], chat_usage(self._usage))
        return last + DONE

    def _must_have_started(self) -> None:
        if not self._started:
            raise refuse("event", "it came before message_start")

    def _say(self, field: str, text: object) -> bytes:
        return self._chunk({field: text}) if text and isinstance(text, str) else b""

    def _tool(self, call: Call, part: Json) -> bytes:
        chunk = self._chunk({"tool_calls": [{"index": call.index, **part}]})
        return self._queue.send(call, chunk)

    def _chunk(self, delta: Json, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._write([choice], None)

    def _write(self, choices: list[Json], usage: Json | None) -> bytes:
        made: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }
        if self._include_usage:
            made["usage"] = usage
        return write_event(msgspec.json.encode(made))

    def _fail(self, message: str) -> bytes:
        self.failed = True
        return write_event(error_body(_BAD_GATEWAY, message, Dialect.CHAT))


def _index(data: Json) -> int:
    index = data.get("index")
    if isinstance(index, bool) or not isinstance(index, int):
        raise refuse("index", "must be a whole number")
    return index
