"""Packing: within the budget, a rule with its example, the same text for the same choice."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from crossmodel.domain.insight import Evidence, Insight, InsightKind
from crossmodel.errors import InvalidInputError
from crossmodel.transfer.packing import pack
from crossmodel.transfer.quality import insight_quality


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


def test_measured_helpers_come_first_and_what_harms_last() -> None:
    alike = [made(n, InsightKind.CLAIM, at) for at, n in enumerate(("a", "b", "c"))]
    assert packed(alike, 1) == "a"

    def with_gain(gain: dict[str, float], budget: int) -> str:
        return pack(alike, write=write, count_tokens=count, budget=budget, gain=gain).context

    assert with_gain({"b": 1.0}, 1) == "b"
    assert with_gain({"a": -0.9}, 2) == "b c"
    assert with_gain({"a": -1.0, "z": 0.5}, 3) == "a b c"


@pytest.mark.parametrize("gain", [math.nan, math.inf, 1.01, -1.01, "0.5", None, True])
def test_a_gain_out_of_range_is_refused(gain: Any) -> None:
    with pytest.raises(InvalidInputError, match="gain of 'one'"):
        pack([ONE], write=write, count_tokens=count, budget=9, gain={"one": gain})


def test_something_small_does_not_keep_out_something_great() -> None:
    small = made("small", InsightKind.CLAIM, 1)
    great = made("great", InsightKind.CLAIM, 2, words=10)
    gain = {"small": -0.8, "great": 1.0}
    assert pack([great, small], write=write, count_tokens=count, budget=10, gain=gain).insights == (
        great,
    )


def test_whatever_fits_as_a_whole_is_counted_once() -> None:
    counted: list[str] = []

    def counting(text: str) -> int:
        counted.append(text)
        return count(text)

    pack([RULE, ONE, TWO], write=write, count_tokens=counting, budget=5)
    assert counted == ["rule rule rule one two"]


def test_greedy_comes_close_to_the_optimum() -> None:
    """At worst 0.75, and 0.995 in the mean, of the best utility that brute force finds."""
    chance = random.Random(20261126)
    shares = [_share_of_the_optimum(chance) for _ in range(400)]
    assert min(shares) >= 0.75
    assert sum(shares) / len(shares) >= 0.995


def _share_of_the_optimum(chance: random.Random) -> float:
    insights: list[Insight] = []
    for n in range(chance.randint(1, 4)):
        examples = [f"e{n}.{k}" for k in range(chance.randint(0, 2))]
        insights.append(made(f"r{n}", InsightKind.RULE, n, *examples, words=chance.randint(1, 12)))
        insights += [
            made(e, InsightKind.EXAMPLE, n, f"r{n}", words=chance.randint(1, 9)) for e in examples
        ]
    for insight in insights:
        insight.confidence_score = chance.random()
    chance.shuffle(insights)
    gain = {insight.id: chance.uniform(-0.5, 1.0) for insight in insights}
    utility = {
        insight.id: insight_quality(insight) * (1 + gain[insight.id]) / math.log2(place + 2)
        for place, insight in enumerate(insights)
    }
    budget = chance.randint(1, count(write(insights)))
    got = pack(insights, write=write, count_tokens=count, budget=budget, gain=gain)
    best = max(
        sum(utility[each.id] for each in chosen)
        for size in range(len(insights) + 1)
        for chosen in itertools.combinations(insights, size)
        if count(write(chosen)) <= budget and _stands(chosen, insights)
    )
    assert got.tokens <= budget
    assert _stands(got.insights, insights)
    return sum(utility[each.id] for each in got.insights) / best if best else 1.0


def _stands(chosen: Sequence[Insight], offered: Sequence[Insight]) -> bool:
    """Whether each rule has its first example, where it has any, and each example its rule."""
    ids = {each.id for each in chosen}
    for each in chosen:
        if each.kind == InsightKind.EXAMPLE and not ids.intersection(each.links):
            return False
        mine = [e.id for e in offered if e.kind == InsightKind.EXAMPLE and each.id in e.links]
        if each.kind == InsightKind.RULE and mine and mine[0] not in ids:
            return False
    return True
