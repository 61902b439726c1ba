"""Who falls into which arm, and what a scored request adds to."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.period import utc_now
from crossmodel.domain.records import TransferRecord
from crossmodel.domain.transfer import Arm
from crossmodel.domain.uplift import UpliftKey
from crossmodel.errors import InvalidInputError
from crossmodel.transfer.uplift import RELEVANCE_UNITS, assign, assign_closed
from crossmodel.transfer.uplift.assignment import Assignment, uniform
from crossmodel.transfer.uplift.observations import observations

RECORD = TransferRecord(
    "r", "t", "m", "standard", True, ("a", "b"), 0.9, 12, "d", utc_now(), task_type="coding"
)


@given(st.text(st.characters()), st.floats(0, 0.5), st.floats(0, 0.4))
def test_a_request_falls_into_the_same_arm_whenever_it_is_asked(
    request_id: str, holdout: float, padding: float
) -> None:
    first = assign(request_id, holdout_rate=holdout, padding_rate=padding)
    assert assign(request_id, holdout_rate=holdout, padding_rate=padding) == first
    assert 0.0 <= uniform(request_id) < 1.0
    share = {Arm.HOLDOUT: holdout, Arm.PADDING: padding, Arm.INSIGHTS: 1 - (holdout + padding)}
    assert first.propensity == share[first.arm] > 0.0


def test_replays_on_other_machines_find_the_same_number() -> None:
    # SHA-256 of the label and the id, its first 53 bits: printf 'crossmodel uplift arm\0r-1' | …
    assert uniform("r-1") == 0.47575057880272853
    assert uniform("") == 0.8358090801585368


def test_arms_are_as_large_as_their_rates() -> None:
    drawn = [assign(f"req_{n}", holdout_rate=0.2, padding_rate=0.1).arm for n in range(20_000)]
    for arm, rate in ((Arm.HOLDOUT, 0.2), (Arm.PADDING, 0.1), (Arm.INSIGHTS, 0.7)):
        error = math.sqrt(rate * (1 - rate) / len(drawn))
        assert abs(drawn.count(arm) / len(drawn) - rate) < 4 * error


def test_what_is_withheld_at_a_low_rate_is_withheld_at_a_higher() -> None:
    ids = [f"req_{n}" for n in range(2_000)]
    few = {i for i in ids if assign(i, holdout_rate=0.1).arm == Arm.HOLDOUT}
    many = {i for i in ids if assign(i, holdout_rate=0.5).arm == Arm.HOLDOUT}
    assert few < many


@pytest.mark.parametrize(
    ("holdout", "padding"),
    [(1.0, 0.0), (0.5, 0.5), (-0.1, 0.0), (0.0, -0.1), (math.nan, 0.0), (0.1, math.inf)],
)
def test_rates_that_leave_nothing_are_refused(holdout: float, padding: float) -> None:
    with pytest.raises(InvalidInputError, match="_rate"):
        assign("r", holdout_rate=holdout, padding_rate=padding)


def test_where_the_gate_is_closed_a_share_tries_again() -> None:
    arms = [assign_closed(f"req_{n}", retry_rate=0.05) for n in range(10_000)]
    tried = [each for each in arms if each.arm == Arm.INSIGHTS]
    assert 0.04 < len(tried) / len(arms) < 0.06
    assert {each.propensity for each in tried} == {0.05}
    assert {each.arm for each in arms} == {Arm.INSIGHTS, Arm.HOLDOUT}
    assert assign_closed("r", retry_rate=0.0) == Assignment(Arm.GATED, 1.0)
    assert assign_closed("r", retry_rate=1.0) == Assignment(Arm.INSIGHTS, 1.0)
    with pytest.raises(InvalidInputError, match="retry_rate"):
        assign_closed("r", retry_rate=1.5)


def test_a_score_tells_of_insights_topics_form_and_relevance() -> None:
    keys = observations(RECORD, ["dates", "dates", ""], 0.47)
    assert keys == [
        UpliftKey("m", "coding", unit, "insights")
        for unit in ("insight:a", "insight:b", "topic:dates", "protocol:standard", "relevance:0.4")
    ]
    held_out = observations(replace(RECORD, arm=Arm.HOLDOUT, success=False))
    assert [key.unit for key in held_out] == ["insight:a", "insight:b", "protocol:standard"]
    assert {key.arm for key in held_out} == {"holdout"}


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, arm=Arm.GATED),
        replace(RECORD, success=False),
        replace(RECORD, insight_ids=()),
    ],
)
def test_what_was_no_part_of_the_experiment_tells_nothing(record: TransferRecord) -> None:
    assert observations(record, ["dates"], 0.5) == []


def test_relevance_falls_into_bins() -> None:
    def bin_of(relevance: float) -> str:
        return observations(replace(RECORD, insight_ids=("a",), protocol=""), (), relevance)[
            -1
        ].unit

    assert [bin_of(n / 10) for n in range(10)] == list(RELEVANCE_UNITS)
    assert [bin_of(n / 10 + 0.0999) for n in range(10)] == list(RELEVANCE_UNITS)
    assert bin_of(1.0) == "relevance:0.9"
    for wrong in (-0.1, 1.1, math.nan, math.inf):
        with pytest.raises(InvalidInputError, match="relevance"):
            bin_of(wrong)


def test_an_unknown_arm_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="arm must be one of insights, holdout"):
        observations(replace(RECORD, arm="other"))
