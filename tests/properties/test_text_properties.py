"""Whatever the text: spans lie within it, nothing fails, nothing takes more than linear time."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.text.grounding import ground
from crossmodel.text.normalise import tokens, unify
from crossmodel.text.segments import SegmentKind, parse, table_rows
from crossmodel.text.sentences import sentences
from crossmodel.text.similarity import guard, near_duplicates, similarity

any_text = st.text(st.characters())  # lone surrogates, NUL and combining marks included
pieces = st.sampled_from(
    ["# ", "## H\n", "- ", "1. ", "a) ", "```", "```py\n", "~~~", "|", "|-|-|\n", "a|b\n", "\n", "\r\n",
     "\n\n", "\\[", "\\]", "$$", "> ", "**", "**B:**\n", ":", ".", "e.g. ", "Dr. ", "word ", "Word. ",
     "===\n", "---\n", "\\|", " ", "\t", "\u200f", "é", "e\u0301", "👍🏽", "عربي", "。", "\x00", "\ud800",
     "\u2028", "3.14", "'", '"', "(", ")", "…", "!"]
)  # fmt: skip
markdown = st.lists(pieces, max_size=60).map("".join)
texts = any_text | markdown


@given(texts)
def test_segments_are_in_order_and_hold_something(text):
    end = 0
    for segment in parse(text):
        assert end <= segment.start < segment.end <= len(text)
        end = segment.end
        said = text[segment.start : segment.end]
        assert said.strip()
        assert not said[0].isspace() or segment.kind is SegmentKind.CODE
        assert not said[-1].isspace()
        if segment.lead is not None:
            assert 0 <= segment.lead[0] < segment.lead[1] <= segment.start
            assert text[segment.lead[1] - 1] == ":"
        if segment.kind is SegmentKind.TABLE:
            for row in table_rows(text, segment):
                for start, stop in row:
                    assert segment.start <= start <= stop <= segment.end


@given(texts)
def test_sentences_cover_what_is_not_white_space(text):
    end = 0
    for start, stop in sentences(text, 0, len(text)):
        assert end <= start < stop <= len(text)
        assert not text[end:start].strip()
        assert text[start:stop] == text[start:stop].strip()
        end = stop
    assert not text[end:].strip()


@given(texts, st.data())
def test_whole_words_of_a_text_ground_in_it_or_are_taken_back(text, data):
    forms = list(tokens(text))
    if not forms:
        assert ground(text, "a b c") is None
        return
    assert ground(text, text) is not None or not text.strip()
    first = data.draw(st.integers(0, len(forms) - 1))
    last = data.draw(st.integers(first, len(forms) - 1))
    claim = text[forms[first][1] : forms[last][2]]
    span = ground(claim, text)
    if span is not None:
        said = text[span.start : span.end]
        assert [form for form, _, _ in tokens(said)] == [form for form, _, _ in tokens(claim)]


@given(texts, any_text)
def test_what_grounds_says_the_same_tokens(source, claim):
    span = ground(claim, source)
    if span is not None:
        assert 0 <= span.start < span.end <= len(source)
        said = source[span.start : span.end]
        assert [form for form, _, _ in tokens(said)] == [form for form, _, _ in tokens(claim)]


digits = st.text("0123456789", min_size=1, max_size=6)
words = st.sampled_from(
    ["the", "pump", "lifts", "litres", "not", "in", "x", "=", "<", "kg", "-", "("]
)


@given(st.lists(words | digits, min_size=1, max_size=12), st.data())
def test_a_changed_digit_never_grounds(parts, data):
    source = " ".join(parts)
    places = [at for at, character in enumerate(source) if character.isdigit()]
    if not places:
        return
    at = data.draw(st.sampled_from(places))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != source[at]]))
    assert ground(source[:at] + other + source[at + 1 :], source) is None


@given(any_text)
def test_unifying_keeps_offsets(text):
    assert len(unify(text)) == len(text)


@given(texts, texts)
def test_similarity_is_symmetric_and_a_share(first, second):
    assert 0 <= similarity(first, second) <= 1
    assert near_duplicates(first, second, 0.9) == near_duplicates(second, first, 0.9)
    assert guard(first) == guard(first + " ")


HOSTILE = {
    "backticks": "`" * 100_000,
    "brackets": "[" * 100_000,
    "pipes": "|" * 100_000,
    "becauses": "because " * 100_000,
    "abbreviations": "e.g. " * 100_000,
    "newlines": "\n" * 100_000,
    "spaces": " " * 100_000,
    "stops": "." * 100_000 + "x",
    "numbers": "1. " * 100_000,
    "digits": "1" * 100_000,
    "quotes": "'" * 100_000,
    "fences": "".join("`" * (3 + i % 50) + "\n" for i in range(20_000)),
    "formulas": "\\[ x\n" * 50_000 + "\\] t",
    "dollars": "$$ x\n" * 50_000,
    "quoted": ">" * 100_000,
    "quoted deep": ">\u00a0" * 50_000 + "x",
    "tables": "a|b\n|-|-|\n" * 30_000,
    "cells": "a|b\n-|-\n" + "\\|" * 100_000,
    "items": "- a:\n" * 50_000,
    "bold": "**a** " * 50_000,
    "marks": "a" + "\u0301" * 100_000,
    "emoji": "👍🏽" * 50_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_take_linear_time(name):
    text = HOSTILE[name]
    started = time.perf_counter()
    for segment in parse(text):
        if segment.is_prose:
            list(sentences(text, segment.start, segment.end))
        elif segment.kind is SegmentKind.TABLE:
            list(table_rows(text, segment))
    ground("x y not there", text)
    ground(text[:3000] + "q", text)
    ground("1", text)
    guard(text)
    assert time.perf_counter() - started < 5  # measured: 0.02 to 0.7 s


@pytest.mark.slow
@settings(max_examples=1)
@given(st.just("## Codes\nUse 13 codes, e.g. RF. They start with R.\r\n\r\n- `a` -> b\n" * 150_000))
def test_ten_megabytes_are_parsed_exactly(text):
    assert len(text) > 9_000_000
    found = 0
    for segment in parse(text):
        if segment.is_prose:
            for start, end in sentences(text, segment.start, segment.end):
                found += text[start:end] in {
                    "Use 13 codes, e.g. RF.",
                    "They start with R.",
                    "`a` -> b",
                }
    assert found == 450_000
