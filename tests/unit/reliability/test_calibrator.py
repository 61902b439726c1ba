"""The reliability of source models: figures, their course in time, and what is refused."""

import json
import math
import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from crossmodel import CrossModelConfidenceCalibrator, InvalidInputError, TimePeriod
from crossmodel.calibration import wilson_interval
from crossmodel.reliability import brief

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_figures_are_what_the_formulas_say():
    calibrator = CrossModelConfidenceCalibrator()
    for confidence, correct in ((0.9, True), (0.95, False), (0.2, 0.5), (1.0, 1), (0.0, 0.0)):
        calibrator.observe("m", confidence, correct)
    found = calibrator.reliability("m")
    assert found.n == 5
    assert found.mean_confidence == pytest.approx(3.05 / 5)
    assert found.accuracy == pytest.approx(2.5 / 5)
    assert found.interval == wilson_interval(2.5, 5)
    # the last bin says 2.85 and 2 came; the third says 0.2 and 0.5 came
    assert found.overconfidence == pytest.approx(0.85 / 5)
    assert found.underconfidence == pytest.approx(0.3 / 5)
    assert found.ece == pytest.approx(found.overconfidence + found.underconfidence)
    assert [each.n for each in found.bins] == [1, 0, 1, 0, 0, 0, 0, 0, 0, 3]
    assert found.bins[9].accuracy == pytest.approx(2 / 3)
    assert found.bins[1].accuracy is None
    json.dumps(found.to_dict(), allow_nan=False)


def test_of_a_stranger_nothing_is_known_and_nothing_is_mended():
    calibrator = CrossModelConfidenceCalibrator()
    found = calibrator.reliability("nobody")
    assert (found.n, found.accuracy, found.ece, found.interval) == (0, None, 0.0, (0.0, 1.0))
    assert calibrator.ece_over_time("nobody") == []
    assert calibrator.calibrated("nobody", 0.37) == 0.37
    assert calibrator.models() == []
    assert brief("nobody", {}) is None


@pytest.mark.parametrize("wrong", [math.nan, -0.1, 1.1, math.inf, "0.5", None, [1]])
def test_what_is_no_share_is_refused_and_not_counted(wrong):
    calibrator = CrossModelConfidenceCalibrator()
    for arguments in (("m", wrong, True), ("m", 0.5, wrong), ("", 0.5, True), (" ", 0.5, True)):
        with pytest.raises(InvalidInputError):
            calibrator.observe(*arguments)
    with pytest.raises(InvalidInputError):
        calibrator.calibrated("m", wrong)
    assert calibrator.models() == []


def test_one_observation_moves_little_and_many_move_much():
    calibrator = CrossModelConfidenceCalibrator()
    calibrator.observe("m", 0.9, correct=False)
    once = calibrator.calibrated("m", 0.9)
    assert 0.8 < once < 0.9
    for _ in range(500):
        calibrator.observe("m", 0.9, correct=False)
    assert calibrator.calibrated("m", 0.9) < 0.1


def test_a_model_without_evidence_is_mended_as_the_others_are():
    calibrator = CrossModelConfidenceCalibrator()
    for n in range(300):
        calibrator.observe("boaster", 0.9, correct=n % 2 == 0)
    assert calibrator.calibrated("new", 0.9) == pytest.approx(0.5, abs=0.07)
    for _ in range(300):
        calibrator.observe("honest", 0.9, correct=0.9)
    assert calibrator.calibrated("honest", 0.9) == pytest.approx(0.9, abs=0.04)
    assert calibrator.calibrated("boaster", 0.9) == pytest.approx(0.5, abs=0.06)


def test_a_period_holds_the_days_of_both_its_ends():
    calibrator = CrossModelConfidenceCalibrator()
    for day in range(10):
        calibrator.observe("m", 0.9, day >= 5, at=MONDAY + timedelta(days=day))
    early = TimePeriod(MONDAY, MONDAY + timedelta(days=4))
    found = calibrator.reliability("m", early)
    assert (found.n, found.accuracy, found.start, found.end) == (
        5, 0.0, date(2026, 3, 2), date(2026, 3, 6),
    )  # fmt: skip
    assert calibrator.reliability("m", TimePeriod.last_24_hours()).n == 0


