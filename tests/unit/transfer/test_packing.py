"""Packing: within the budget, a rule with its example, the same text for the same choice."""

from __future__ import annotations

from collections.abc import Sequence

from crossmodel.domain.insight import Evidence, Insight, InsightKind
from crossmodel.transfer.packing import pack


def made(ident: str, kind: str, start: int, *links: str, words: int = 1) -> Insight:
    return Insight(
        " ".join([ident] * words),
        kind=kind,
        evidence=(Evidence(start, start + 1, "s"),),
        links=links,
        confidence_score=0.9,
        id=ident,
    )


def write(insights: Sequence[Insight]) -> str:
    return " ".join(i.content for i in insights)


def count(text: str) -> int:
    return len(text.split())


def packed(insights: Sequence[Insight], budget: int) -> str:
    return pack(insights, write=write, count_tokens=count, budget=budget).context


RULE = made("rule", InsightKind.RULE, 5, "one", "two", words=3)
ONE = made("one", InsightKind.EXAMPLE, 1, "rule")
TWO = made("two", InsightKind.EXAMPLE, 9, "rule")


def test_everything_that_fits_is_packed_rules_first_examples_in_source_order() -> None:
    assert packed([RULE, TWO, ONE], 5) == "rule rule rule one two"


def test_equal_choices_give_equal_text_whatever_the_preference() -> None:
    assert packed([ONE, TWO, RULE], 9) == packed([TWO, RULE, ONE], 9) == packed([RULE, ONE, TWO], 9)


def test_a_rule_is_kept_with_its_most_preferred_example_or_both_are_dropped() -> None:
    assert packed([RULE, TWO, ONE], 4) == "rule rule rule two"
    assert packed([RULE, TWO, ONE], 3) == ""


def test_links_in_one_direction_are_enough() -> None:
    lone = made("lone", InsightKind.EXAMPLE, 2)
    rule = made("head", InsightKind.RULE, 1, "lone", words=3)
    assert packed([rule, lone], 3) == ""
    assert packed([rule, lone], 4) == "head head head lone"


def test_an_example_without_a_rule_stands_alone() -> None:
    assert packed([ONE], 1) == "one"


def test_utility_per_token_decides_and_not_utility_alone() -> None:
    long = made("long", InsightKind.CLAIM, 1, words=8)
    short = [made(f"s{n}", InsightKind.CLAIM, 10 + n) for n in range(8)]
    assert packed([long, *short], 8) == " ".join(i.content for i in short)


def test_an_insight_that_does_not_fit_does_not_stop_the_next() -> None:
    big = made("big", InsightKind.CLAIM, 1, words=9)
    assert packed([big, made("a", InsightKind.CLAIM, 2)], 2) == "a"


def test_the_whole_is_counted_and_not_the_sum_of_the_parts() -> None:
    parts = [made(f"p{n}", InsightKind.CLAIM, n) for n in range(5)]
    result = pack(parts, write=write, count_tokens=lambda text: count(text) ** 2, budget=9)
    assert (len(result.insights), result.tokens) == (3, 9)


def test_nothing_is_packed_into_nothing() -> None:
    assert packed([], 5) == ""
    assert packed([ONE], 0) == ""
