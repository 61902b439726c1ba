"""Rules and the worked examples that belong to them: what transfers best to another model.

A rule says what must be, is called, stands for or goes where. An example pairs an input with its
output. An example belongs to the rules that stand before it in its section; each names the other.
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.categories import category_of_block
from crossmodel.extraction.code_examples import pairs_in_code
from crossmodel.extraction.cues import EXAMPLE, LABEL_PAIRS, OUTPUT, RULE, RULE_LABEL
from crossmodel.extraction.examples import Pair, pairs_across, pairs_in
from crossmodel.extraction.finds import Find, default_type, scope_of
from crossmodel.extraction.normative import goes_on, is_mapping, subject_of_rule
from crossmodel.extraction.reading import Reading, Statement
from crossmodel.extraction.tables import finds_in_table
from crossmodel.text.normalise import has_colon
from crossmodel.text.segments import Segment, SegmentKind
from crossmodel.text.spans import Spans

_LIKELY: Final = RULE | OUTPUT | EXAMPLE
_SET_OFF: Final = frozenset('*_"“')
_LIKELY_MARK: Final = re.compile(r"[`→⇒⟶↦➜➔➡⟹>](?<!(?<![-=])>)")
_LIKELY_LABEL: Final = re.compile(
    r"[*_`]{0,3}(?:(?:example|sample) )?"
    rf"(?:{'|'.join(LABEL_PAIRS)}|{RULE_LABEL})\b[^:\uff1a\n]{{0,44}}[:\uff1a]"
)
_INLINE_EXAMPLE: Final = re.compile(
    r"[,;:(–—]\s*(?:e\.g\.|for example|for instance|example:)[,:]?\s+| - e\.g\.[,:]?\s+"
    r"|, so (?=\S+ (?:becomes?|is written|turns into) )",
    re.IGNORECASE,
)
_ANNOUNCED: Final = re.compile(r"\W*(?:for |an )?(?:example|instance|e\.g)", re.IGNORECASE)
_LONG_WORD: Final = re.compile(r"[a-z]{5,}")
_NAME: Final = re.compile(r"(?<!\w)(?:[A-Z]{2,}\w*|[A-Za-z_]*\d\w*|[a-z]\w*(?=\())")
_MAX_RULE: Final = 500
_MAX_GROUP: Final = 8
"""Rules in a row that one example may illustrate."""


def rules_and_examples(reading: Reading) -> list[Find]:
    """Every rule and worked example of a text, linked, in order."""
    across = list(pairs_across(reading))
    found = [(_example(pair, segment, reading), segment) for pair, segment in across]
    taken = Spans((pair.start, pair.end) for pair, _ in across)
    found += _in_blocks(reading, taken)
    found += _in_statements(reading, taken)
    if not found:
        return []
    found.sort(key=lambda each: each[0].start)
    _link(found, reading.text)
    return [find for find, _ in found]


def _in_blocks(reading: Reading, taken: Spans) -> Iterator[tuple[Find, Segment]]:
    for segment in reading.segments:
        if segment.kind is SegmentKind.TABLE:
            for find in finds_in_table(segment, reading):
                yield find, segment
        elif segment.kind is SegmentKind.CODE and not taken.meet(segment.start, segment.start + 1):
            for pair in pairs_in_code(reading, segment):
                yield _example(pair, segment, reading, InsightType.CODING), segment


def _in_statements(reading: Reading, taken: Spans) -> Iterator[tuple[Find, Segment]]:
    last: tuple[Find, Statement] | None = None
    for statement in _split(_likely(reading)):
        if taken.meet(statement.start, statement.start + 1):
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


def _likely(reading: Reading) -> Iterator[Statement]:
    """The statements with a hint, mark, label or place of a rule or an example: most have none."""
    segment, maps = None, False
    for statement in reading.statements:
        if statement.segment is not segment:
            segment = statement.segment
            is_placed = segment.lead is not None or bool(segment.headings)
            maps = is_placed and is_mapping(scope_of(segment, reading))
        said = statement.text
        if (
            statement.hints & _LIKELY
            or maps
            or (said[0] in _SET_OFF and segment.kind is SegmentKind.LIST_ITEM)
            or _LIKELY_MARK.search(said)
            or (has_colon(said) and _LIKELY_LABEL.match(statement.lower))
        ):
            yield statement


def _split(statements: Iterable[Statement]) -> Iterator[Statement]:
    """The statements; one that ends in an example becomes two."""
    for statement in statements:
        if not statement.hints & EXAMPLE:
            yield statement
            continue
        inline = _INLINE_EXAMPLE.search(statement.text)
        if inline is None or inline.start() == 0:
            yield statement
            continue
        example = _part(statement, inline.end(), len(statement.text))
        if not pairs_in(example):
            yield statement
            continue
        yield _part(statement, 0, inline.start())
        yield example


def _part(statement: Statement, start: int, end: int) -> Statement:
    return statement._replace(
        start=statement.start + start,
        end=statement.start + end,
        text=statement.text[start:end],
        lower=statement.lower[start:end],
    )


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
    if not statement.hints & RULE and _is_something_else(statement.segment, reading):
        return None
    scope = scope_of(statement.segment, reading)
    subject = subject_of_rule(statement, scope)
    if subject is None or statement.is_question or statement.is_junk:
        return None
    kind = default_type(statement.text, scope)
    return Find(kind, InsightKind.RULE, statement.start, statement.end, scope or subject)


def _is_something_else(segment: Segment, reading: Reading) -> bool:
    """Whether its list is one of risks, ideas or the like: a key before a dash maps nothing."""
    if segment.kind is not SegmentKind.LIST_ITEM:
        return False
    category = category_of_block(segment, reading.text)
    return category is not None and category.kind is not InsightKind.DEFINITION


def _continues(last: tuple[Find, Statement], statement: Statement, reading: Reading) -> bool:
    """Whether the sentence goes on about the rule before it, which its pronoun stands for."""
    rule, before = last
    gap = reading.text[rule.end : statement.start]
    return (
        before.segment is statement.segment
        and not gap.strip()
        and goes_on(statement)
        and statement.end - rule.start <= _MAX_RULE
    )


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
