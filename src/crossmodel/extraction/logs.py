"""Reading models' answers: plain text, Markdown, JSON and JSONL, and the logs that APIs leave.

A row may be ours (``{id, source_model, prompt?, output}``), an OpenAI chat completion or Responses
answer, an Anthropic message, a batch line (``response.body``), a request/response pair, or a list
of ``messages``. A row that is none of these is reported and costs no other row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

import msgspec

from crossmodel.domain.insight import text_sha256
from crossmodel.errors import InvalidInputError, NotFoundError

UNKNOWN_MODEL: Final = "unknown"
"""Source model of an answer that does not say who wrote it."""

SUFFIXES: Final = frozenset({".json", ".jsonl", ".log", ".markdown", ".md", ".ndjson", ".txt"})
"""What is read in a folder; a file named by itself is read whatever its name."""


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One answer found in a log. ``origin`` says where, for people."""

    id: str
    source_model: str
    output: str
    prompt: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that holds no answer, and why."""

    origin: str
    reason: str


def read_path(
    path: Path, *, source_model: str = UNKNOWN_MODEL
) -> Iterator[LoggedAnswer | UnreadableRow]:
    """Every answer in a file, or in the files of a folder and those below it, in order of name.

    ``source_model`` is who wrote the answers that do not say so themselves.

    Raises:
        NotFoundError: if there is no such file or folder.
    """
    for file in files_in(path):
        yield from _read_file(file, source_model)


def is_read(name: str) -> bool:
    """Whether a file of that name is read where it was not named by itself."""
    return PurePath(name).suffix.lower() in SUFFIXES


def files_in(path: Path, wanted: Callable[[str], bool] = is_read) -> list[Path]:
    """The file itself, or those of a folder and below it with a wanted name, in order of name.

    Raises:
        NotFoundError: if there is no such file or folder.
    """
    if path.is_dir():
        return sorted(f for f in path.rglob("*") if f.is_file() and wanted(f.name))
    if path.is_file():
        return [path]
    raise NotFoundError(f"there is no file or folder {path}")


def _read_file(path: Path, source_model: str) -> Iterator[LoggedAnswer | UnreadableRow]:
    origin = path.name
    try:
        if is_lines(path.name):
            with path.open("rb") as lines:
                yield from read_lines(lines, origin=origin, source_model=source_model)
        else:
            yield from read_document(path.read_bytes(), origin=origin, source_model=source_model)
    except OSError as error:
        yield UnreadableRow(origin, f"cannot be read: {error.strerror}")


def is_lines(name: str) -> bool:
    """Whether a file of that name holds a row in each line."""
    return name.lower().endswith((".jsonl", ".ndjson"))


def read_document(
    content: bytes, *, origin: str, source_model: str = UNKNOWN_MODEL
) -> Iterator[LoggedAnswer | UnreadableRow]:
    """Every answer in a whole file, as :func:`read_text` finds them."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        yield UnreadableRow(origin, f"not UTF-8: {error.reason} at byte {error.start}")
    else:
        yield from read_text(text, origin=origin, source_model=source_model)


def read_text(
    text: str, *, origin: str, source_model: str = UNKNOWN_MODEL
) -> Iterator[LoggedAnswer | UnreadableRow]:
    """Every answer in ``text``: rows where it is JSON or JSONL, else the text itself."""
    if text.lstrip()[:1] in {"{", "["}:
        try:
            whole = msgspec.json.decode(text)
        except msgspec.DecodeError:
            lines = text.split("\n")  # and not at U+2028, which JSON strings may hold
            if _is_json_object(next(line for line in lines if line.strip())):
                yield from read_lines(lines, origin=origin, source_model=source_model)
                return
        else:
            rows = whole if isinstance(whole, list) else [whole]
            for number, row in enumerate(rows, 1):
                yield from _read_row(row, f"{origin}:{number}", source_model)
            return
    if text.strip():
        yield _answer(text, source_model, origin=origin)
    else:
        yield UnreadableRow(origin, "empty")


