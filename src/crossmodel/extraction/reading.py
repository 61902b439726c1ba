"""A text as the patterns read it: parsed once, shared by all of them."""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from string import ascii_lowercase
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast

from crossmodel.domain.insight import Span, text_sha256
from crossmodel.extraction.cues import hints
from crossmodel.extraction.python_source import parsed
from crossmodel.text.injected import injected_spans
from crossmodel.text.segments import Segment, SegmentKind, parse
from crossmodel.text.sentences import sentences
from crossmodel.text.spans import united
from crossmodel.text.transcripts import foreign_spans

READING: Final = "_crossmodel_reading"
"""Key of the context under which the extractor hands its reading to the patterns."""

MAX_STATEMENT: Final = 1000
"""Longer runs without a full stop, in characters, are no statement that anybody could use."""

_STARTS_LIKE_PYTHON: Final = re.compile(
    r"^(?:def \w+\(|class \w+[(:]|import \w|from [\w.]+ import |async def )", re.MULTILINE
)
_PYTHON_SIGNS: Final = ("def ", "class ", "import ")
_MAX_JSON: Final = 100_000
"""Characters of an answer that is all JSON."""
_SHAPE: Final = re.compile(r"[`→⇒⟶↦➜➔➡⟹:\uff1a=|>]")
_JUNK: Final = re.compile(
    r"""(?:[*_#>\s]*)(?:
        sure|certainly|of\ course|absolutely|great\ question|thank|thanks|hello|hi\b|sorry
      | here(?:'s|’s|\ is|\ are)\b|below\ (?:is|are)\b|the\ following\b|as\ follows
      | let(?:'s|’s|\ us|\ me)\b|i(?:'ll|’ll|'m|’m|\ will|\ hope|\ am|\ can|\ have|\ think\ you
        |\ need\ to)\b
      | i(?:'d|’d|\ would)\b(?!\ (?:advise|avoid|choose|go\ with|opt|pick|prefer|recommend|start
        |suggest|use)\b)
      | please\ (?:let|note\ that\ i|feel|provide|share|tell)|feel\ free|if\ you\ have\ any
      | as\ an\ ai\b|i\ apologi[sz]e|my\ apologies|we\ (?:are\ (?:given|asked)|know\ that|need\ to
        |have\ to|can\ now|will|want\ to|first|then|start|begin)\b
      | looking\ at\ the|to\ (?:solve|answer|find|determine|figure)\b|first,?\ (?:let|we)
      | now,?\ (?:let|we)|\[(?:assistant|user|system)\]|this\ question|we\ solve\b
      | the\ (?:question|problem|prompt|user)\ (?:is\ asking|asks|says|states)
    )""",
    re.VERBOSE,
)


class _Letters(dict[int, str]):
    """Lower-case ASCII letters to themselves; all else, when it is first met, to a space."""

    def __missing__(self, code: int) -> str:
        self[code] = " "
        return " "


_END: Final = sys.maxsize, 0
"""Where no more hints come."""
_LETTERS: Final = _Letters({ord(each): each for each in ascii_lowercase})


class HasType(Protocol):
    """What a finder finds."""

    insight_type: str


Result = TypeVar("Result")
Typed = TypeVar("Typed", bound=HasType)


def is_junk(lower: str) -> bool:
    """Whether a text in lower case begins as an opener, a courtesy, or talk about itself does."""
    return _JUNK.match(lower) is not None


class Statement(NamedTuple):
    """A sentence, or a line that stands for one.

    Attributes:
        start: where it begins.
        end: where it ends.
        text: what it says.
        lower: the same in lower case, character by character.
        hints: what it may be, by the words in it: see :mod:`crossmodel.extraction.cues`.
        segment: the block that it stands in.
    """

    start: int
    end: int
    text: str
    lower: str
    hints: int
    segment: Segment

    def words(self) -> list[str]:
        """Its words, in lower case."""
        return self.lower.translate(_LETTERS).split()

    @property
    def is_question(self) -> bool:
        """Whether it asks."""
        return self.text.rstrip("*_\"'”’) ").endswith(("?", "？"))

    @property
    def is_junk(self) -> bool:
        """Whether it is an opener, a courtesy, or talk about the answer itself."""
        return is_junk(self.lower)


