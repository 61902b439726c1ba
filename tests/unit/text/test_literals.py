"""Literals that an expression requires: none of its matches may be without one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.extraction import cues
from crossmodel.text.literals import Literals, required_literals

DECISIVE = {
    **{
        f"{row}.{number} {cue.kind}": pattern
        for row, cue in enumerate(cues.CUES)
        for number, pattern in enumerate(cue.patterns)
    },
    "rule": cues.NORM,
    "order": cues.ORDER,
    "output": cues.GIVES,
    "would be": cues.WOULD_BE,
    "example": cues._EXAMPLE,
    "answer": cues._ANSWER,
}


@pytest.mark.parametrize(
    ("expression", "literals"),
    [
        (r"\bbecause\b", {" because "}),
        (r"\b(?:may|might)\ fail\b", {" may fail ", " might fail "}),
        (r"since", {"since"}),
        (r"colou?r", {"color", "colour"}),
        (r"isn['’]t", {"isn t"}),
        (r"(?<![a-z0-9_])must", {" must"}),
        (r"\bthe\ \w+\ theorem", {" theorem"}),
        (r"(?:go)+ing", {"going"}),
        (r"x{2}y\d+abacus", {"abacus"}),
        (r"(?i:LOUD)ly", {"loudly"}),
        (r"first|second", {"first", "second"}),
        (r"must(?: not)?", {"must"}),
        (r"\bthe formula [a-z]+ of", {" the formula "}),
    ],
)
def test_literals_are_the_most_telling_ones(expression, literals):
    assert required_literals(re.compile(expression)) == literals


@pytest.mark.parametrize("expression", [r"\w+", r"a?b?", r"(?:word|\d)", r"", r"[a-z]{3}", r"x"])
def test_an_expression_that_fits_anywhere_is_refused(expression):
    with pytest.raises(ValueError, match="no literal is required"):
        required_literals(re.compile(expression))


def test_a_look_around_that_lets_digits_by_is_no_edge_of_a_word():
    pattern = re.compile(r"(?<![a-z])percent")
    assert Literals({1: [pattern]}).find("40percent")


def test_finds_lie_within_the_matches_and_come_in_order():
    found = Literals({1: [re.compile(r"\bso\b")], 2: [re.compile("sonnets")]})
    text = "so “so” also\nsonnets,so"
    places = found.find(text)
    assert [bit for _, bit in places] == [1, 1, 2, 1]
    assert [at for at, _ in places] == sorted(at for at, _ in places)
    assert all(0 <= at < len(text) for at, _ in places)


@pytest.mark.parametrize("name", DECISIVE)
def test_a_match_always_holds_a_literal(name):
    pattern = DECISIVE[name]
    literals = Literals({1: [pattern]})

    @given(st.from_regex(pattern))
    def holds(text):
        if len(text.lower()) != len(text):
            return
        match = pattern.search(text if name == "would be" else text.lower())
        found = literals.find(text.lower())
        assert match is None or any(match.start() - 1 <= at <= match.end() for at, _ in found)

    holds()
