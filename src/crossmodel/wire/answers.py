"""What an answer says, as one text: read from the body or the stream that the client got.

Texts stand as they were said. A tool call, which was answered too, is a line of its own:
``[tool call] NAME ARGUMENTS``, the arguments as compact JSON, so that a stream and a whole
body that say the same give the same text. Several choices follow each other in their order, with a
blank line between them. What a model thought before it answered is left out, as it is everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, TypeVar

import msgspec

from crossmodel.wire.dialect import Dialect
from crossmodel.wire.sse import EventParser

TOOL_CALL: Final = "[tool call]"

Read = TypeVar("Read")


def answer_text(body: bytes, dialect: Dialect, *, is_stream: bool) -> str | None:
    """The text of an answer; of a stream that broke off, what it had said by then.

    ``None`` if the body is not of this dialect.
    """
    if is_stream:
        return _STREAMS[dialect](body)
    try:
        return _BODIES[dialect](body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def is_step(text: str) -> bool:
    """Whether an answer ends in a tool call: then it says what is to be done, and nothing final."""
    return text[text.rfind("\n") + 1 :].startswith(TOOL_CALL)


@dataclass(slots=True)
class _Part:
    """A text, or a tool call; ``pieces`` are of the text or of the arguments."""

    name: str | None = None
    pieces: list[str] = field(default_factory=list)


def _written(parts: Iterable[_Part]) -> str:
    """The parts of one choice; texts that follow each other are one."""
    lines: list[str] = []
    for is_text, group in groupby(parts, lambda part: part.name is None):
        if is_text:
            said = "".join(piece for part in group for piece in part.pieces)
            lines += [said] if said else []
        else:
            lines += [
                f"{TOOL_CALL} {part.name} {_compact(''.join(part.pieces))}".rstrip()
                for part in group
            ]
    return "\n".join(lines)


def _compact(written: str) -> str:
    """JSON without insignificant spaces and escapes; anything else as it is."""
    try:
        return msgspec.json.encode(msgspec.json.decode(written)).decode()
    except (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError):
        return written


def _as_written(arguments: msgspec.Raw) -> str:
    """Arguments as JSON text, whether they stand as an object or, as chat has it, as a string."""
    raw = bytes(arguments)
    if raw.startswith(b'"'):
        try:
            return msgspec.json.decode(raw, type=str)
        except (msgspec.MsgspecError, UnicodeDecodeError):  # bytes that are no text
            return raw[1:-1].decode("utf-8", "replace")
    return raw.decode("utf-8", "replace") if raw != b"null" else ""


# bodies


class _Text(msgspec.Struct):
    """A part of a message: its text, or why there is none."""

    type: str = "text"
    text: str | None = None
    refusal: str | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class _Call(msgspec.Struct):
    """A tool call of chat: of a function, or a custom tool with its input."""

    index: int | None = None
    function: _Function | None = None
    custom: _Custom | None = None


class _Custom(msgspec.Struct):
    name: str | None = None
    input: str | None = None


class _Message(msgspec.Struct):
    """A message of chat, or what a chunk adds to it."""

    content: str | list[_Text] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    message: _Message | None = None
    delta: _Message | None = None
    text: str | None = None


class _Chat(msgspec.Struct):
    choices: list[_Choice] | None = None


class _Block(msgspec.Struct):
    """A block of Messages."""

    type: str = ""
    text: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()


class _Content(msgspec.Struct):
    content: list[_Block]


class _Item(msgspec.Struct):
    """An item of a response: a message, a call, or something that is no answer."""

    type: str = "message"
    content: list[_Text] | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None


class _Response(msgspec.Struct):
    output: list[_Item]


class _Said:
    """Collects what choices say, from messages and chunks alike: first texts, then calls."""

    __slots__ = ("_choices",)

    def __init__(self) -> None:
        self._choices: dict[int, tuple[_Part, dict[int, _Part]]] = {}

    def take(self, choice: _Choice) -> None:
        known = self._choices.get(choice.index)
        if known is None:
            known = self._choices[choice.index] = _Part(), {}
        text, calls = known
        if choice.text:
            text.pieces.append(choice.text)
        message = choice.message or choice.delta
        if message is None:
            return
        if isinstance(message.content, str):
            text.pieces.append(message.content)
        elif message.content is not None:
            text.pieces += [part.text or part.refusal or "" for part in message.content]
        if message.refusal:
            text.pieces.append(message.refusal)
        if message.tool_calls:
            _take_calls(message.tool_calls, calls)
        if message.function_call is not None:
            function = message.function_call
            _add(calls.setdefault(-1, _Part("")), function.name, _as_written(function.arguments))

    def text(self) -> str:
        return "\n\n".join(
            _written([text, *(calls[number] for number in sorted(calls))])
            for _, (text, calls) in sorted(self._choices.items(), key=lambda each: each[0])
        )


def _take_calls(given: Iterable[_Call], calls: dict[int, _Part]) -> None:
    for position, call in enumerate(given):
        number = position if call.index is None else call.index
        part = calls.setdefault(number, _Part(""))
        if call.custom is not None:
            _add(part, call.custom.name, call.custom.input or "")
        elif call.function is not None:
            _add(part, call.function.name, _as_written(call.function.arguments))


def _add(part: _Part, name: str | None, piece: str) -> None:
    part.name = part.name or name or ""  # some servers say the name with every piece
    part.pieces.append(piece)


def _chat(body: bytes) -> str | None:
    choices = _decode_chat(body).choices
    if choices is None:
        return None
    said = _Said()
    for choice in choices:
        said.take(choice)
    return said.text()


def _messages(body: bytes) -> str:
    return _written(
        _Part(None if block.type == "text" else block.name or "", [_said_by(block)])
        for block in _decode_content(body).content
        if block.type == "text" or block.type.endswith("tool_use")
    )


def _said_by(block: _Block) -> str:
    return block.text or "" if block.type == "text" else _as_written(block.input)


def _responses(body: bytes) -> str:
    return _written(_of_output(_decode_response(body).output))


def _of_output(output: Iterable[_Item]) -> Iterator[_Part]:
    for item in output:
        if item.type == "message":
            yield _Part(None, [part.text or part.refusal or "" for part in item.content or ()])
        elif item.type.endswith("_call") and item.name is not None:
            yield _Part(item.name, [item.arguments or item.input or ""])


_decode_chat = msgspec.json.Decoder(_Chat, strict=False).decode
_decode_content = msgspec.json.Decoder(_Content, strict=False).decode
_decode_response = msgspec.json.Decoder(_Response, strict=False).decode


# streams


class _Delta(msgspec.Struct):
    text: str | None = None
    partial_json: str | None = None


class _BlockEvent(msgspec.Struct):
    """An event of Messages that begins a block or goes on with it."""

    index: int = 0
    content_block: _Block | None = None
    delta: _Delta | None = None


class _ItemEvent(msgspec.Struct):
    """An event of Responses: a piece of an item, an item that begins, or the whole response."""

    type: str = ""
    output_index: int = 0
    item: _Item | None = None
    delta: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()


_decode_block = msgspec.json.Decoder(_BlockEvent, strict=False).decode
_decode_item = msgspec.json.Decoder(_ItemEvent, strict=False).decode

_PIECES: Final = (
    "response.output_text.delta",
    "response.refusal.delta",
    "response.function_call_arguments.delta",
    "response.custom_tool_call_input.delta",
)
_WHOLE: Final = ("response.completed", "response.incomplete", "response.failed")


def _events(body: bytes, decode: Callable[[bytes], Read]) -> Iterator[Read]:
    """The events that can be read; the others say nothing."""
    parser = EventParser(len(body) + 1)
    *chunks, rest = body.split(b"\n\n")  # the parser is quickest with one event at a time
    chunks = [chunk + b"\n\n" for chunk in chunks]
    chunks.append(rest)
    for chunk in chunks:
        for event in parser.feed(chunk):
            try:
                yield decode(event.data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue


def _chat_stream(body: bytes) -> str | None:
    said, is_read = _Said(), False
    for event in _events(body, _decode_chat):
        for choice in event.choices or ():
            said.take(choice)
        is_read = True
    return said.text() if is_read else None


def _messages_stream(body: bytes) -> str | None:
    parts: dict[int, _Part] = {}
    is_read = False
    for event in _events(body, _decode_block):
        is_read = True
        block, delta = event.content_block, event.delta
        if block is not None and block.type == "text":
            parts[event.index] = _Part(None, [block.text or ""])
        elif block is not None and block.type.endswith("tool_use"):
            parts[event.index] = _Part(block.name or "", [])
        elif delta is not None and event.index in parts:
            part = parts[event.index]
            part.pieces.append((delta.text if part.name is None else delta.partial_json) or "")
    return _written(parts[index] for index in sorted(parts)) if is_read else None


def _responses_stream(body: bytes) -> str | None:
    parts: dict[int, _Part] = {}
    is_read = False
    for event in _events(body, _decode_item):
        is_read = True
        if event.type in _WHOLE:
            try:
                return _responses(bytes(event.response))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
        if event.type == "response.output_item.added" and event.item is not None:
            is_call = event.item.type.endswith("_call") and event.item.name is not None
            parts[event.output_index] = _Part(event.item.name if is_call else None)
        elif event.type in _PIECES:
            part = parts.setdefault(event.output_index, _Part())
            part.pieces.append(_as_written(event.delta))
    return _written(parts[index] for index in sorted(parts)) if is_read else None


_BODIES: Final[dict[Dialect, Callable[[bytes], str | None]]] = {
    Dialect.CHAT: _chat,
    Dialect.MESSAGES: _messages,
    Dialect.RESPONSES: _responses,
}
_STREAMS: Final[dict[Dialect, Callable[[bytes], str | None]]] = {
    Dialect.CHAT: _chat_stream,
    Dialect.MESSAGES: _messages_stream,
    Dialect.RESPONSES: _responses_stream,
}