class Reading:
    """One text, its segments, and what the finders made of it.

    Injected text, and turns of a transcript that are not the assistant's, are blanked out, so that
    no finder sees them; all offsets stay those of ``source``.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.injected = injected_spans(source)
        self.text = _without(source, self.injected) if self.injected else source
        if foreign := foreign_spans(self.text):  # a user's or a tool's words are no insight either
            self.injected = united([*self.injected, *foreign])
            self.text = _without(source, self.injected)
        self.scopes: dict[tuple[tuple[str, ...], tuple[int, int] | None], str] = {}
        self._sentences: dict[int, list[tuple[int, int]]] = {}
        self._found: dict[Any, Any] = {}
        self._by_type: dict[Any, dict[str, list[Any]]] = {}

    def once(self, find: Callable[[Reading], Result]) -> Result:
        """What ``find`` makes of this reading; worked out when it is first asked for."""
        try:
            return cast("Result", self._found[find])
        except KeyError:
            found = self._found[find] = find(self)
            return found

    def by_type(self, find: Callable[[Reading], list[Typed]]) -> Mapping[str, list[Typed]]:
        """What ``find`` makes of this reading, by the type that it is of."""
        known = self._by_type.get(find)
        if known is None:
            known = {}
            for each in self.once(find):
                known.setdefault(each.insight_type, []).append(each)
            self._by_type[find] = known  # when it is whole: other threads may look
        return known

    @cached_property
    def source_sha256(self) -> str:
        """SHA-256 of the source's UTF-8 bytes, in hex."""
        return text_sha256(self.source)

    @cached_property
    def segments(self) -> list[Segment]:
        """The blocks of the text, in order; an answer that is all code or JSON is one block."""
        text = self.text
        if (
            any(map(text.__contains__, _PYTHON_SIGNS))
            and "```" not in text
            and _STARTS_LIKE_PYTHON.search(text)
        ):
            program = parsed(text)
            if program is not None and program.statements:
                return [_whole(text, "python")]
        if text.lstrip()[:1] in {"{", "["} and _is_json(text):
            return [_whole(text, "json")]
        return parse(text)

    @cached_property
    def statements(self) -> list[Statement]:
        """The sentences in which something could be found: those with a hint or a mark."""
        found = []
        text, lower, shape = self.text, self.lower, _SHAPE.search
        hinted = iter([*hints(lower), _END])
        position, hint = next(hinted)
        for segment in self.segments:
            if not segment.is_prose or (
                position >= segment.end and not shape(text, segment.start, segment.end)
            ):
                continue
            for start, end in self.sentences_of(segment):
                while position < start:
                    position, hint = next(hinted)
                mine = 0
                while position < end:
                    mine |= hint
                    position, hint = next(hinted)
                if (mine or shape(text, start, end)) and end - start <= MAX_STATEMENT:
                    said = Statement(start, end, text[start:end], lower[start:end], mine, segment)
                    found.append(said)
        return found

    def sentences_of(self, segment: Segment) -> list[tuple[int, int]]:
        """The spans of a segment's sentences."""
        spans = self._sentences.get(segment.start)
        if spans is None:
            spans = sentences(self.text, segment.start, segment.end)
            self._sentences[segment.start] = spans
        return spans

    @cached_property
    def lower(self) -> str:
        """The text in lower case, with the same offsets."""
        lower = self.text.lower()
        if len(lower) == len(self.text):
            return lower
        return "".join(map(_lower_one, self.text))


def _whole(text: str, language: str) -> Segment:
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    return Segment(SegmentKind.CODE, start, end, language=language)


def _is_json(text: str) -> bool:
    if len(text) > _MAX_JSON:
        return False
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _lower_one(character: str) -> str:
    lower = character.lower()
    return lower if len(lower) == 1 else character


def read(text: str, context: Mapping[str, Any]) -> Reading:
    """The reading of ``text``: the one in the context if it is of this text, else a new one."""
    known = context.get(READING)
    if isinstance(known, Reading) and known.source == text:
        return known
    return Reading(text)


def _without(text: str, spans: list[Span]) -> str:
    pieces, position = [], 0
    for span in spans:
        pieces += [text[position : span.start], "\n" * (span.end - span.start)]
        position = span.end
    return "".join([*pieces, text[position:]])
