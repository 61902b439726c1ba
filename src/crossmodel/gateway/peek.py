"""What the gateway needs to know of a request's body; all the rest stays as the client wrote it.

Only the outermost object is taken apart. Its values stay the bytes they were, so that what is sent
on holds nothing of our own making but the model's name; a key that was there twice, or was spelled
with escapes, is there once and plainly then: the provider reads what was checked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from crossmodel.domain.models import Feature
from crossmodel.errors import InvalidInputError

Fields = dict[str, msgspec.Raw]

OURS: Final = "crossmodel"
"""The field of a request that is for us; it is not sent on."""

LIMITS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""What the dialects call the most tokens of an answer."""

ESCAPED: Final = (b"\\u005", b"\\u006", b"\\u007")
"""How a letter may be spelled where nobody needs to: a mark could hide behind it."""

COUNTS: Final = ("n", "best_of")
"""What the dialects call how many answers are wanted, or made to choose from."""

SEEN: Final = (b'"image_url"', b'"image"', b'"input_image"')
"""Quoted like this they are keys or whole values: within a text the marks are escaped."""

ATTACHED: Final = (*SEEN, b'"file"', b'"input_file"', b'"document"', b'"input_audio"')

_fields: Final = msgspec.json.Decoder(Fields).decode
_text: Final = msgspec.json.Decoder(str).decode
_count: Final = msgspec.json.Decoder(int | float | None, strict=False).decode
_any: Final = msgspec.json.Decoder().decode
_object: Final = msgspec.json.Decoder(dict[str, Any]).decode

FORMATS: Final = ("response_format", "text", "output_config", "output_format")
"""Where the dialects say what form an answer must have."""

NOTHING: Final = (b"null", b"[]", b"{}", b"false", b'"none"')

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Peek:
    """What a request's body says.

    Attributes:
        fields: the outermost object, without the part that is for us.
        model: the model that is asked for.
        stream: whether the answer is wanted piece by piece.
        most_tokens: most tokens of one answer, where the request says so.
        answers: how many answers are asked for.
        features: what the model must be able to do besides text.
        size: bytes of the text that the model reads, at most: attachments are not in it.
        is_text: whether there is nothing but text in it.
        ours: the part that is for us.
    """

    fields: Fields = field(repr=False)
    model: str
    stream: bool = False
    most_tokens: int | None = None
    answers: int = 1
    features: frozenset[Feature] = frozenset()
    size: int = 0
    is_text: bool = True
    ours: dict[str, Any] | None = None

    def body(self, model: str) -> bytes:
        """The body to send on, which asks for ``model``."""
        self.fields["model"] = msgspec.Raw(msgspec.json.encode(model))
        return msgspec.json.encode(self.fields)


def peek(body: bytes, limits: Sequence[str] = LIMITS) -> Peek:
    """Look at a body.

    Args:
        body: the body.
        limits: what limits the tokens of an answer on the path that is asked on: a provider may
            pass over any other. Of two that are there the larger counts.

    Raises:
        InvalidInputError: if it is no JSON object in UTF-8, or what we need of it is of the wrong
            kind; the message names the field.
    """
    fields = _outermost(body)
    if "model" not in fields:
        raise InvalidInputError("model is missing")
    seen = Peek(fields, _model(fields["model"]))
    if OURS in fields:
        seen.ours = _read(fields.pop(OURS), _object, OURS, "an object")
    stream = fields.get("stream")
    seen.stream = stream is not None and bytes(stream) == b"true"
    for name in limits:
        if name in fields:
            most = _positive(fields[name], name)
            if most is not None and most > (seen.most_tokens or 0):
                seen.most_tokens = most
    for name in COUNTS:
        if name in fields:
            seen.answers = max(seen.answers, _positive(fields[name], name) or 1)
    seen.size = len(body)
    _look_at_needs(seen)
    return seen


