"""Measured uplift on traffic whose effect is known: seeds are fixed, figures are what is promised.

Scores of 0 and 1 are not simulated where the interval's coverage can be summed over all outcomes.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest

from crossmodel.domain.transfer import Arm
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.evaluation.uplift import NEVER, Traffic, coverage, simulate
from crossmodel.evaluation.uplift import evidence as evidence_of_all
from crossmodel.transfer.uplift import (
    Belief,
    Gate,
    ProtocolChooser,
    RelevanceBound,
    Verdict,
    assign,
    effect_of,
    evidence,
    relevance_unit,
    verdict,
)
from crossmodel.transfer.uplift.monitor import (
    USES_TO_DEMOTE_TEN_POINTS,
    USES_TO_FIND_TEN_POINTS,
    USES_TO_FIND_TEN_POINTS_WATCHED,
    USES_TO_FIND_THIRTY_POINTS,
    USES_TO_FIND_THIRTY_POINTS_WATCHED,
)

SIZES = [(5, 5), (20, 5), (5, 20), (50, 5), (10, 10), (50, 10), (20, 20), (50, 50), (200, 20)]
RATES = [
    (0.5, 0.5), (0.7, 0.6), (0.9, 0.9), (0.98, 0.98), (0.02, 0.02), (0.02, 0.98), (0.98, 0.5),
    (0.1, 0.3), (0.95, 0.7), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0),
]  # fmt: skip


def test_intervals_hold_the_truth_for_scores_of_0_and_1():
    found = {
        (n, m, p, q): share
        for n, m in SIZES
        for (p, q), share in zip(RATES, coverage(n, m, RATES), strict=True)
    }
    assert min(found.values()) >= 0.94, min(found, key=found.__getitem__)
    assert np.mean(list(found.values())) >= 0.95


@pytest.mark.parametrize("concentration", [0.5, 2.0, 20.0])
def test_intervals_hold_the_truth_for_scores_between(concentration):
    random = np.random.default_rng(1)
    runs, shares = 1_000, []
    for n, m in ((5, 5), (20, 5), (50, 10), (50, 50)):
        for p, q in ((0.5, 0.5), (0.7, 0.6), (0.95, 0.95), (0.02, 0.02), (0.95, 0.5)):
            traffic = Traffic(p, q, concentration=concentration)
            one = traffic.scores(np.ones((runs, n), bool), random)
            other = traffic.scores(np.zeros((runs, m), bool), random)
            effects = [
                effect_of(Tally(n, a.sum(), a @ a), Tally(m, b.sum(), b @ b))
                for a, b in zip(one, other, strict=True)
            ]
            shares.append(np.mean([e.low <= p - q <= e.high for e in effects]))
    error = math.sqrt(0.95 * 0.05 / runs)
    assert min(shares) >= 0.94 - 2 * error
    assert np.mean(shares) >= 0.95


def test_the_simulation_has_the_evidence_that_the_monitor_has():
    for traffic in (
        Traffic(0.6, 0.7, 0.1),
        Traffic(0.9, 0.9, 0.7, concentration=2.0),
        Traffic(0.0, 1.0, 0.5, watched=True),
    ):
        for uses in (1, 7, 300):
            run = simulate(traffic, uses, 20, np.random.default_rng(uses))
            effects = [run.effect(n) for n in range(20)]
            found = evidence_of_all(run.sums)
            assert [evidence(each) for each in effects] == pytest.approx(list(found))
            for effect, demoted, quarantined in zip(
                effects, run.demoted, run.quarantined, strict=True
            ):
                assert verdict(effect) != Verdict.QUARANTINE or quarantined <= uses
                assert verdict(effect) == Verdict.KEEP or demoted <= uses
                assert quarantined == NEVER or demoted <= quarantined


@pytest.mark.parametrize(
    "traffic",
    [
        Traffic(0.7, 0.7, 0.1),
        Traffic(0.5, 0.5, 0.5),
        Traffic(0.5, 0.5, 0.1, watched=True),
        Traffic(0.9, 0.9, 0.1, watched=True),
        Traffic(0.2, 0.2, 0.1, concentration=1.0),
        Traffic(0.97, 0.97, 0.02),
        Traffic(0.8, 0.7, 0.2),
    ],
)
def test_what_does_no_harm_is_hardly_ever_quarantined_however_long_one_looks(traffic):
    run = simulate(traffic, 5_000, 1_000, np.random.default_rng(3))
    assert np.mean(run.quarantined != NEVER) <= 0.05
    assert np.mean(run.demoted != NEVER) <= 0.20
    assert run.held_out <= traffic.holdout_rate + 0.025


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5])
def test_harm_is_found_in_the_stated_number_of_uses(rate):
    random = np.random.default_rng(7)
    uses = USES_TO_FIND_TEN_POINTS[rate]
    run = simulate(Traffic(0.6, 0.7, rate), uses, 1_000, random)
    assert np.mean(run.quarantined <= uses) >= 0.90
    assert np.mean(run.demoted <= USES_TO_DEMOTE_TEN_POINTS[rate]) >= 0.90
    uses = USES_TO_FIND_THIRTY_POINTS[rate]
    run = simulate(Traffic(0.4, 0.7, rate), uses, 1_000, random)
    assert np.mean(run.quarantined <= uses) >= 0.90


def test_harm_is_found_sooner_where_the_suspected_are_held_out_more():
    random = np.random.default_rng(8)
    uses = USES_TO_FIND_TEN_POINTS_WATCHED
    run = simulate(Traffic(0.6, 0.7, 0.1, watched=True), uses, 1_000, random)
    assert np.mean(run.quarantined <= uses) >= 0.90
    assert uses < 0.6 * USES_TO_FIND_TEN_POINTS[0.1]
    uses = USES_TO_FIND_THIRTY_POINTS_WATCHED
    run = simulate(Traffic(0.4, 0.7, 0.1, watched=True), uses, 1_000, random)
    assert np.mean(run.quarantined <= uses) >= 0.90


def test_thompson_sampling_finds_the_better_protocol_and_its_regret_flattens():
    truth = {"standard": 0.4, "exemplar": 0.65, "playbook": 0.5}
    chooser = ProtocolChooser(
        {"standard": Belief(2, 1), "exemplar": Belief(), "playbook": Belief()}
    )
    early, late, last = 0.0, 0.0, []
    for seed in range(10):
        random, tallies, regret = Random(seed), {}, []
        for _ in range(1_000):
            choice = chooser.choose(tallies, target_model="m", task_type="a", random=random)
            regret.append(max(truth.values()) - truth[choice.protocol])
            key = UpliftKey("m", "a", f"protocol:{choice.protocol}", Arm.INSIGHTS)
            score = float(random.random() < truth[choice.protocol])
            tallies[key] = tallies.get(key, Tally()).plus(score)
        early += sum(regret[:200])
        late += sum(regret[-200:])
        last += [each == 0.0 for each in regret[-200:]]
    assert late < early / 3
    assert np.mean(last) >= 0.85


def test_a_gate_closes_on_harm_and_stays_open_on_help():
    def decisions(with_insights, without, requests=1_500):
        random, open_at_last = Random(3), 0
        for run in range(40):
            tallies = {}
            for request in range(requests):
                arm = assign(f"{run}/{request}", holdout_rate=0.1).arm
                score = float(random.random() < (with_insights if arm == Arm.INSIGHTS else without))
                key = UpliftKey("m", "a", "protocol:standard", arm)
                tallies[key] = tallies.get(key, Tally()).plus(score)
            open_at_last += (
                Gate().decide(tallies, target_model="m", task_type="a", protocol="standard").inject
            )
        return open_at_last

    assert decisions(0.55, 0.70) <= 2
    assert decisions(0.75, 0.65) >= 38


def test_the_bound_is_learned_where_effects_turn():
    # harm below 0.6, help from there on; most requests near the bound
    random, found = np.random.default_rng(5), []
    for _ in range(30):
        tallies = {}
        for _ in range(3_000):
            relevance = float(random.beta(5, 4))
            arm = Arm.INSIGHTS if random.random() < 0.8 else Arm.HOLDOUT
            gain = 0.2 if relevance >= 0.6 else -0.2
            score = float(random.random() < 0.5 + (gain if arm == Arm.INSIGHTS else 0.0))
            key = UpliftKey("m", "a", relevance_unit(relevance), arm)
            tallies[key] = tallies.get(key, Tally()).plus(score)
        found.append(RelevanceBound(0.3).of(tallies))
    assert np.mean([each == 0.6 for each in found]) >= 0.9
