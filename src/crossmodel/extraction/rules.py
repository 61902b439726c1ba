"""Rules and the worked examples that belong to them: what transfers best to another model.

A rule says what must be, is called, stands for or goes where. An example pairs an input with its
output. An example belongs to the rules that stand before it in its section; each names the other.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match
# ruff: noqa: SIM905 - a list of words reads best as text

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.code_examples import pairs_in_code
from crossmodel.extraction.cues import LANGUAGES, RULE_WORDS
from crossmodel.extraction.examples import Pair, pairs_across, pairs_in
from crossmodel.extraction.finds import Find, default_type, scope_of
from crossmodel.extraction.reading import Reading, Statement
from crossmodel.text.segments import Segment, SegmentKind, table_rows

_NORM: Final = re.compile(
    r"""\b(?:must(?:\ not|n't|n’t)?|(?<!we\ )shall(?:\ not)?
    |(?<!almost\ )(?<!have\ )(?<!has\ )(?<!['’]ve\ )(?<!['’]s\ )(?<!there\ is\ )(?:always|never)
    |should(?:\ not|n't|n’t)?|may\ (?:only|not)|(?:has|have|needs?)\ to\ be|cannot\ be
    |only\ (?:if|when|for)
    |(?:is|are|gets?|be)\ (?:always\ |never\ |only\ )?(?:required|mandatory|forbidden|prohibited
        |not\ allowed|reserved\ for|written|formatted|spelled|spelt|abbreviated|encoded|prefixed
        |suffixed|preceded|followed\ by|separated\ by|joined|sorted|numbered|named|called|routed
        |assigned|sent\ to|stored\ (?:in|as|under)|capitalized|marked|tagged|labell?ed|rounded
        |counted\ as|handled\ by|replaced\ (?:by|with)|measured\ in)
    |(?:starts?|begins?|ends?)\ (?:with|in)|consists?\ of|stands?\ for|go(?:es)?\ to\b|belongs?\ to
    |(?:words|codes|letters|prefixes|suffixes|names|values|labels|tags|colou?rs|levels|units)
        \ (?:are|is):[ ]
    |maps?\ to|defaults?\ to|takes?\ the\ form|has\ the\ form|means|denotes
    |(?:format|pattern|syntax|template|convention|prefix|suffix|separator|signature)
        (?:\ (?:for|of|to)\ [^.:\n]{1,60}?)?\ (?:is|are):?
        (?=\ (?:an?|the|always|never)\b|\ (?-i:[`"“'<\[*A-Z0-9]))
    |(?:code|default|name|symbol|abbreviation|unit|queue|channel|colou?r|word|term|label|tag|order)
        \ (?:for|of|when)\ [^.:\n]{1,60}?\ (?:is|are)\b)""",
    re.VERBOSE | re.IGNORECASE,
)
"""What a sentence says that tells how something must be, is called, or where it goes."""
_ORDER: Final = re.compile(
    r"""(?:always|never|do\ not|don['’]t|avoid|prefer|spell|prefix|suffix|capitali[sz]e|append
    |(?:use|write|put|add|pass|call|send|route|assign|name|store|round|sort|replace|separate|start
        |end|begin|keep|place)\b[^.\n]{1,120}
        \b(?:for|when|as|instead|before|after|with|to|in|under|by|never|only))\b""",
    re.VERBOSE | re.IGNORECASE,
)
_HOW_TO: Final = re.compile(
    r"""(?:to|for|when|if)\ [^`:\n]{3,160}?[,:]?\s*(?:you\ |we\ |please\ )?
        (?:can\ |should\ |must\ )?(?:use|call|write|run|type|enter|send|invoke)\b[^`.\n]{0,40}`
    |`[^`\n]+`\ (?:stores?|saves?|sets?|gets?|reads?|returns?|prints?|creates?|deletes?|removes?
        |adds?|sends?|opens?|closes?|updates?|takes?|expects?|requires?|accepts?|raises?)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_LABEL: Final = re.compile(
    r"[*_]{0,3}(?:rule|convention|policy|format|syntax|requirement|constraint|guideline|naming"
    r"|standard)s?(?: ?#?\d{1,3})?(?: \([^)\n]{1,40}\))?[*_]{0,3} ?[::][*_]{0,3}\s*(?=\S)",
    re.IGNORECASE,
)
_NOT_A_RULE: Final = re.compile(
    r"""[\W\d]*(?:so|thus|therefore|hence|then|now|next|first|second|finally|step|if\ we
      |we\ (?:must|should|can|need|have|get|also|now|then|could)
      |however,?\ (?:since|based|if|it|this|we)|but|for\ in|you['’]ve|i|he|she|there|since|because
      |suppose|assume|note\ that\ the\ question|and|yet|or
      |the\ (?:final\ )?(?:answer|output|response)\ (?:should|must)
      |this\ (?:is|means|would|function|code|program|approach|solution|was|will)|my|his|her)\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""Beginnings of steps, of tales, and of talk about the answer."""
_TALE: Final = frozenset("felt he her him his i me my she".split())
"""Words of a story or of talk about the answer, not of a rule."""
_PAST: Final = frozenset("did had was were".split())
"""With one of these ``must`` or ``always`` tells of what has been."""
_MODAL: Final = re.compile(
    r"must|shall|should|always|never|may|ha(?:ve|s) to|need|cannot|only", re.IGNORECASE
)
_WORDING_ORDER: Final = frozenset(
    "abbreviate always avoid call capitalize format instead never prefer prefix say spell suffix"
    " write".split()
)
_PRONOUN: Final = re.compile(r"(?:it|they|this|these|those|that|both)\b", re.IGNORECASE)
_KEY_VALUE: Final = re.compile(
    r"(?P<key>[*_`\"“]{1,3}[^*`\"”\n]{1,80}[*_`\"”]{1,3}|[\w(][\w ()/&'’.+-]{0,60}?)"
    r"[*_]{0,2}\s*(?P<mark>::?|=|–|—|-(?= ))[*_]{0,2}\s+(?P<value>\S.*)$",
    re.DOTALL,
)
_MAPPING_MARKS: Final = frozenset(":：=–—-")
_MAPPING_WORDS: Final = frozenset(
    """abbreviation abbreviations alias category channel code codes color colors colour colours
    convention conventions endpoint field fields format formats glossary guide guideline guidelines
    key keys label labels map mapping name names naming notation prefix prefixes queue queues
    region regions route routes routing rule rules standard standards status suffix suffixes symbol
    symbols tag tags team teams term terms terminology unit units word wording words""".split()
)
_STYLE_WORDS: Final = frozenset(
    "convention conventions format guide guideline guidelines policy rule rules standard standards"
    " style requirements naming must".split()
)
_EXAMPLE_WORDS: Final = frozenset({"g", "example", "instance", "so"})
_INLINE_EXAMPLE: Final = re.compile(
    r"[,;:(–—]\s*(?:e\.g\.|for example|for instance|example:)[,:]?\s+| - e\.g\.[,:]?\s+"
    r"|, so (?=\S+ (?:becomes?|is written|turns into) )",
    re.IGNORECASE,
)
_WORDS_ONLY: Final = re.compile(r"[A-Za-z][A-Za-z '’/&-]*")
_SAYS_MORE: Final = re.compile(
    r"=|\\\(|\$\\|^(?:this|that|it|the given)\b|\b(?:is|are|was) given\b", re.IGNORECASE
)
"""Signs of a calculation or of talk in what would else be the value of a key."""
_CONNECTIVE: Final = re.compile(
    r"(?:(?:however|also|in (?:short|summary|general)|overall|additionally|moreover"
    r"|furthermore|note that|remember that|finally)\b,? ?)?"
    r"(?:(?:the|an?|all|every|each|our|any)\s+)?",
    re.IGNORECASE,
)
_UNQUOTED: Final = str.maketrans("", "", '`"“”')
_VALUE_WORDS: Final = 8
"""An explanation has more words than a value."""
_ANNOUNCED: Final = re.compile(r"\W*(?:for |an )?(?:example|instance|e\.g)", re.IGNORECASE)
_LONG_WORD: Final = re.compile(r"[a-z]{5,}")
_NAME: Final = re.compile(r"(?<!\w)(?:[A-Z]{2,}\w*|[A-Za-z_]*\d\w*|[a-z]\w*(?=\())")
_MAX_VALUE: Final = 240
_MAX_SUBJECT: Final = 80
_SUBJECT_WORDS: Final = 8
_MAX_RULE: Final = 500
_MAX_TABLE: Final = 1500
_MAX_GROUP: Final = 8
"""Rules in a row that one example may illustrate."""
_LEAST_WORDS: Final = 4


def rules_and_examples(reading: Reading) -> list[Find]:
    """Every rule and worked example of a text, linked, in order."""
    across = list(pairs_across(reading))
    found = [(_example(pair, segment, reading), segment) for pair, segment in across]
    taken = [(pair.start, pair.end) for pair, _ in across]
    found += _in_blocks(reading, taken)
    found += _in_statements(reading, taken)
    found.sort(key=lambda each: each[0].start)
    _link(found, reading.text)
    return [find for find, _ in found]


def _in_blocks(reading: Reading, taken: list[tuple[int, int]]) -> Iterator[tuple[Find, Segment]]:
    for segment in reading.segments:
        if segment.kind is SegmentKind.TABLE:
            for find in _table(segment, reading):
                yield find, segment
        elif segment.kind is SegmentKind.CODE and not _is_within(segment.start, taken):
            for pair in pairs_in_code(reading, segment):
                yield _example(pair, segment, reading, InsightType.CODING), segment


def _in_statements(
    reading: Reading, taken: list[tuple[int, int]]
) -> Iterator[tuple[Find, Segment]]:
    last: tuple[Find, Statement] | None = None
    for statement in _split(reading.statements):
        if _is_within(statement.start, taken):
            continue
        pairs = pairs_in(statement)
        for pair in pairs:
            yield _example(pair, statement.segment, reading), statement.segment
        if pairs:
            continue
        if last is not None and _continues(last, statement, reading):
            last[0].end = statement.end
            continue
        rule = _rule(statement, reading)
        if rule is not None:
            last = rule, statement
            yield rule, statement.segment


def _is_within(position: int, spans: list[tuple[int, int]]) -> bool:
    """Whether one of the spans, which are in order and do not overlap, holds ``position``."""
    before = bisect_right(spans, position, key=lambda span: span[0]) - 1
    return before >= 0 and position < spans[before][1]


def _split(statements: list[Statement]) -> Iterator[Statement]:
    """The statements; one that ends in an example becomes two."""
    for statement in statements:
        if statement.words.isdisjoint(_EXAMPLE_WORDS):
            yield statement
            continue
        inline = _INLINE_EXAMPLE.search(statement.text)
        if inline is None or inline.start() == 0:
            yield statement
            continue
        head, tail = statement.text[: inline.start()], statement.text[inline.end() :]
        example = Statement(
            statement.start + inline.end(), statement.end, tail, statement.words, statement.segment
        )
        if not pairs_in(example):
            yield statement
            continue
        end = statement.start + len(head)
        yield Statement(statement.start, end, head, statement.words, statement.segment)
        yield example


def _example(
    pair: Pair, segment: Segment, reading: Reading, insight_type: InsightType | None = None
) -> Find:
    text = reading.text
    said = text[pair.start : pair.end]
    return Find(
        insight_type or default_type(said),
        InsightKind.EXAMPLE,
        pair.start,
        pair.end,
        scope_of(segment, reading),
        {
            "input": text[slice(*pair.input)],
            "output": text[slice(*pair.output)],
            "input_span": list(pair.input),
            "output_span": list(pair.output),
        },
    )


def _rule(statement: Statement, reading: Reading) -> Find | None:
    said = statement.text
    scope = scope_of(statement.segment, reading)
    label = _LABEL.match(said) if ":" in said else None
    if label is None:
        mapping = _mapping(statement, scope)
        if mapping is None and not _is_normative(statement, scope):
            return None
        subject = mapping or _subject(said)
    else:
        subject = _subject(said[label.end() :])
        if len(said) - label.end() < _LEAST_WORDS:
            return None
    if statement.is_question or statement.is_junk:
        return None
    return Find(
        default_type(said), InsightKind.RULE, statement.start, statement.end, scope or subject
    )


def _is_normative(statement: Statement, scope: str) -> bool:
    said, words = statement.text, statement.words
    if not words.isdisjoint(_TALE) or len(words) < _LEAST_WORDS or said[-1] in ":,":
        return False
    if "`" in said and _HOW_TO.match(said.lstrip("*_ ")):
        return True
    if words.isdisjoint(RULE_WORDS):
        return False
    if _NOT_A_RULE.match(said) or _PRONOUN.match(said.lstrip("*_ ")):
        return False
    if _ORDER.match(said.lstrip("*_ ")):
        about = set(re.findall(r"[a-z]+", scope.lower()))
        return (
            not words.isdisjoint(_WORDING_ORDER)
            or not about.isdisjoint(_STYLE_WORDS)
            or "`" in said
            or '"' in said
        )
    norm = _NORM.search(said)
    if norm is None or (norm.group().lower() == "means" and words & LANGUAGES):
        return False  # the latter is a translation
    return words.isdisjoint(_PAST) or not _MODAL.match(norm.group())


def _mapping(statement: Statement, scope: str) -> str | None:
    """The key of ``key: value``, where the value is what the key means or goes to."""
    if _MAPPING_MARKS.isdisjoint(statement.text):
        return None
    pair = _KEY_VALUE.match(statement.text)
    if pair is None or len(pair["value"]) > _MAX_VALUE or statement.text.endswith(":"):
        return None
    key = pair["key"].strip('*_`"“” ')
    if not key or key.isdigit():
        return None
    if pair["mark"] == "=" and not (_WORDS_ONLY.fullmatch(key) and pair["value"][0].isalpha()):
        return None  # a calculation
    about = set(re.findall(r"[a-z]+", scope.lower()))
    is_listed = statement.segment.kind is SegmentKind.LIST_ITEM and pair["key"][0] in '*_"“'
    is_short = pair["value"].count(" ") < _VALUE_WORDS
    if _SAYS_MORE.search(pair["value"]):
        return None
    if pair["key"][0] == "`" or not about.isdisjoint(_MAPPING_WORDS) or (is_listed and is_short):
        return key
    return None


def _subject(said: str) -> str:
    """What the sentence is about: the words before its verb, if they are few."""
    norm = _NORM.search(said)
    if norm is None:
        return ""
    start = _CONNECTIVE.match(said)
    subject = said[start.end() if start else 0 : norm.start()]
    subject = subject.translate(_UNQUOTED).strip(" *_,:")
    return subject if len(subject) <= _MAX_SUBJECT and subject.count(" ") < _SUBJECT_WORDS else ""


def _continues(last: tuple[Find, Statement], statement: Statement, reading: Reading) -> bool:
    """Whether the sentence goes on about the rule before it, which its pronoun stands for."""
    rule, before = last
    if before.segment is not statement.segment or not _PRONOUN.match(statement.text):
        return False
    gap = reading.text[rule.end : statement.start]
    return (
        not gap.strip()
        and _NORM.search(statement.text) is not None
        and statement.end - rule.start <= _MAX_RULE
    )


def _table(segment: Segment, reading: Reading) -> list[Find]:
    """A table of two columns is a mapping, each of its rows an example; wider ones hold rules."""
    text = reading.text
    rows = [row for row in table_rows(text, segment) if any(end > start for start, end in row)]
    if len(rows) < 2:  # noqa: PLR2004 - a header and something under it
        return []
    header = [text[start:end].strip("*_` ") for start, end in rows[0]]
    scope = scope_of(segment, reading) or " → ".join(header)
    whole = text[segment.start : segment.end]
    finds: list[Find] = []
    kind = default_type(whole)
    if len(whole) <= _MAX_TABLE:
        finds.append(
            Find(
                kind,
                InsightKind.RULE,
                segment.start,
                segment.end,
                scope,
                {"columns": header},
                is_block=True,
            )
        )
    for row in rows[1:]:
        start, end = row[0][0], row[-1][1]
        if start >= end:
            continue
        metadata: dict[str, object] = {"columns": header}
        if len(row) == 2 and all(b > a for a, b in row):  # noqa: PLR2004 - key and value
            sides = [_unmarked(text, *cell) for cell in row]
            metadata |= {
                "input": text[slice(*sides[0])],
                "output": text[slice(*sides[1])],
                "input_span": list(sides[0]),
                "output_span": list(sides[1]),
            }
            finds.append(Find(kind, InsightKind.EXAMPLE, start, end, scope, metadata))
        elif len(row) > 2:  # noqa: PLR2004 - a record
            finds.append(Find(kind, InsightKind.RULE, start, end, scope, metadata))
    return finds


def _unmarked(text: str, start: int, end: int) -> tuple[int, int]:
    """A cell without the one kind of markup that it may stand in."""
    for mark in ("**", "`", '"'):
        inner = text[start + len(mark) : end - len(mark)]
        if (
            end - start > 2 * len(mark)
            and text.startswith(mark, start)
            and text.endswith(mark, start, end)
            and mark not in inner
        ):
            return start + len(mark), end - len(mark)
    return start, end


def _link(finds: list[tuple[Find, Segment]], text: str) -> None:
    """Tie each example to the rules that it illustrates, and these to it.

    Those are the rules that stand in a row before it in its section; where a section has a single
    rule, and that comes after the examples, it is the one that they lead up to. Without headings a
    row is a paragraph or a list, and an example elsewhere must show that it belongs to it.
    """
    for headings, section in groupby(finds, key=lambda each: each[1].headings):
        group: list[tuple[Find, Segment]] = []
        early: list[Find] = []
        rules = [each for each in section if _add_to_row(each, group, early, text)]
        if len(rules) == 1 and headings:
            for example in early:
                _tie(rules[0][0], example)
    for find, _ in finds:
        if find.links:
            names = _names(find, text)
            find.metadata["agrees"] = any(
                not names.isdisjoint(_names(link, text)) for link in find.links[:_MAX_GROUP]
            )


def _add_to_row(
    each: tuple[Find, Segment], row: list[tuple[Find, Segment]], early: list[Find], text: str
) -> bool:
    """Let a rule join the row of rules, or tie an example to it; tells whether it is a rule."""
    find, segment = each
    if find.kind == InsightKind.RULE:
        follows = bool(row) and not row[-1][0].links
        if not follows or not (segment.headings or _is_one_block(row[-1][1], segment)):
            row.clear()
        row.append(each)
        del row[:-_MAX_GROUP]
        return True
    tied = [rule for rule, where in row if _belongs(find, segment, rule, where, text)]
    for rule in tied:
        _tie(rule, find)
    if not row:
        early.append(find)
    return False


def _is_one_block(first: Segment, second: Segment) -> bool:
    return first is second or (
        first.kind == second.kind == SegmentKind.LIST_ITEM and first.lead == second.lead
    )


def _belongs(find: Find, segment: Segment, rule: Find, where: Segment, text: str) -> bool:
    if segment.headings or _is_one_block(where, segment) or segment.lead is not None:
        return True
    said = text[find.start : find.end]
    if _ANNOUNCED.match(said):
        return True
    words = set(_LONG_WORD.findall(text[rule.start : rule.end].lower()))
    return not words.isdisjoint(_LONG_WORD.findall(said.lower()))


def _names(find: Find, text: str) -> set[str]:
    """The names, codes and figures in it: a rule and an example that share one agree."""
    return set(_NAME.findall(text[find.start : find.end]))


def _tie(rule: Find, example: Find) -> None:
    if not example.links and example.insight_type != InsightType.CODING:
        example.insight_type = rule.insight_type
    rule.links.append(example)
    example.links.append(rule)
