"""Periods as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel import InvalidInputError, TimePeriod

NOW = datetime(2026, 11, 27, 12, 34, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(days=1)),
        ("30d", timedelta(days=30)),
        ("8w", timedelta(weeks=8)),
        ("0d", timedelta()),
    ],
)
def test_a_time_up_to_now(text, duration):
    assert TimePeriod.parse(text, now=NOW) == TimePeriod(NOW - duration, NOW)
    assert TimePeriod.parse(text).duration == duration


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-10-01..2026-10-31", (2026, 10, 1), (2026, 11, 1)),
        ("2026-10-01..", (2026, 10, 1), NOW),
        ("2026-10-01T06:00..2026-10-01T07:00+01:00", (2026, 10, 1, 6), (2026, 10, 1, 6)),
    ],
)
def test_two_dates_both_included(text, start, end):
    last = end if isinstance(end, datetime) else datetime(*end, tzinfo=UTC)
    assert TimePeriod.parse(text, now=NOW) == TimePeriod(datetime(*start, tzinfo=UTC), last)


@pytest.mark.parametrize(
    "text",
    ["", "30", "d", "-3d", "3.5d", "3 d", "٣d", "999999999w", "9999999999d", "..", "now..",
     "2026-10-02..2026-10-01T00:00", "9999-12-31..9999-12-31", "2026-02-30.."],
)  # fmt: skip
def test_anything_else_is_refused_by_name(text):
    with pytest.raises(InvalidInputError, match=r"is no period|cannot end"):
        TimePeriod.parse(text, now=NOW)


@given(st.text(max_size=40) | st.from_regex(r"[0-9.\-:TZdhmw+]*", fullmatch=True))
def test_no_text_breaks_it(text):
    try:
        period = TimePeriod.parse(text, now=NOW)
    except InvalidInputError as error:
        assert len(str(error)) < 400
    else:
        assert period.start <= period.end
