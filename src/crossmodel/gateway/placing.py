"""Putting a context into a client's request and reading its question, by its JSON.

Only what changes is read and written anew; every other field, message and part stays byte for byte,
whatever it says. As in :meth:`crossmodel.transfer.InsightTransfer.place`, the context goes to the
end of the system's turn or, for models that do not follow one, before the last text of the user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from crossmodel.wire.dialect import Dialect

Fields = dict[str, msgspec.Raw]
"""An object whose values are JSON as it came."""

Rewrite = Callable[[str], str]

_SYSTEM: Final = frozenset({"system", "developer"})
_TEXT_PARTS: Final = frozenset({"text", "input_text"})

_as_fields: Final = msgspec.json.Decoder(Fields).decode
_as_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_as_text: Final = msgspec.json.Decoder(str).decode


class _Turn(msgspec.Struct):
    """Who speaks; the items of a response's input are no turns unless they are messages."""

    role: str | None = None
    type: str | None = None
    content: msgspec.Raw = msgspec.Raw()


class _Part(msgspec.Struct):
    type: str | None = None
    text: str | None = None


_as_turn: Final = msgspec.json.Decoder(_Turn).decode
_as_part: Final = msgspec.json.Decoder(_Part).decode


def question_of(body: Fields, dialect: Dialect) -> str:
    """The last text of the user; empty if there is none, or the body is not of the dialect."""
    try:
        said = body.get(_turns_field(dialect))
        if said is None:
            return ""
        if _is_text(said):
            return _as_text(said)
        for turn in map(_as_turn, reversed(_as_list(said))):
            if _is_users(turn) and (text := _last_text(turn.content)) is not None:
                return text
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return ""


def with_system(body: Fields, dialect: Dialect, context: str) -> Fields:
    """The body with ``context`` at the end of what the system says, or as all that it says.

    Raises:
        msgspec.MsgspecError: if the body is not of the dialect; a ``KeyError`` if it has no turns.
    """
    if dialect is Dialect.MESSAGES:
        said = _extended(body.get("system"), context)
        return body | {"system": said}
    if dialect is Dialect.RESPONSES:
        return body | {"instructions": _extended(body.get("instructions"), context)}
    turns = _as_list(body["messages"])
    for position, raw in enumerate(turns):
        turn = _as_turn(raw)
        if turn.role in _SYSTEM:
            turns[position] = _with_content(raw, _extended(turn.content, context))
            break
    else:
        turns.insert(0, _raw({"role": "system", "content": context}))
    return body | {"messages": _raw(turns)}


def with_user(body: Fields, dialect: Dialect, rewrite: Rewrite) -> Fields:
    """The body with the last text of the user rewritten; the same if there is none.

    Raises:
        msgspec.MsgspecError: if the body is not of the dialect; a ``KeyError`` if it has no turns.
    """
    field = _turns_field(dialect)
    said = body[field]
    if _is_text(said):
        return body | {field: _raw(rewrite(_as_text(said)))}
    turns = _as_list(said)
    for position in reversed(range(len(turns))):
        turn = _as_turn(turns[position])
        if not _is_users(turn):
            continue
        content = _rewritten(turn.content, rewrite)
        if content is not None:
            turns[position] = _with_content(turns[position], content)
            return body | {field: _raw(turns)}
    return body


def _turns_field(dialect: Dialect) -> str:
    return "input" if dialect is Dialect.RESPONSES else "messages"


def _is_users(turn: _Turn) -> bool:
    return turn.role == "user" and turn.type in {None, "message"}


def _is_text(raw: msgspec.Raw) -> bool:
    return bytes(raw).startswith(b'"')


def _is_nothing(raw: msgspec.Raw | None) -> bool:
    return raw is None or bytes(raw) in {b"", b"null"}


def _last_text(content: msgspec.Raw) -> str | None:
    """The last text of a turn's content, if it holds any."""
    if _is_nothing(content):
        return None
    if _is_text(content):
        return _as_text(content)
    for part in map(_as_part, reversed(_as_list(content))):
        if part.type in _TEXT_PARTS and part.text is not None:
            return part.text
    return None


def _rewritten(content: msgspec.Raw, rewrite: Rewrite) -> msgspec.Raw | None:
    """The content with its last text rewritten; ``None`` if it holds none."""
    if _is_nothing(content):
        return None
    if _is_text(content):
        return _raw(rewrite(_as_text(content)))
    parts = _as_list(content)
    for position in reversed(range(len(parts))):
        part = _as_part(parts[position])
        if part.type in _TEXT_PARTS and part.text is not None:
            fields = _as_fields(parts[position])
            parts[position] = _raw(fields | {"text": _raw(rewrite(part.text))})
            return _raw(parts)
    return None


def _extended(content: msgspec.Raw | None, context: str) -> msgspec.Raw:
    """Content with the context at its end: a text grows, parts get one more."""
    if content is None or _is_nothing(content):
        return _raw(context)
    if _is_text(content):
        said = _as_text(content)
        return _raw(f"{said}\n\n{context}" if said else context)
    return _raw([*_as_list(content), _raw({"type": "text", "text": context})])


def _with_content(turn: msgspec.Raw, content: msgspec.Raw) -> msgspec.Raw:
    return _raw(_as_fields(turn) | {"content": content})


def _raw(
    value: str | Sequence[msgspec.Raw] | dict[str, msgspec.Raw] | dict[str, str],
) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