def _model(raw: msgspec.Raw) -> str:
    text = bytes(raw)
    if text[:1] == b'"' and b"\\" not in text:  # the usual case: the text is what it says
        return text[1:-1].decode()
    name: str = _read(raw, _text, "model", "a string")
    return name


def _outermost(body: bytes) -> Fields:
    try:
        body.decode()
        return _fields(body)
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"the body is not UTF-8 at byte {error.start}") from None
    except msgspec.MsgspecError as error:
        raise InvalidInputError(f"the body is not a JSON object: {error}") from None
    except RecursionError:
        raise InvalidInputError("the body is nested too deeply") from None


def conversation_of(fields: Fields) -> list[Any]:
    """The turns of a request, decoded: of ``messages``, or of ``input`` (Responses).

    Raises:
        InvalidInputError: if they hold what cannot be read, such as a number out of range.
    """
    raw = fields.get("messages") or fields.get("input")
    if raw is None:
        return []
    turns = _read(raw, _any, "messages", "JSON with numbers in range")
    if isinstance(turns, str):
        return [{"role": "user", "content": turns}]
    return turns if isinstance(turns, list) else []


def texts_of(content: object) -> list[str]:
    """The texts of a turn's content: a string, or parts of which some are text."""
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return []
    return [
        part["text"]
        for part in content
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    ]


def user_texts(fields: Fields) -> list[str]:
    """What the user said, turn by turn."""
    return [
        "\n".join(texts_of(turn.get("content")))
        for turn in conversation_of(fields)
        if isinstance(turn, dict) and turn.get("role") == "user"
    ]


def _look_at_needs(seen: Peek) -> None:
    """What the model must be able to do, and how much it will read."""
    fields, wanted = seen.fields, []
    if seen.stream:
        wanted.append(Feature.STREAMING)
    if "tools" in fields and bytes(fields["tools"]) not in NOTHING:
        wanted.append(Feature.TOOLS)
    for name in FORMATS:
        if name in fields and b'"json_schema"' in bytes(fields[name]):
            wanted.append(Feature.JSON_SCHEMA)
            break
    turns = bytes(fields.get("messages") or fields.get("input") or b"")
    if b"\\u00" in turns and any(letter in turns for letter in ESCAPED):
        turns = _plain(turns)
    seen.is_text = not _refers_elsewhere(fields)
    # every attachment is an object with a type: one search tells most conversations from those
    if b'"type"' in turns and _is_attached(turns):
        seen.is_text = False
        said = (texts_of(turn.get("content")) for turn in conversation_of(fields) if _is(turn))
        seen.size = sum(len(text.encode()) for texts in said for text in texts)
        if any(mark in turns for mark in SEEN):
            wanted.append(Feature.VISION)
    if wanted:
        seen.features = frozenset(wanted)


def _refers_elsewhere(fields: Fields) -> bool:
    """Whether the provider keeps a part of what the model reads, as it may for Responses."""
    if "previous_response_id" in fields or "conversation" in fields:
        return True
    return "prompt" in fields and bytes(fields["prompt"])[:1] == b"{"


def _plain(turns: bytes) -> bytes:
    """The same with all letters as they are."""
    try:
        return msgspec.json.encode(_any(turns))
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return turns


def _is_attached(turns: bytes) -> bool:
    return any(mark in turns for mark in ATTACHED)


def _is(turn: object) -> bool:
    return isinstance(turn, dict)


def _positive(raw: msgspec.Raw, name: str) -> int | None:
    """A count of at least 1; ``None`` for null.

    It bounds what a call may cost, so that what is no such count is refused here.
    """
    digits = bytes(raw)
    value = int(digits) if digits.isdigit() else _read(raw, _count, name, "a number")
    if value is None:
        return None
    if not 1 <= value < float("inf"):
        raise InvalidInputError(f"{name} must be a number of at least 1, not {value}")
    return int(value)


def _read(raw: msgspec.Raw, decode: Any, name: str, kind: str) -> Any:
    try:
        return decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        raise InvalidInputError(f"{name} must be {kind}") from None
