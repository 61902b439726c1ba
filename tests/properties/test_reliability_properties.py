"""Whatever is observed: errors lie within 0..1, what is mended rises, and what boasts is found."""

import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel import CrossModelConfidenceCalibrator
from crossmodel.calibration import expected_calibration_error, fit_rising_map

SHARES = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.3, 0.7, 0.9, 1.0, 5e-324]))
OBSERVED = st.lists(
    st.tuples(st.sampled_from("abc"), SHARES, st.one_of(st.booleans(), SHARES), st.integers(0, 99)),
    max_size=80,
)
START = datetime(2026, 1, 1, tzinfo=UTC)


def filled(observed):
    calibrator = CrossModelConfidenceCalibrator()
    for model, confidence, correct, day in observed:
        calibrator.observe(model, confidence, correct, at=START + timedelta(days=day))
    return calibrator


@given(observed=OBSERVED)
def test_the_error_is_the_one_of_single_observations_and_within_0_and_1(observed):
    calibrator = filled(observed)
    for model in "abc":
        mine = [(said, float(came)) for name, said, came, _ in observed if name == model]
        found = calibrator.reliability(model)
        assert found.n == len(mine)
        assert 0 <= found.ece <= 1
        assert found.ece == pytest.approx(expected_calibration_error(*zip(*mine, strict=True))
                                          if mine else 0.0)  # fmt: skip
        assert found.ece == pytest.approx(found.overconfidence + found.underconfidence)
        assert 0 <= found.interval[0] <= found.interval[1] <= 1
        if found.n:
            assert found.interval[0] - 1e-9 <= found.accuracy <= found.interval[1] + 1e-9
            assert 0 <= found.mean_confidence <= 1


@given(observed=OBSERVED, step=st.sampled_from(["day", "week", "month"]))
def test_steps_in_time_hold_every_observation_once(observed, step):
    calibrator = filled(observed)
    for model in "abc":
        steps = calibrator.ece_over_time(model, step)
        assert sum(each.n for each in steps) == calibrator.reliability(model).n
        assert all(a.end < b.start for a, b in pairwise(steps))
        assert all(0 <= each.ece <= 1 for each in steps)


@given(observed=OBSERVED, asked=st.lists(SHARES, min_size=2, max_size=12))
def test_what_is_mended_rises_with_what_was_said_and_stays_within_0_and_1(observed, asked):
    calibrator = filled(observed)
    for model in "abcd":
        mended = [calibrator.calibrated(model, each) for each in sorted(asked)]
        assert all(0 <= each <= 1 for each in mended)
        assert all(a <= b + 1e-12 for a, b in pairwise(mended))


@given(observed=OBSERVED)
def test_it_is_kept_whole(observed):
    calibrator = filled(observed)
    again = CrossModelConfidenceCalibrator()
    again.restore(json.loads(json.dumps(calibrator.to_dict(), allow_nan=False)))
    assert again.to_dict() == calibrator.to_dict()
    assert again.calibrated("a", 0.7) == pytest.approx(calibrator.calibrated("a", 0.7), abs=1e-9)


@given(
    pairs=st.lists(st.tuples(SHARES, st.booleans(), st.integers(1, 4)), min_size=1, max_size=20),
    score=SHARES,
)
def test_a_weight_is_as_good_as_that_many_answers(pairs, score):
    said, came, counts = zip(*pairs, strict=True)
    weighted = fit_rising_map(said, came, 4.0, [float(each) for each in counts])
    each_alone = [(x, y) for x, y, n in pairs for _ in range(n)]
    assert weighted(score) == pytest.approx(
        fit_rising_map(*zip(*each_alone, strict=True), 4.0)(score), abs=1e-5
    )


@pytest.mark.parametrize("seed", range(5))
def test_an_overconfident_model_is_found_and_mended_on_what_was_held_out(seed):
    chance = random.Random(seed)

    def said_and_came(count):
        for _ in range(count):
            said = chance.betavariate(6, 2)
            yield said, chance.random() < said**3  # it boasts: 0.9 comes true 73 times of 100

    calibrator = CrossModelConfidenceCalibrator()
    for said, came in said_and_came(1500):
        calibrator.observe("boaster", said, came)
    for _ in range(1500):
        said = chance.betavariate(6, 2)
        calibrator.observe("honest", said, chance.random() < said)
    boaster, honest = (calibrator.reliability(name) for name in ("boaster", "honest"))
    assert boaster.interval[1] < boaster.mean_confidence
    assert boaster.overconfidence > 0.15
    assert boaster.underconfidence < 0.02
    assert honest.ece < 0.06
    held_out = list(said_and_came(4000))
    right = [came for _, came in held_out]
    before = expected_calibration_error([said for said, _ in held_out], right)
    mended = [calibrator.calibrated("boaster", said) for said, _ in held_out]
    after = expected_calibration_error(mended, right)
    assert before > 0.15
    assert after < before / 3