def test_the_error_in_time_goes_by_weeks_from_monday_and_by_months():
    calibrator = CrossModelConfidenceCalibrator()
    for day, correct in ((-1, True), (0, False), (6, False), (7, True), (40, True)):
        calibrator.observe("m", 1.0, correct, at=MONDAY + timedelta(days=day))
    weeks = calibrator.ece_over_time("m")
    assert [(each.start, each.n, each.ece) for each in weeks] == [
        (date(2026, 2, 23), 1, 0.0),
        (date(2026, 3, 2), 2, 1.0),
        (date(2026, 3, 9), 1, 0.0),
        (date(2026, 4, 6), 1, 0.0),
    ]
    months = calibrator.ece_over_time("m", "month")
    assert [(each.start, each.end, each.n) for each in months] == [
        (date(2026, 3, 1), date(2026, 3, 31), 4),
        (date(2026, 4, 1), date(2026, 4, 30), 1),
    ]
    assert len(calibrator.ece_over_time("m", "day")) == 5
    with pytest.raises(InvalidInputError, match="day, week, month"):
        calibrator.ece_over_time("m", "year")


def test_a_moment_in_another_zone_counts_for_its_day_in_utc():
    calibrator = CrossModelConfidenceCalibrator()
    east = datetime.fromisoformat("2026-03-03T03:00:00+09:00")
    calibrator.observe("m", 0.5, True, at=east)
    assert calibrator.ece_over_time("m", "day")[0].start == date(2026, 3, 2)


def test_memory_is_bounded_in_models_and_days():
    calibrator = CrossModelConfidenceCalibrator(max_models=3, max_days=5)
    for day in range(40):
        calibrator.observe("m", 0.5, True, at=MONDAY + timedelta(days=day))
    assert calibrator.reliability("m").n == 5
    assert calibrator.ece_over_time("m", "day")[0].start == date(2026, 4, 6)
    for n in range(50):
        calibrator.observe(f"model {n}", 0.5, True)
        assert calibrator.calibrated(f"stranger {n}", 0.5) > 0.5
    assert calibrator.models() == ["model 47", "model 48", "model 49"]
    for bound in ({"max_models": 0}, {"max_days": 0}):
        with pytest.raises(InvalidInputError):
            CrossModelConfidenceCalibrator(**bound)


def test_it_is_kept_whole_as_plain_json():
    calibrator = CrossModelConfidenceCalibrator()
    for n in range(100):
        calibrator.observe(f"m{n % 3}", n / 100, n % 7 == 0, at=MONDAY + timedelta(days=n % 20))
    kept = json.loads(json.dumps(calibrator.to_dict(), allow_nan=False))
    again = CrossModelConfidenceCalibrator()
    again.observe("forgotten", 0.5, True)
    again.restore(kept)
    assert again.to_dict() == calibrator.to_dict()
    assert again.models() == ["m0", "m1", "m2"]
    assert again.calibrated("m1", 0.8) == pytest.approx(calibrator.calibrated("m1", 0.8))


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"bins": 10}, {"bins": 20, "models": {}}, {"bins": 10, "models": [1]},
        {"bins": 10, "models": {"m": [["2026-03-02", 10, 1, 0.5, 0.5]]}},
        {"bins": 10, "models": {"m": [["2026-03-02", 1, 0, 0.0, 0.0]]}},
        {"bins": 10, "models": {"m": [["2026-03-02", 1, 1, 1.5, 0.5]]}},
        {"bins": 10, "models": {"m": [["2026-03-02", 1, 1, 0.5, math.nan]]}},
        {"bins": 10, "models": {"m": [["soon", 1, 1, 0.5, 0.5]]}},
        {"bins": 10, "models": {"": [["2026-03-02", 1, 1, 0.5, 0.5]]}},
        {"bins": 10, "models": {"m": [["2026-03-02", 1, True, 0.5, 0.5]]}},
        {"bins": 10, "models": {"m": [[]]}},
    ],
)  # fmt: skip
def test_what_is_no_such_record_is_refused_and_changes_nothing(wrong):
    calibrator = CrossModelConfidenceCalibrator()
    calibrator.observe("m", 0.5, True)
    with pytest.raises(InvalidInputError):
        calibrator.restore(wrong)
    assert calibrator.reliability("m").n == 1


def test_many_threads_lose_nothing():
    calibrator = CrossModelConfidenceCalibrator()

    def work():
        for n in range(500):
            calibrator.observe("m", n / 500, True)
            if n % 50 == 0:
                calibrator.calibrated("m", 0.5)
                calibrator.reliability("m")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calibrator.reliability("m").n == 4000


@pytest.mark.parametrize("step", ["day", "week", "month"])
def test_the_last_day_of_the_calendar_has_its_step_too(step):
    calibrator = CrossModelConfidenceCalibrator()
    calibrator.observe("m", 0.5, True, datetime.max.replace(tzinfo=UTC))
    assert [each.n for each in calibrator.ece_over_time("m", step)] == [1]


def test_a_number_that_no_float_can_hold_is_refused():
    with pytest.raises(InvalidInputError, match="confidence is too large a number"):
        CrossModelConfidenceCalibrator().observe("m", 10**400, True)
