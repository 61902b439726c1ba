"""Worked examples: every usual form in which an answer pairs an input with its output."""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, NamedTuple

from crossmodel.extraction.cues import (
    CONDITION,
    EXAMPLE,
    GIVES,
    LABEL_PAIRS,
    OUTPUT,
    WOULD_BE,
)
from crossmodel.extraction.reading import MAX_STATEMENT, Reading, Statement
from crossmodel.text.normalise import has_colon
from crossmodel.text.segments import Segment, SegmentKind

_ARROW: Final = re.compile(r"(?<![ \t])[ \t]*+(?:--?>|==?>|[→⇒⟶↦➜➔➡⟹])[ \t]*+")
_BETWEEN_PAIRS: Final = re.compile(r"[;,][ \t]+(?:and[ \t]+)?|(?<![ \t])[ \t]++and[ \t]++")
_CODE_SPAN: Final = re.compile(r"`[^`\n]+`")
_LITERAL: Final = re.compile(r"""`[^`\n]+`|"[^"\n]+"|“[^”\n]+”|'[^'\n]+'(?!\w)|\*\*[^*\n]+\*\*""")
_CUE: Final = re.compile(
    r"""(?:[*_]{0,2}(?:
          (?:worked\ |for\ |another\ |an?\ )?(?:example|instance)\ ?(?:\#?\d{1,3})?[*_]{0,2}\s?
            [:,.–—-][*_]{0,2}
        | (?:e\.g\.|eg|ex)[,:.]?\s | e\.g\.[,:]? | (?:so|thus),?\ (?=["“`])
        )\s*){1,2}""",
    re.VERBOSE | re.IGNORECASE,
)
_IS: Final = re.compile(
    r" (?:is|are|would be|should be|will be|gets?|receives?|has|goes to|(?:is )?routed to"
    r"|uses?|use|write|call|means)(?: the)?(?: \w+){0,3}? "
    r"(?=[`\"“'*]|[A-Z0-9#$/._-]*\d|[A-Z]{2})",
)
_CODE_WORD: Final = re.compile(r"[A-Za-z0-9#$/._-]*[A-Za-z0-9]\.?$")
"""A code that ends a sentence, without any mark around it."""
_DESCRIBES: Final = re.compile("written|formatted|spel[lt]|abbreviated")
"""Said of a kind of thing ("dates are written …") these make a rule, not an example."""
_PLACEHOLDER: Final = re.compile(
    r"[<{\[]\w[\w -]*[>}\]]|\b[YMDHN]{2,4}\b|\b[A-Z]{3,}[-_/:][A-Z]{2,}\b"
)
"""A form such as ``YYYY-MM-DD`` or ``<team>`` is part of a rule, not of an example."""
_HOW_TO: Final = re.compile(
    r"(?:to|for) ([^`:\n]{3,160}?)(?:[:,]| -| —)?\s*(?:(?:you |we |please )?(?:can |should |must )?"
    r"(?:use|call|write|run|type|enter|send|do|it is|the call is|the command is)\s*:?\s*)?(?=`)",
    re.IGNORECASE,
)
_VERB_OF_CODE: Final = re.compile(
    r"\s+(?:stores?|saves?|sets?|gets?|reads?|fetches|fetch|returns?|prints?|creates?|deletes?"
    r"|removes?|adds?|sends?|opens?|closes?|updates?|writes?|puts?|loads?|moves?|copies|copy"
    r"|counts?|lists?|finds?|means|is how you)\b\s*",
    re.IGNORECASE,
)
_CONCRETE: Final = re.compile(r"\d|[\"'“”]")
_LABEL: Final = re.compile(
    r"[*_`]{0,3}((?:(?:example|sample) )?[a-z]{1,12}(?: output)?)(?: ?#?\d{1,3})?"
    r"[*_`]{0,3} ?[:\uff1a][*_`]{0,3}\s*",
    re.IGNORECASE,
)
_QUOTED_QUESTION: Final = re.compile(r"""(?:[-=]>|[→⇒⟶↦➜➔➡⟹])[ \t]*["“'][^"”]*[?？]["”']\W*$""")
"""An output that is a question, as a translation may be."""
_MAX_LABEL: Final = 40
"""Characters from the beginning of a sentence in which a label's colon stands."""
_SECOND_LABELS: Final = sorted(
    {label for labels in LABEL_PAIRS.values() for label in labels}, key=len, reverse=True
)
_ALL_LABELS: Final = frozenset({*LABEL_PAIRS, *_SECOND_LABELS})
_SECOND: Final = re.compile(
    rf"(?<=[\s,;|/.→(>])[*_`]{{0,3}}(?P<label>{'|'.join(_SECOND_LABELS)})"
    r"(?: ?#?\d{1,3})?[*_`]{0,3} ?[:\uff1a][*_`]{0,3}\s*",
    re.IGNORECASE,
)
_MOST_BETWEEN: Final = 5
"""Sentences from a label to its counterpart, at most."""
_MOST_PAIRS: Final = 20
"""A sentence with more arrows is no list of examples."""
_MOST_SUBJECT_WORDS: Final = 12
_MOST_INPUT_WORDS: Final = 20
_TRAIL: Final = 2
"""Characters that may follow an output: a full stop, a bracket. Where more does, it is no pair."""
_MAX_SIDE: Final = 300
"""Characters that an input or an output may have at most."""


