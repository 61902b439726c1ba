"""Orders what a chat stream says into the blocks of a Messages stream.

A chat stream may tell of several tool calls at a time, in turns; clients of Messages expect one
block after the other. So one block is open and goes out as it comes, and what belongs to others
waits until it has ended. Text ends when something else begins; a tool call may go on until the
stream ends. Parallel calls after the first therefore go out at the end, which costs no time: no
client runs one before the answer is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from crossmodel.gateway.translation.reading import Json, arguments_of, refuse, text_of, tool_id
from crossmodel.wire.sse import MAX_EVENT_BYTES, write_event

MAX_WAITING: Final = MAX_EVENT_BYTES
"""The most characters of tool arguments and waiting text that are kept, in all."""


class _Block:
    """A text, or a tool call whose ``key`` is what the stream calls it by."""

    __slots__ = ("called", "key", "name", "opened", "parts", "sent")

    def __init__(self, key: object = None) -> None:
        self.key = key  # None for text
        self.called = ""
        self.name = ""
        self.parts: list[str] = []
        self.sent = 0  # of the parts
        self.opened = False


class Blocks:
    """The content of one answer, as bytes of Messages events.

    Args:
        default_id: begins the id of a tool call for which the server gave none.
    """

    __slots__ = ("_default_id", "_kept", "_last_key", "_next", "_waiting")

    def __init__(self, default_id: str = "call") -> None:
        self._default_id = default_id
        self._waiting: list[_Block] = []  # the first of them is the open one
        self._next = 0  # the index of the next block to open
        self._kept = 0
        self._last_key: object = None

    @property
    def called(self) -> bool:
        """Whether a tool was called."""
        return self._last_key is not None

    def text(self, text: str) -> bytes:
        """Bytes for a piece of text."""
        last = self._waiting[-1] if self._waiting else None
        if last is None or last.key is not None:
            last = _Block()
            self._waiting.append(last)
        self._keep(last, text)
        return self._progress()

    def call(self, call: Json, path: str) -> bytes:
        """Bytes for a piece of a tool call.

        Raises:
            InvalidInputError: if it is malformed.
        """
        function = call.get("function")
        if not isinstance(function, dict):
            function = {}
        block = self._block(self._key(call))
        if call.get("id"):
            block.called = block.called or text_of(call["id"], f"{path}.id")
        if function.get("name"):
            block.name = block.name or text_of(function["name"], f"{path}.function.name")
        if function.get("arguments"):
            self._keep(block, text_of(function["arguments"], f"{path}.function.arguments"))
        return self._progress()

    def finish(self, *, whole: bool) -> bytes:
        """Bytes for all that still waits, at the end of the stream.

        Args:
            whole: whether the answer was not cut by a limit: then arguments must be an object.

        Raises:
            InvalidInputError: if a call has no name or no readable arguments.
        """
        made = []
        while self._waiting:
            block = self._waiting[0]
            if whole and block.key is not None:
                arguments_of("".join(block.parts), f"the arguments of {block.name!r}")
            made.append(self._go_on(block))
            made.append(self._close())
        return b"".join(made)

    def _progress(self) -> bytes:
        """Bytes for what can go out now."""
        made = []
        while self._waiting:
            block = self._waiting[0]
            if block.key is not None and not block.name:
                break  # it cannot be opened yet
            made.append(self._go_on(block))
            if block.key is not None or len(self._waiting) == 1:
                break  # a call may go on until the end, and so may the last text
            made.append(self._close())
        return b"".join(made)

    def _key(self, call: Json) -> object:
        """What a call goes by: its index; some servers give none, and a new id for a new call."""
        index = call.get("index")
        if isinstance(index, int) and not isinstance(index, bool):
            return index
        key = call.get("id")
        if isinstance(key, str) and key:
            return key
        if self._last_key is None:
            raise refuse("tool_calls", "a call must have an index or an id")
        return self._last_key

    def _block(self, key: object) -> _Block:
        self._last_key = key
        for block in self._waiting:
            if block.key == key and block.key is not None:
                return block
        block = _Block(key)
        self._waiting.append(block)
        return block

    def _keep(self, block: _Block, part: str) -> None:
        self._kept += len(part)
        if self._kept > MAX_WAITING:
            raise refuse("content", f"more than {MAX_WAITING} characters would have to be kept")
        block.parts.append(part)

    def _go_on(self, block: _Block) -> bytes:
        made = [] if block.opened else [self._open(block)]
        made += self._deltas(block)
        return b"".join(made)

    def _open(self, block: _Block) -> bytes:
        block.opened = True
        content: Json = {"type": "text", "text": ""}
        if block.key is not None:
            if not block.name:
                raise refuse("tool_calls", "a call has no name")
            called = tool_id(block.called or f"{self._default_id}_{self._next}")
            content = {"type": "tool_use", "id": called, "name": block.name, "input": {}}
        return _event("content_block_start", {"index": self._next, "content_block": content})

    def _deltas(self, block: _Block) -> Iterator[bytes]:
        said = "".join(block.parts[block.sent :])
        if said and block.key is None:
            self._kept -= len(said)
            block.parts.clear()  # nothing looks at a text again
            yield self._delta({"type": "text_delta", "text": said})
        elif said:
            block.sent = len(block.parts)
            yield self._delta({"type": "input_json_delta", "partial_json": said})

    def _delta(self, delta: Json) -> bytes:
        return _event("content_block_delta", {"index": self._next, "delta": delta})

    def _close(self) -> bytes:
        closed = _event("content_block_stop", {"index": self._next})
        del self._waiting[0]
        self._next += 1
        return closed


def _event(kind: str, fields: Json) -> bytes:
    return write_event(msgspec.json.encode({"type": kind, **fields}), kind.encode())
