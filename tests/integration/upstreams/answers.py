"""What is answered, before any dialect: a prompt in, pieces of text, thoughts and calls out.

The same request gets the same bytes each time, so that what came through a gateway can be compared
with what came straight from here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any

from upstreams.account import digest
from upstreams.behaviours import Behaviour

CREATED = 1_700_000_000
_PIECE = re.compile(r"\s*\S+")
_SCRIPTS = "Zürich 東京 Ελλάδα मुंबई 🙂👩‍👩‍👧 é e\u0301 \u2028 عربي "
_MIB = 1 << 20

# Put where JSON is written: no serialiser of ours would write it again just so.
_ODD = "\ufffdodd\ufffd"
_ODD_JSON = r'{"n": 1.10, "big": 123456789012345678901234567890, "s": "\u00e9\/", "e": 1E+2}'
_KEPT_PLAIN = frozenset({"input", "metadata", "tools", "text", "schema"})


@dataclass(slots=True)
class Prompt:
    """What a request of any dialect asks."""

    text: str = ""
    last: str = ""
    images: list[dict[str, Any]] = field(default_factory=list)
    tools: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    schema: dict[str, Any] | None = None
    max_tokens: int | None = None
    stop: list[str] = field(default_factory=list)

    def say(self, role: str, text: str) -> None:
        self.text += f"{role}: {text}\n"
        if role == "user":
            self.last = text

    def show(self, url: str) -> None:
        """Takes an image by URL; of a ``data:`` URL, what it holds."""
        if url.startswith("data:"):
            media, _, data = url.removeprefix("data:").partition(";base64,")
            self.show_bytes(media, data)
        else:
            self.images.append({"url": url})

    def show_bytes(self, media_type: str, encoded: str) -> None:
        try:
            data = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            self.images.append({"media_type": media_type, "error": "no base64"})
        else:
            self.images.append(
                {"media_type": media_type, "sha256": digest(data), "bytes": len(data)}
            )


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool; ``arguments`` is JSON."""

    name: str
    arguments: str

    def fragments(self) -> list[str]:
        """The arguments in pieces of growing size, cut anywhere."""
        pieces: list[str] = []
        start = 0
        while start < len(self.arguments):
            end = start + 3 + len(pieces) * 2
            pieces.append(self.arguments[start:end])
            start = end
        return pieces


@dataclass(slots=True)
class Composition:
    """An answer; ``finish``: ``stop``, ``length``, ``sequence``, ``calls`` or ``refusal``."""

    pieces: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    finish: str = "stop"
    sequence: str | None = None
    input_tokens: int = 0
    cached_tokens: int = 0

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def thinking(self) -> str:
        return "".join(self.thoughts)

    @property
    def output_tokens(self) -> int:
        return len(self.pieces) + len(self.thoughts) + 10 * len(self.calls)


def compose(prompt: Prompt, behaviour: Behaviour, echo: dict[str, Any]) -> Composition:
    """The answer to a prompt; ``echo`` is what the answer of that name returns."""
    answer = Composition(input_tokens=max(1, len(prompt.text.split())))
    kind = behaviour.answer
    if kind == "tools" and (prompt.results or not prompt.tools):
        kind = "text"
    if kind == "tools":
        answer.finish = "calls"
        answer.calls = _calls(prompt.tools)
        if "text" in behaviour:
            answer.pieces = _pieces("Let me look that up.")
    elif kind == "refusal":
        answer.finish = "refusal"
        answer.pieces = _pieces("I cannot help with that.")
    elif kind == "long":
        answer.pieces = [f"w{number} " for number in range(behaviour.number("long", 3000))]
    elif kind == "big":
        answer.pieces = [letter * _MIB for letter in "abc"]
    elif kind == "unicode":
        answer.pieces = _pieces(_SCRIPTS + prompt.last[:200])
    else:
        answer.pieces = _pieces(_plain(kind, prompt, echo))
    if behaviour.thinks:
        answer.thoughts = _pieces(f"The user said {digest(prompt.text.encode())[:8]}. Hm, so.")
    if "cached" in behaviour:
        answer.cached_tokens = answer.input_tokens // 2 + 1
        answer.input_tokens += answer.cached_tokens
    _stop(answer, prompt)
    return answer


def _plain(kind: str, prompt: Prompt, echo: dict[str, Any]) -> str:
    if kind == "echo":
        return json.dumps(echo)
    if kind == "repeat":
        return prompt.last
    if kind == "image":
        return json.dumps({"images": prompt.images})
    if kind == "json":
        return json.dumps(fill(prompt.schema or {"properties": {"answer": {"type": "string"}}}))
    if prompt.results:
        return f"The tools said: {' | '.join(prompt.results)[:2000]}"
    return f"You said {prompt.last[:400]!r}, digest {digest(prompt.text.encode())[:16]}. All good."


def _pieces(text: str) -> list[str]:
    """The text cut before its white space; nothing is lost."""
    pieces = _PIECE.findall(text)
    rest = text[sum(map(len, pieces)) :]
    return [*pieces, rest] if rest else pieces


def _stop(answer: Composition, prompt: Prompt) -> None:
    """Ends the text where the request says: at a stop sequence, then at the limit of tokens."""
    if answer.finish != "stop":
        return
    text = answer.text if prompt.stop else ""
    found = [(text.index(stop), stop) for stop in prompt.stop if stop and stop in text]
    if found:
        at, answer.sequence = min(found)
        answer.pieces = _pieces(text[:at])
        answer.finish = "sequence"
    if prompt.max_tokens is not None and prompt.max_tokens < len(answer.pieces):
        answer.pieces = answer.pieces[: prompt.max_tokens]
        answer.finish, answer.sequence = "length", None


def _calls(tools: list[tuple[str, dict[str, Any]]]) -> list[Call]:
    """Three calls, of the first tools in turn."""
    return [
        Call(name, json.dumps(fill(schema, number), ensure_ascii=False))
        for number in range(3)
        for name, schema in [tools[number % len(tools)]]
    ]


def fill(schema: dict[str, Any], number: int = 0) -> Any:
    """A value that fits a JSON schema of the plain kinds, another one for each number."""
    if schema.get("enum"):
        return schema["enum"][number % len(schema["enum"])]
    kind = schema.get("type")
    if kind == "string":
        return f'é"{number}\n\\'
    if kind in {"integer", "number"}:
        return number
    if kind == "boolean":
        return number % 2 == 0
    if kind == "array":
        return [fill(schema.get("items", {"type": "string"}), at) for at in (number, number + 1)]
    properties = schema.get("properties") or {"item": {"type": "integer"}}
    return {name: fill(value, number) for name, value in properties.items()}


def with_unknown(value: Any) -> Any:
    """A copy with a field that nobody has heard of in each object that may have one."""
    if isinstance(value, dict):
        copy = {
            key: item if key in _KEPT_PLAIN else with_unknown(item) for key, item in value.items()
        }
        return {"x_before": None, **copy, "x_vendor": {"odd": _ODD}}
    return [with_unknown(item) for item in value] if isinstance(value, list) else value


def to_json(value: Any, behaviour: Behaviour) -> str:
    """The JSON of one object of an answer, as the behaviour has it written."""
    if "unknown" in behaviour:
        value = with_unknown(value)
    text = json.dumps(value, ensure_ascii="unicode" not in behaviour, separators=(",", ":"))
    return text.replace(json.dumps(_ODD, ensure_ascii="unicode" not in behaviour), _ODD_JSON)
