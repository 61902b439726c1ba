"""What an upstream does, read from the model's name: words joined with ``+``, as ``tools+split-1``.

What follows an ``@`` is a label and does nothing, so that two models can behave alike:
``text@cheap``. A name with an unknown word is a model that does not exist.

What is answered (the last one named wins):
    text            a text that depends on the prompt; also before the calls: ``text+tools``
    long-N          N pieces, 3000 unless said
    tools           three parallel calls of the tools offered; text once their results are there
    image           the digests of the images that arrived, as JSON
    echo            path, headers and the digest of the body, as JSON
    big             three pieces of 1 MiB
    unicode         text of many scripts, its characters cut in two by chunk boundaries
    json            an object that fits the schema asked for
    refusal         the model declines
    repeat          what the user said last, word for word
What is added to it:
    reasoning, thinking   the thoughts before the answer
    cached          part of the prompt was read from a cache
    no-usage        no token counts anywhere
    unknown         fields, events, comments and SSE lines that nobody has heard of
How it travels:
    split-N         chunks of N bytes, written N bytes at a time
    one-write       the whole answer in one write
    chunk-ext       chunk extensions and trailers
    close           no length: the body ends where the connection does
    slow-N          N ms before each event but the first
    first-N         N ms before the first byte
    halt-N          5 ms of silence after N bytes, the head not counted: what came is read by then
    crlf, cr        ends of SSE lines
    keepalive-N     an SSE comment after every N events
    gzip            compressed, for who accepts it
    100             an interim answer, 100 Continue, first
What goes wrong (a body that is no stream counts as up to eight events):
    drop-N          the connection is reset after N events
    cut-N           it is closed in the midst of the chunk after N events
    stall, stall-N  no answer at all; nothing more after N events
    short           the length promised is 10 bytes more than what comes
    status-N        an error of that status, or a redirection elsewhere
    telltale        errors repeat the key that came with the request, in body and headers
    retry-after-N   429, or the status named, with ``Retry-After: N``
    retry-date-N    the same with the date that is N seconds ahead
    garbage         bytes that are no HTTP
    badjson         200 with JSON that breaks off; in a stream, the third event does
    error-event-N   an error in the stream after N events, 2 unless said; 500 where there is none
    no-done         the stream ends well, its last event is left out
    refuse-N        reset; new connections are closed at once for N ms, 500 unless said
    huge-header-N   a header of N KiB, 100 unless said
    flaky-N         what goes wrong (500 unless named) goes wrong N times for each prompt, then well
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

ANSWERS = frozenset(
    {"text", "long", "tools", "image", "echo", "big", "unicode", "json", "refusal", "repeat"}
)
_BARE = ANSWERS | frozenset(
    {
        "reasoning", "thinking", "cached", "no-usage", "unknown", "one-write", "chunk-ext",
        "close", "crlf", "cr", "gzip", "100", "stall", "short", "garbage", "badjson",
        "error-event", "no-done", "refuse", "huge-header", "telltale",
    }
)  # fmt: skip
_NUMBERED = frozenset(
    {
        "long", "split", "slow", "first", "halt", "keepalive", "drop", "cut", "stall", "status",
        "retry-after", "retry-date", "error-event", "refuse", "huge-header", "flaky",
    }
)  # fmt: skip
FAULTS = frozenset(
    {
        "drop", "cut", "stall", "short", "status", "retry-after", "retry-date", "garbage",
        "badjson", "error-event", "no-done", "refuse", "huge-header",
    }
)  # fmt: skip
_AT_LEAST_ONE = frozenset({"split", "keepalive", "long"})


class UnknownBehaviourError(ValueError):
    """The model's name says something that no behaviour is called."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The words of one model's name; a word without a number has ``None``."""

    words: Mapping[str, int | None] = field(default_factory=dict)

    @classmethod
    def parse(cls, name: str) -> Behaviour:
        """Reads a model's name.

        Raises:
            UnknownBehaviourError: if a word is unknown or its number is missing, or out of range.
        """
        words: dict[str, int | None] = {}
        for word in name.partition("@")[0].split("+"):
            stem, _, figure = word.rpartition("-")
            if word in _BARE:
                words[word] = None
            elif stem in _NUMBERED and figure.isascii() and figure.isdigit():
                words[stem] = int(figure)
            else:
                raise UnknownBehaviourError(f"no behaviour is called {word!r}")
            if stem in _AT_LEAST_ONE and words.get(stem) == 0:
                raise UnknownBehaviourError(f"{word!r} would never end")
        if "status" in words and not 300 <= (words["status"] or 0) <= 599:
            raise UnknownBehaviourError("status-N takes 300 to 599")
        return cls(words)

    def __contains__(self, word: str) -> bool:
        return word in self.words

    def number(self, word: str, default: int = 0) -> int:
        """The number of ``word``; ``default`` where it is absent or has none."""
        value = self.words.get(word)
        return default if value is None else value

    def after(self, word: str) -> int | None:
        """The number of events after which ``word`` strikes; None for never."""
        return self.words.get(word)

    @property
    def answer(self) -> str:
        """What is answered: the last word that names an answer, ``text`` if none does."""
        return next((word for word in reversed([*self.words]) if word in ANSWERS), "text")

    @property
    def thinks(self) -> bool:
        return "reasoning" in self or "thinking" in self

    @property
    def status(self) -> int:
        """The status of the whole answer: 200 unless a word says otherwise."""
        late = "retry-after" in self or "retry-date" in self
        return self.number("status", 429 if late else 200)

    def failing(self) -> Behaviour:
        """The same with something going wrong: 500, if nothing was named."""
        if FAULTS & self.words.keys():
            return self
        return replace(self, words={**self.words, "status": 500})

    def well(self) -> Behaviour:
        """The same without what goes wrong."""
        return replace(self, words={w: n for w, n in self.words.items() if w not in FAULTS})
