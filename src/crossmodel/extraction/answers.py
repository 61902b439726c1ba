r"""The final answer: what an answer comes down to, and where it says so.

Explicit marks win over phrases, phrases over position: ``\boxed{}``, ``#### 42``, what stands under
"final answer" or in answer tags, a rating (the last of these); then "the answer is …", "Answer: …",
and at last the last number of the concluding sentence of a calculation.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.cues import ANSWER
from crossmodel.extraction.examples import bare
from crossmodel.extraction.finds import Find
from crossmodel.extraction.python_source import parsed
from crossmodel.extraction.reading import MAX_STATEMENT, Reading, Statement
from crossmodel.extraction.rules import rules_and_examples
from crossmodel.text.matches import last_match
from crossmodel.text.segments import SegmentKind
from crossmodel.text.sentences import sentences

_HASHES: Final = re.compile(
    r"""^[ \t]*\#{4}[ \t]+([-−+$€£(]*\d(?!\d{0,2}[.)][ \t]+\w)[\d.,/:]*
        (?:[ \t]*[^\s\d]{1,16}){0,3})[ \t]*$""",
    re.MULTILINE | re.VERBOSE,
)
"""A number with its unit; a heading of that level goes on in words."""
_FINAL: Final = re.compile(
    r"\bfinal answers?\b(?: is\b[*_]{0,3}[ \t]*[::]?|[*_]{0,3}[ \t]*[::]|[*_]{0,3}\s*$)[*_ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER_IS: Final = re.compile(
    r"\b(?:answer|solution|choice|option)s?(?: to [^.:\n]{1,80})?[*_]{0,3}"
    r" (?:is|are|would be|must be|should be|=)[ \t]*(?:therefore |thus |simply |option |choice )?"
    r"[::]?[ \t]*",
    re.IGNORECASE,
)
_ANSWER_ABROAD: Final = "antwort|réponse|respuesta|risposta|resposta|ответ|答案|答え|정답"
"""Labels of an answer in other languages; all else is read in English."""
_ANSWER_LABEL: Final = re.compile(
    r"[*_#>\s]{0,6}(?:(?:(?:the|my|our|your) )?(?:(?:correct|best|right|overall) )?answer|a|result"
    rf"|solution|{_ANSWER_ABROAD})"
    r"[*_]{0,3} ?[:：][*_]{0,3}[ \t]*",
    re.IGNORECASE,
)
_MAX_LABEL: Final = 32
_ANSWER_TITLE: Final = re.compile(
    r"(?:the |my )?(?:(?:correct|best) )?answer|" + _ANSWER_ABROAD, re.IGNORECASE
)
_NAMES_ANSWER: Final = re.compile(f"answer|{_ANSWER_ABROAD}")
_CHOSEN: Final = re.compile(
    r"""\b(?i:option|choice|answer)\ \(?\**(?P<named>[A-J])\b\**\)?\**\ is\ (?:the\ )?
          (?:correct|right|best|most\ \w+)\b
      | \bI(?:\ would|['’]d|\ will|['’]ll)?\ (?:choose|pick|select|go\ with)
          \ (?:option\ |choice\ |answer\ )?\(?\**(?P<picked>[A-J])\b""",
    re.VERBOSE,
)
_SUPPOSES: Final = re.compile(r"\b(?:if|whether|suppose|unless|not)\b", re.IGNORECASE)
_CONCLUDES: Final = re.compile(
    r"\W*(?:so|therefore|thus|hence|in total|altogether)\b", re.IGNORECASE
)
_TITLE_END: Final = re.compile(r"[*_#:: \t]*\n\s*|\s*")
_EMPHASIS: Final = re.compile(r"\*\*|__|\*|_")
_SET_OFF: Final = re.compile(
    r"(?<=[a-z=≈:] )\*\*(?!(?:not|never|no)\b)([^*\n]+)\*\*(?<=(?:[^ ]\*\*))[.!]?$"
)
"""Where a sentence ends in what it sets off, that is the answer."""
_OPTION: Final = re.compile(r"\(([A-Za-z])\)|\*\*([A-Z])\*\*|\b([A-J])(?=[.):]?(?:\s|$|\*))")
_OPTION_NAMED: Final = re.compile(r"(?:option|choice)\ (?=\(?[A-J0-9]\b)", re.IGNORECASE)
_MORE_OPTIONS: Final = re.compile(r"[*).]*\s?(?:,|and|or|&)\s?\(?[A-Z]\b")
_RATING: Final = re.compile(r"\[\[([^\[\]\n]{1,20})\]\]")
_NUMBER: Final = re.compile(
    r"(?<![\w.^])(?<!\^\{)[-−]?[$€£]?[-−]?\d(?:[\d,]*\d)?(?:\.\d+)?(?:/\d+)?(?!\w*\d|\.\d|\^)"
)
_CALCULATION: Final = re.compile(
    r"""[-+*/×÷x=−^](?:  # the operator first, since the engine skips to a set
        (?<==)\s?[$£€]?\d
      | (?<=[\d)]\s.)\s[$(]?\d
      | (?<=[\d)][+*×÷^])[$(]?\d  # others without spaces are ranges, dates and fractions
    )""",
    re.VERBOSE | re.DOTALL,
)
_GOES_ON: Final = re.compile(r"\s?[-+*/×÷x^]\s?[$(]?\d")
_IS_NUMBER: Final = re.compile(r"\b(?:is|are|equals|gives|comes to)\b[^.\n]{0,40}?\d")
_WHOLE_FORMULA: Final = re.compile(
    r"\\\(\s*((?:(?!\\\)).)+?)\s*\\\)|\$\s*([^$\n]+?)\s*\$", re.DOTALL
)
"""A value that is set as a formula, and nothing else."""
_FIELD: Final = re.compile(
    r'"(?:final[_ ]?)?answer"\s*:\s*'
    r'(?:"((?:[^"\\\n]|\\.)+)"|(-?\d[\d.]*(?:e[+-]?\d+)?|true|false))',
    re.IGNORECASE,
)
_FENCES: Final = ('"""', "'''", "<answer>", "```")
_CLOSERS: Final = {'"""': '"""', "'''": "'''", "<answer>": "</answer>", "```": "```"}
_MAX_ANSWER: Final = 300
_MAX_WORK: Final = 8000
"""Characters of an answer between marks, which may be a poem or a program."""
_LAST_STATEMENTS: Final = 40
"""Statements from the end in which an answer is looked for."""


class Answer(NamedTuple):
    """Where the answer stands (``start:end``), and its bare value (``value``)."""

    start: int
    end: int
    value: tuple[int, int]
    sign: str


def final_answer(reading: Reading) -> list[Find]:
    """The final answer, if there is one: a list of at most one find."""
    for look in _LOOKS:
        answer = reading.once(look)
        if answer is None or _is_one_of_several_examples(answer, reading):
            continue
        value = reading.text[slice(*answer.value)]
        is_number = _NUMBER.search(value) is not None and len(value.split()) < 5  # noqa: PLR2004 - "370 activities a day"
        return [
            Find(
                _type_of(value, answer.sign, is_number=is_number),
                InsightKind.FINAL_ANSWER,
                answer.start,
                answer.end,
                metadata={
                    "answer": value,
                    "answer_span": list(answer.value),
                    "answer_sign": answer.sign,
                },
                is_block="\n" in value,
            )
        ]
    return []


def _type_of(value: str, sign: str, *, is_number: bool) -> InsightType:
    if sign == "rating":
        return InsightType.ANALYSIS
    if "\n" in value:
        program = parsed(value)
        is_program = program is not None and program.statements > 0
        return InsightType.CODING if is_program else InsightType.CREATIVITY
    return InsightType.MATH if is_number else InsightType.REASONING


def stated_answers(reading: Reading) -> list[str]:
    """Every answer that the text marks as one; they may contradict each other."""
    marked = (reading.once(look) for look in _MARKS)
    return [reading.text[slice(*answer.value)] for answer in marked if answer is not None]


def _is_one_of_several_examples(answer: Answer, reading: Reading) -> bool:
    examples = [
        find for find in reading.once(rules_and_examples) if find.kind == InsightKind.EXAMPLE
    ]
    return len(examples) > 1 and any(
        example.start <= answer.start < example.end for example in examples
    )


def _answer(
    reading: Reading, start: int, value: tuple[int, int], sign: str, *, most: int = _MAX_ANSWER
) -> Answer | None:
    first, last = bare(reading.text, *value)
    if formula := _WHOLE_FORMULA.fullmatch(reading.text, first, last):
        first, last = formula.span(formula.lastindex or 0)
    if first >= last or last - first > most:
        return None
    return Answer(start, max(value[1], last), (first, last), sign)


def _boxed(reading: Reading) -> Answer | None:
    text = reading.text
    at = text.rfind("\\boxed{")
    if at < 0:
        return None
    depth, start = 1, at + len("\\boxed{")
    for position in range(start, min(len(text), start + MAX_STATEMENT)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            line = max(
                text.rfind("\n", max(0, at - MAX_STATEMENT // 2), at) + 1,
                at - MAX_STATEMENT // 2,
                0,
            )
            begin = line + len(text[line:at]) - len(text[line:at].lstrip(" \t$\\[("))
            return (
                Answer(begin, position + 1, (start, position), "boxed")
                if position > start
                else None
            )
    return None


def _hashes(reading: Reading) -> Answer | None:
    if "####" not in reading.text:
        return None
    last = last_match(_HASHES, reading.text)
    if last is None:
        return None
    answer = _answer(reading, last.start(1), last.span(1), "hashes")
    if answer is None:
        return None
    # a bare number says nothing to anybody else: the sentence before it says what it is
    start = max(0, last.start() - MAX_STATEMENT)
    said = [
        span
        for span in sentences(reading.text, start, last.start())
        if span[0] > start or start == 0
    ]
    return answer._replace(start=said[-1][0]) if said else answer


def _block(reading: Reading) -> Answer | None:
    """What stands after or under "final answer"."""
    for statement in reading.once(_named):
        if "final" not in statement.lower:
            continue
        found = last_match(_FINAL, statement.text)
        if found is None:
            continue
        after = statement.text[found.end() :].strip()
        if after and not after.startswith(_FENCES):
            value = _value(reading, statement.start + found.end(), statement.end)
            return _answer(reading, statement.start, value, "final answer")
        return _fenced(reading, statement.start + found.start(), statement.start + found.end())
    return None


def _tagged(reading: Reading) -> Answer | None:
    tag = reading.text.rfind("<answer>")
    return _fenced(reading, tag, tag) if tag >= 0 else None


def _fenced(reading: Reading, start: int, position: int) -> Answer | None:
    """What stands between marks, or on the line."""
    text = reading.text
    title_end = _TITLE_END.match(text, position)
    begin = title_end.end() if title_end else position
    fence = next((mark for mark in _FENCES if text.startswith(mark, begin)), None)
    if fence:
        begin += len(fence)
        if fence == "```":  # the language is no part of the answer
            begin = max(text.find("\n", begin), begin)
        limit = min(len(text), begin + _MAX_WORK)
        end = text.find(_CLOSERS[fence], begin, limit)
    else:
        limit = min(len(text), begin + MAX_STATEMENT)
        end = text.find("\n", begin, limit)
    end = limit if end < 0 else end
    is_work = "\n" in text[begin:end].strip()
    value = (begin, end) if is_work else _value(reading, begin, end)
    answer = _answer(
        reading, start, value, "final answer", most=_MAX_WORK if fence else _MAX_ANSWER
    )
    if answer is not None and answer.end < value[1]:
        return answer._replace(end=value[1])
    return answer


def _value(reading: Reading, start: int, end: int) -> tuple[int, int]:
    """The letter of an option if the answer begins with one, else all of it."""
    text = reading.text
    while start < end and (text[start].isspace() or text[start] in ":*_"):
        start += 1
    emphasis = _EMPHASIS.search(text, max(0, start - 2), start) if text[start - 1] in "*_" else None
    if emphasis and (close := text.find(emphasis.group(), start, end)) > start:
        end = close  # what is set off is the answer
    elif set_off := _SET_OFF.search(text, start, end):
        start, end = set_off.span(1)
    if named := _OPTION_NAMED.match(text, start, end):
        start = named.end()
    option = _OPTION.match(text, start, end)
    if option and not _MORE_OPTIONS.match(text, option.end(), end):
        letter = option.lastindex or 0
        return option.span() if text[option.start()] == "(" else option.span(letter)
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _phrase(reading: Reading) -> Answer | None:
    for statement in reading.once(_named):
        found = last_match(_ANSWER_IS, statement.text)
        if found is None or statement.is_question:
            continue
        start = statement.start + found.end()
        if start >= statement.end:  # the value stands on the next line
            return _fenced(reading, statement.start, statement.end)
        answer = _answer(reading, statement.start, _value(reading, start, statement.end), "phrase")
        return answer._replace(end=statement.end) if answer else None
    return None


def _label(reading: Reading) -> Answer | None:
    for statement in reading.once(_last):
        if statement.segment.kind is SegmentKind.HEADING and _ANSWER_TITLE.fullmatch(
            statement.text
        ):
            return _fenced(reading, statement.start, statement.end)
        begins = statement.text[:_MAX_LABEL]
        label = _ANSWER_LABEL.match(statement.text) if ":" in begins or ":" in begins else None
        if label is None:
            continue
        start = statement.start + label.end()
        if start >= statement.end:
            return _fenced(reading, statement.start, statement.end)
        value = _value(reading, start, statement.end)
        answer = _answer(reading, statement.start, value, "label")
        return answer._replace(end=statement.end) if answer else None
    return None


def _field(reading: Reading) -> Answer | None:
    """The field of that name in the JSON that the text is, or ends with."""
    last = reading.segments[-1] if reading.segments else None
    if last is None or last.kind is not SegmentKind.CODE or last.language != "json":
        return None
    found = last_match(_FIELD, reading.text, last.start, last.end)
    if found is None:
        return None
    value = found.span(found.lastindex or 0)
    return Answer(*found.span(), value, "field") if value[1] - value[0] <= _MAX_ANSWER else None


def _chosen(reading: Reading) -> Answer | None:
    """``Option (C) is correct``, ``I would choose B``."""
    for statement in reading.once(_named):
        found = last_match(_CHOSEN, statement.text)
        if found is None or _SUPPOSES.search(statement.text, 0, found.start()):
            continue
        group = str(found.lastgroup)
        value = statement.start + found.start(group), statement.start + found.end(group)
        return Answer(statement.start, statement.end, value, "phrase")
    return None


def _rating(reading: Reading) -> Answer | None:
    at = reading.text.rfind("[[")
    rating = _RATING.match(reading.text, at) if at >= 0 else None
    if rating is None:
        return None
    for start, end in _last_sentences(reading):
        if start <= at < end:
            return Answer(start, max(end, rating.end()), rating.span(1), "rating")
    return Answer(rating.start(), rating.end(), rating.span(1), "rating")


def _last_number(reading: Reading) -> Answer | None:
    """The number that the concluding sentence ends with: of a calculation, or one that says so."""
    calculates = _CALCULATION.search(reading.text) is not None
    for start, end in islice(_last_sentences(reading), 3 if calculates else 1):
        said = reading.text[start:end]
        if not calculates and not _CONCLUDES.match(said):
            return None
        numbers = list(_NUMBER.finditer(said)) if end - start <= MAX_STATEMENT else []
        if not numbers:
            continue
        chosen = _result(said, numbers)
        if chosen is None:
            return None
        return Answer(start, end, (start + chosen.start(), start + chosen.end()), "last number")
    return None


def _result(said: str, numbers: list[re.Match[str]]) -> re.Match[str] | None:
    """What a calculation comes to, or else the last number; none where it only takes one apart."""
    equals = said.rfind("=")
    result = next((n for n in numbers if n.start() > equals), None) if equals >= 0 else None
    if result is None:
        return numbers[-1]
    if _GOES_ON.match(said, result.end()):  # "because 91 = 7 * 13"
        return None
    return numbers[-1] if _IS_NUMBER.search(said, result.end()) else result


def _named(reading: Reading) -> list[Statement]:
    """The last sentences that speak of an answer, the last one first."""
    return [each for each in _last(reading) if each.hints & ANSWER]


def _last(reading: Reading) -> list[Statement]:
    """The last statements, headings that speak of an answer among them, the last one first."""
    last = reading.statements[: -_LAST_STATEMENTS - 1 : -1]
    titles = list(_titles(reading))
    if titles:
        last = sorted([*last, *titles], key=lambda each: -each.start)[:_LAST_STATEMENTS]
    return last


def _titles(reading: Reading) -> Iterator[Statement]:
    for segment in reading.segments:
        if segment.kind is SegmentKind.HEADING:
            lower = reading.lower[segment.start : segment.end]
            if _NAMES_ANSWER.search(lower):
                said = reading.text[segment.start : segment.end]
                yield Statement(segment.start, segment.end, said, lower, ANSWER, segment)


def _last_sentences(reading: Reading) -> Iterator[tuple[int, int]]:
    for segment in reversed(reading.segments):
        if segment.is_prose:
            if segment.end - segment.start > MAX_STATEMENT * 10:
                return
            yield from reversed(sentences(reading.text, segment.start, segment.end))
        elif segment.kind is SegmentKind.MATH:
            yield segment.start, segment.end
        elif segment.kind is SegmentKind.CODE:
            return


def _explicit(reading: Reading) -> Answer | None:
    """The last of the answers that are marked as such."""
    marked = [answer for look in _MARKS if (answer := reading.once(look)) is not None]
    return max(marked, key=lambda answer: answer.value) if marked else None


_MARKS: Final = (_boxed, _hashes, _block, _tagged, _rating, _field)
_LOOKS: Final[tuple[Callable[[Reading], Answer | None], ...]] = (
    _explicit, _phrase, _label, _chosen, _last_number,
)  # fmt: skip
