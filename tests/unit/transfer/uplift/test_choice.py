"""Which protocol is chosen, how often, and what other kinds of task have to say."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.transfer import Arm
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.errors import InvalidInputError
from crossmodel.transfer.uplift import Belief, ProtocolChooser
from crossmodel.transfer.uplift.choice import best_shares

COUNTS = st.one_of(st.floats(0.3, 50), st.floats(1, 1e7))
FLAT = {"standard": Belief(), "exemplar": Belief()}


def told(
    protocol: str, ones: float, n: int, *, task: str = "coding", arm: str = Arm.INSIGHTS
) -> dict[UpliftKey, Tally]:
    return {UpliftKey("m", task, f"protocol:{protocol}", arm): Tally(n, ones, ones)}


def beliefs(tallies: dict[UpliftKey, Tally], **options: float) -> dict[str, Belief]:
    chooser = ProtocolChooser(FLAT, **options)
    return chooser.beliefs(tallies, target_model="m", task_type="coding")


def test_scores_are_added_to_the_prior_as_shares_of_a_success() -> None:
    chooser = ProtocolChooser({"standard": Belief(3, 2)})
    found = chooser.beliefs(told("standard", 6.5, 10), target_model="m", task_type="coding")
    assert found == {"standard": Belief(9.5, 5.5)}
    assert found["standard"].mean == pytest.approx(0.6333, abs=1e-4)


def test_what_was_withheld_or_of_other_models_says_nothing_of_a_protocol() -> None:
    other = {UpliftKey("n", "coding", "protocol:standard", Arm.INSIGHTS): Tally(9, 9.0, 9.0)}
    unknown = told("export", 9, 9)
    tallies = told("standard", 9, 9, arm=Arm.HOLDOUT) | other | unknown
    assert beliefs(tallies) == FLAT


def test_shares_are_those_of_the_closed_form() -> None:
    # P(Beta(a, 1) > Beta(b, 1)) = a / (a + b)
    assert best_shares([Belief(3, 1), Belief(1, 1)])[0] == pytest.approx(0.75, abs=1e-3)
    assert best_shares([Belief(1, 1)] * 4) == pytest.approx([0.25] * 4, abs=1e-3)
    assert best_shares([Belief(0.1, 1), Belief(0.3, 1)])[0] == pytest.approx(0.25, abs=2e-3)
    assert best_shares([Belief(9, 2)]) == [1.0]


@given(st.lists(st.builds(Belief, COUNTS, COUNTS), min_size=2, max_size=4))
def test_shares_are_those_of_drawing(given_beliefs: list[Belief]) -> None:
    shares = best_shares(given_beliefs)
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) >= 0.0
    random = np.random.default_rng(1)
    drawn = [random.beta(b.successes, b.failures, 20_000) for b in given_beliefs]
    wins = np.bincount(np.argmax(drawn, axis=0), minlength=len(shares)) / 20_000
    assert shares == pytest.approx(list(wins), abs=0.02)


def test_the_same_random_numbers_choose_the_same() -> None:
    tallies = told("standard", 60, 100) | told("exemplar", 65, 100)
    chooser = ProtocolChooser(FLAT)

    def choices(seed: int) -> list[tuple[str, float]]:
        random = Random(seed)
        return [
            (choice.protocol, choice.propensity)
            for _ in range(50)
            if (
                choice := chooser.choose(
                    tallies, target_model="m", task_type="coding", random=random
                )
            )
        ]

    assert choices(1) == choices(1) != choices(2)
    assert sum(dict(choices(1)).values()) == pytest.approx(1.0)


def test_each_is_chosen_as_often_as_its_propensity_says() -> None:
    tallies = told("standard", 60, 100) | told("exemplar", 65, 100)
    random, chooser = Random(5), ProtocolChooser(FLAT)
    chosen = [
        chooser.choose(tallies, target_model="m", task_type="coding", random=random)
        for _ in range(2_000)
    ]
    share = sum(choice.protocol == "exemplar" for choice in chosen) / len(chosen)
    propensity = next(c.propensity for c in chosen if c.protocol == "exemplar")
    assert propensity == pytest.approx(0.767, abs=0.01)  # normal: 0.05 over sqrt(2 · 0.231/102)
    assert share == pytest.approx(propensity, abs=0.03)


def test_a_model_without_history_follows_the_priors() -> None:
    weak = ProtocolChooser({"standard": Belief(2, 8), "exemplar": Belief(8, 2)})
    choice = weak.choose({}, target_model="m", task_type="coding", random=Random(0))
    assert choice.protocol == "exemplar"
    assert choice.propensity > 0.95


def test_other_kinds_of_task_lend_a_little() -> None:
    tallies = told("standard", 400, 1000, task="math") | told("exemplar", 600, 1000, task="math")
    found = beliefs(tallies, borrowed_share=0.01)
    # a hundredth of 1,000 is 10 scores; the level there is 0.5, and the lead 0.1
    assert found["exemplar"].successes == pytest.approx(7.0)
    assert found["exemplar"].failures == pytest.approx(5.0)
    capped = beliefs(tallies, borrowed_share=1.0, most_borrowed=20.0)
    assert capped["standard"].successes + capped["standard"].failures == pytest.approx(22.0)
    assert beliefs(tallies, borrowed_share=0.0) == FLAT
    assert beliefs(tallies, most_borrowed=0.0) == FLAT


def test_own_scores_outweigh_what_is_borrowed() -> None:
    elsewhere = told("standard", 900, 1000, task="math") | told("exemplar", 100, 1000, task="math")
    here = told("standard", 20, 100) | told("exemplar", 80, 100)
    found = beliefs(elsewhere | here)
    assert best_shares(list(found.values()))[1] > 0.99


def test_an_easy_kind_of_task_does_not_favour_what_was_used_there() -> None:
    # exemplar is better in both kinds, and was used mostly on the hard one (Simpson's paradox)
    tallies = (
        told("standard", 810, 900, task="easy")
        | told("exemplar", 95, 100, task="easy")
        | told("standard", 20, 100, task="hard")
        | told("exemplar", 270, 900, task="hard")
    )
    found = beliefs(tallies)
    assert found["exemplar"].mean > found["standard"].mean


def test_a_single_own_score_does_not_upset_what_is_borrowed() -> None:
    tallies = told("standard", 400, 1000, task="math") | told("exemplar", 600, 1000, task="math")
    found = beliefs(tallies | told("standard", 0, 1))
    assert found["exemplar"].mean > 0.5 > found["standard"].mean


@pytest.mark.parametrize("count", [0.0, -1.0, math.nan, math.inf])
def test_counts_that_are_none_are_refused(count: float) -> None:
    with pytest.raises(InvalidInputError, match="failures"):
        Belief(1.0, count)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least one protocol"):
        ProtocolChooser({})
    with pytest.raises(InvalidInputError, match="borrowed_share"):
        ProtocolChooser(FLAT, borrowed_share=1.5)
    with pytest.raises(InvalidInputError, match="most_borrowed"):
        ProtocolChooser(FLAT, most_borrowed=math.nan)