class Pair(NamedTuple):
    """An example: ``text[start:end]`` holds the input and the output, each bare of markup."""

    start: int
    end: int
    input: tuple[int, int]
    output: tuple[int, int]


def bare(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the markup, quotation marks and punctuation around it; may be empty."""
    while start < end:
        first, last = text[start], text[end - 1]
        if first.isspace() or first in ":\uff1a,–—":
            start += 1
        elif last.isspace() or last in ",;" or _is_full_stop(text, start, end):
            end -= 1
        elif end - start > 1 and (_is_wrapped(text, start, end) or first + last == "“”"):
            start, end = start + 1, end - 1
        elif first in "*_" and text.count(first, start, end) % 2:
            start += 1
        elif last in "*_" and text.count(last, start, end) % 2:
            end -= 1
        else:
            break
    return start, end


def _is_full_stop(text: str, start: int, end: int) -> bool:
    """Whether the span ends in a full stop or colon that ends it, and no ellipsis."""
    return text[end - 1] in ".:" and (end - start == 1 or text[end - 2] != ".")


def _is_wrapped(text: str, start: int, end: int) -> bool:
    """Whether the span stands between two equal marks, and not ``"a" and "b"``."""
    mark = text[start]
    if mark != text[end - 1] or mark not in "`\"'*_|":
        return False
    return mark not in text[start:end].strip(mark)


def make_pair(
    text: str, whole: tuple[int, int], source: tuple[int, int], target: tuple[int, int]
) -> Pair | None:
    """The pair of ``source`` and ``target``, made bare, unless one of them says nothing."""
    if source[1] - source[0] > MAX_STATEMENT or target[1] - target[0] > MAX_STATEMENT:
        return None
    source, target = bare(text, *source), bare(text, *target)
    if not 0 < source[1] - source[0] <= _MAX_SIDE or not 0 < target[1] - target[0] <= _MAX_SIDE:
        return None
    said = text[slice(*source)]
    if said == text[slice(*target)] or not any(map(str.isalnum, said)):
        return None
    return Pair(*whole, source, target)


def pairs_in(statement: Statement) -> list[Pair]:
    """The examples that one sentence holds."""
    said = statement.text
    cue = _CUE.match(said) if statement.hints & EXAMPLE else None
    begin = cue.end() if cue else 0
    found: list[Pair] = []
    if (">" in said or not said.isascii()) and not CONDITION.match(said):
        found = _arrows(said, begin)
    if not found and has_colon(said):
        found = _labelled(said, begin)
    has_code = "`" in said
    in_words = has_code or cue is not None or bool(statement.hints & OUTPUT)
    if not found and in_words and not statement.is_junk:
        pair = (
            (_how_to(said, begin) if has_code else None)
            or _gives(said, statement.lower, begin, has_cue=cue is not None)
            or (_code_first(said, begin) if has_code else None)
        )
        found = [pair] if pair else []
    if not found or (statement.is_question and not _QUOTED_QUESTION.search(said)):
        return []
    by = statement.start
    return [
        Pair(start + by, end + by, (left[0] + by, left[1] + by), (right[0] + by, right[1] + by))
        for start, end, left, right in found
    ]


def _arrows(said: str, begin: int) -> list[Pair]:
    """``A -> B``, or several such between commas; arrows in a row are a chain of steps."""
    code = _code_spans(said)
    arrows = [arrow.span() for arrow in _ARROW.finditer(said) if not _holds(code, arrow.start())]
    if not 0 < len(arrows) <= _MOST_PAIRS:
        return []
    if len(arrows) == 1:
        left = _after_label(said, (begin, arrows[0][0]))
        right = _after_label(said, (arrows[0][1], len(said)))
        pair = make_pair(said, (0, len(said)), left, right)
        return [pair] if pair else []
    cuts = [cut.span() for cut in _BETWEEN_PAIRS.finditer(said, begin)]
    cuts = [cut for cut in cuts if not _holds(code, cut[0])]
    if len(cuts) != len(arrows) - 1:
        return []
    starts = [begin, *(resume for _, resume in cuts)]
    stops = [*(stop for stop, _ in cuts), len(said)]
    found = []
    for start, stop, arrow in zip(starts, stops, arrows, strict=True):
        if not start < arrow[0] < stop:
            return []
        pair = make_pair(said, (start, stop), (start, arrow[0]), (arrow[1], stop))
        found += [pair] if pair else []
    return found


def _code_spans(said: str) -> list[tuple[int, int]]:
    return [code.span() for code in _CODE_SPAN.finditer(said)] if "`" in said else []


def _holds(spans: list[tuple[int, int]], position: int) -> bool:
    before = bisect_left(spans, (position, 0)) - 1
    return before >= 0 and position < spans[before][1]


def _after_label(said: str, side: tuple[int, int]) -> tuple[int, int]:
    """An input or output without a label such as ``Input:`` before it."""
    label = _LABEL.match(said, *side)
    if label and label.group(1).lower() in _ALL_LABELS and label.end() < side[1]:
        return label.end(), side[1]
    return side


def _labelled(said: str, begin: int) -> list[Pair]:
    """``Input: 3, output: 9`` within one sentence."""
    label = _LABEL.match(said, begin)
    wanted = LABEL_PAIRS.get(label.group(1).lower(), ()) if label else ()
    if label is None or not wanted:
        return []
    for second in _SECOND.finditer(said, label.end()):
        if second["label"].lower() in wanted:
            stop = len(said[: second.start()].rstrip(" \t|/→(>-"))
            pair = make_pair(said, (0, len(said)), (label.end(), stop), (second.end(), len(said)))
            return [pair] if pair else []
    return []


def _how_to(said: str, begin: int) -> Pair | None:
    """``To store 5 under age: `put("age", 5)` `` with actual values in the code."""
    if how := _HOW_TO.match(said, begin):
        task, at = how.span(1), how.end()
    else:
        colon = said.find(": `", begin)
        task, at = (begin, colon), colon + 2
        if not 0 < colon - begin <= _MAX_SIDE or not _is_plain_task(said[begin:colon]):
            return None
    code = _CODE_SPAN.match(said, at)
    if code is None or len(said) - code.end() > _TRAIL or not _is_concrete_code(code.group()):
        return None
    return make_pair(said, (0, len(said)), task, code.span())


def _gives(said: str, lower: str, begin: int, *, has_cue: bool) -> Pair | None:
    """``A becomes B``: announced as an example, or with a literal that shows that it is one."""
    verb = GIVES.search(lower, begin) or (_IS if has_cue else WOULD_BE).search(said, begin)
    if verb is None or _holds(_code_spans(said), verb.start()):
        return None
    subject_words = said.count(" ", begin, verb.start()) + 1
    literal = _LITERAL.match(said, verb.end())
    source, target = (begin, verb.start()), literal.span() if literal else (verb.end(), len(said))
    if has_cue:
        if literal is None and subject_words > _MOST_INPUT_WORDS:
            return None
    elif literal is None:
        verb = WOULD_BE.search(said, begin)
        if verb is None or subject_words > _MOST_SUBJECT_WORDS:
            return None
        if not _CODE_WORD.match(said, verb.end()):
            return None
        source, target = (begin, verb.start()), (verb.end(), len(said))
    elif _PLACEHOLDER.search(literal.group()):
        return None
    elif said[verb.start() - 1] in "`\"”'*":  # one literal becomes another
        sources = list(_LITERAL.finditer(said, begin, verb.start()))
        source = sources[-1].span() if sources else source
    elif (
        _DESCRIBES.search(verb.group())
        or subject_words > _MOST_SUBJECT_WORDS
        or len(said) - literal.end() > _TRAIL
    ):
        return None
    return make_pair(said, (0, len(said)), source, target)


def _code_first(said: str, begin: int) -> Pair | None:
    """`` `put("age", 5)` stores 5 under age ``: the task is the input, the code the output."""
    code = _CODE_SPAN.match(said, begin)
    if code is None or "(" not in code.group() or not _is_concrete_code(code.group()):
        return None
    verb = _VERB_OF_CODE.match(said, code.end())
    if verb is None:
        return None
    return make_pair(said, (0, len(said)), (code.end(), len(said)), code.span())


def _is_plain_task(said: str) -> bool:
    return " " in said and "`" not in said


def _is_concrete_code(code: str) -> bool:
    return _CONCRETE.search(code) is not None and not _PLACEHOLDER.search(code)


def pairs_across(reading: Reading) -> Iterator[tuple[Pair, Segment]]:
    """Examples whose input and output are labelled and each stand in a sentence of their own."""
    statements = reading.statements
    for number, statement in enumerate(statements):
        label = _LABEL.match(statement.text) if has_colon(statement.text[:_MAX_LABEL]) else None
        wanted = LABEL_PAIRS.get(label.group(1).lower(), ()) if label else ()
        if label is None or not wanted:
            continue
        for follower in statements[number + 1 : number + 1 + _MOST_BETWEEN]:
            second = _LABEL.match(follower.text)
            name = second.group(1).lower() if second else ""
            if second is None or (name not in wanted and name not in LABEL_PAIRS):
                continue
            value = _value(reading, follower.start + second.end(), follower)
            if name in wanted and value is not None:
                left = statement.start + label.end(), follower.start
                pair = make_pair(reading.text, (statement.start, value[1]), left, value)
                if pair is not None:
                    yield pair, statement.segment
            break


def _value(reading: Reading, start: int, statement: Statement) -> tuple[int, int] | None:
    """What follows a label: the rest of its line, or the code block below."""
    end = max(statement.end, start)
    line_end = reading.text.find("\n", start, statement.segment.end)
    end = max(end, min(line_end if line_end >= 0 else statement.segment.end, start + _MAX_SIDE))
    if reading.text[start:end].strip():
        return start, end
    if end != statement.segment.end:
        return None
    following = bisect_left(reading.segments, end, key=lambda segment: segment.start)
    if following < len(reading.segments) and reading.segments[following].kind is SegmentKind.CODE:
        below = reading.segments[following]
        return below.start, below.end
    return None