def _is_json_object(line: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except msgspec.DecodeError:
        return False


def read_lines(
    lines: Iterable[bytes | str],
    *,
    origin: str,
    source_model: str = UNKNOWN_MODEL,
    first: int = 1,
) -> Iterator[LoggedAnswer | UnreadableRow]:
    """Every answer in lines of JSON; ``first`` is the number of the first of them in its file."""
    for number, line in enumerate(lines, first):
        where = f"{origin}:{number}"
        try:
            text = line.decode() if isinstance(line, bytes) else line
            if not text.strip():
                continue
            row = msgspec.json.decode(text)
        except UnicodeDecodeError as error:
            yield UnreadableRow(where, f"not UTF-8: {error.reason} at byte {error.start}")
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            yield UnreadableRow(where, f"not JSON: {error}")
        else:
            yield from _read_row(row, where, source_model)


def _read_row(
    row: object, origin: str, source_model: str
) -> Iterator[LoggedAnswer | UnreadableRow]:
    try:
        answers = answers_of_row(row, origin=origin, source_model=source_model)
    except InvalidInputError as error:
        yield UnreadableRow(origin, str(error))
    else:
        yield from answers


def answers_of_row(
    row: object, *, origin: str = "", source_model: str = UNKNOWN_MODEL
) -> list[LoggedAnswer]:
    """The answers that one decoded row holds, at least one.

    Raises:
        InvalidInputError: if it holds none.
    """
    if not isinstance(row, Mapping):
        raise InvalidInputError(f"a row must be a JSON object, not {type(row).__name__}")
    response = row.get("response", row)
    if isinstance(response, Mapping) and isinstance(response.get("body"), Mapping):
        response = response["body"]
    request = row.get("request", row.get("body", row))
    texts = _texts(response) or _assistant_turns(row)
    if not texts:
        raise InvalidInputError(
            "no answer in it: expected output, choices, content, or messages with an assistant turn"
        )
    named = [row.get("source_model"), _field(response, "model"), _field(request, "model")]
    model = next((name for name in named if isinstance(name, str) and name), source_model)
    ids = [row.get("id"), row.get("custom_id"), _field(response, "id")]
    row_id = next((i for i in ids if isinstance(i, str | int) and str(i)), "")
    prompt = row.get("prompt")
    return [
        _answer(
            text,
            model,
            origin=origin,
            row_id=f"{row_id}" if position == 0 else f"{row_id}#{position}",
            prompt=prompt if isinstance(prompt, str) else _last_question(request),
        )
        for position, text in enumerate(texts)
    ]


def _answer(
    text: str, source_model: str, *, origin: str, row_id: str = "", prompt: str = ""
) -> LoggedAnswer:
    return LoggedAnswer(row_id or text_sha256(text)[:16], source_model, text, prompt, origin)


def _field(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _texts(response: object) -> list[str]:
    """What the model said, in whichever API's form."""
    if not isinstance(response, Mapping):
        return [response] if isinstance(response, str) and response.strip() else []
    output = response.get("output")
    if isinstance(output, list):  # Responses API: items, of which messages hold text
        found = [_joined(_field(item, "content")) for item in output]
    elif isinstance(output, str):
        found = [output]
    elif isinstance(response.get("choices"), list):
        found = [
            _joined(_field(_field(choice, "message"), "content")) or _joined(_field(choice, "text"))
            for choice in response["choices"]
        ]
    else:
        found = [_joined(response.get("content"))]
    return [text for text in found if text.strip()]


def _joined(content: object) -> str:
    """Content that is a string, or a list of parts of which some are text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = [part if isinstance(part, str) else _field(part, "text") for part in content]
    return "".join(part for part in parts if isinstance(part, str))


def _assistant_turns(row: Mapping[str, Any]) -> list[str]:
    turns = _turns(row, "assistant")
    return [text for text in turns if text.strip()]


def _last_question(request: object) -> str:
    return next(reversed(_turns(request, "user")), "")


def _turns(conversation: object, role: str) -> list[str]:
    messages = _field(conversation, "messages")
    if not isinstance(messages, list):
        return []
    return [_joined(_field(m, "content")) for m in messages if _field(m, "role") == role]
