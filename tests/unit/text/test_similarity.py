"""Near-duplicates: alike in words, equal in what must agree."""

import pytest

from crossmodel.text.similarity import guard, near_duplicates, similarity

RULE = "Use zput(key, value) to store at most 5 items, and never call it twice."


@pytest.mark.parametrize(
    "other",
    [
        RULE,
        "To store at most 5 items use zput(key, value), and never call it twice.",
        "Use zput(key, value) to store at most 5 items and never call it twice",
        "use zput(key,  value) to store at most 5 items, and  never call it twice!",
    ],
)
def test_the_same_in_nearly_the_same_words(other):
    assert near_duplicates(RULE, other, 0.9)


@pytest.mark.parametrize(
    "other",
    [
        RULE.replace("5", "6"),
        RULE.replace("never ", ""),
        RULE.replace("zput", "zget"),
        RULE.replace("at most", "≤"),
        RULE + " Its result is a handle that the caller keeps until the very end of the session.",
    ],
)
def test_what_differs_in_a_figure_a_name_or_a_negation_does_not_merge(other):
    assert not near_duplicates(RULE, other, 0.8)


@pytest.mark.parametrize(
    ("first", "second"),
    [("x < 5", "x > 5"), ("a -> b", "a <- b"), ("it can", "it can't"), ("ask IT", "ask it"),
     ("v2 is out", "v3 is out"), ("in 1.5 s", "in 15 s"), ("snake_case", "snakecase"),
     ("$5", "€5"), ("is allowed", "is not allowed"), ("`ab`", "`ba`"),
     ("a never-ending race", "a ending race"),
     ("Never-ending race", "Ending race"), ("Least-cost path", "Cost path")],
)  # fmt: skip
def test_guards_differ(first, second):
    assert guard(first) != guard(second)


@pytest.mark.parametrize(
    ("text", "said", "changed"),
    [
        ("A foot has 12 inches, so it is 20 feet or 240 inches.", "240 inches", "240 feet"),
        ("It runs 14 days, so it takes 14 days a month, not 2 weeks.", "14 days a", "14 weeks a"),
    ],
)
def test_a_unit_that_stands_elsewhere_too_does_not_merge(text, said, changed):
    assert near_duplicates(text, text, 0.8)
    assert not near_duplicates(text, text.replace(said, changed), 0.8)


def test_ordinary_words_are_not_guarded():
    assert guard("A well-known rule of the house") == guard("The rule is well known") == ()
    assert guard("don’t") == guard("do not") == ("not",)


def test_similarity_is_a_share():
    assert similarity("same words", "words same") == 1
    assert 0 <= similarity("alpha beta", "gamma delta") < 0.5
    assert similarity("", "") in {0.0, 1.0}
