"""Which hidden values are there, which were erased, and which somebody took away."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.errors import VerificationError
from crossmodel.witness import hidden
from crossmodel.witness.hidden import HiddenValues, Marks, hashed


def digest(name):
    return hashlib.sha256(name.encode()).hexdigest()


def followed(kept, records, first=0, part=500):
    """Records ``[(index, names)]`` beside kept ``[(index, name)]``, given some at a time."""
    rows = [(index, digest(name)) for index, name in kept]
    parts = iter([rows[start : start + part] for start in range(0, len(rows), part)])
    values = HiddenValues(parts, first)
    for index, names in records:
        values.follow(index, [digest(name).encode() for name in names])
        values.settle()
    return values


@pytest.mark.parametrize("part", [1, 2, 500])
def test_a_value_stands_with_the_first_record_of_its_moment(part):
    turn = [(0, ["request"]), (1, ["request", "context"]), (2, ["request", "answer"])]
    kept = [(0, "request"), (1, "context"), (2, "answer")]
    values = followed(kept, turn, part=part)
    assert (values.finish(), values.unexplained()) == (0, None)
    again = followed([*kept, (3, "request")], turn)  # later, the same digest is another commitment
    again.new_moment()
    again.follow(3, [digest("request").encode()])
    assert (again.finish(), again.unexplained()) == (0, None)


def test_what_is_gone_is_named_until_it_was_erased():
    records = [(index, [f"value {index}"]) for index in range(100)]
    values = followed([(i, f"value {i}") for i in range(100) if not 10 <= i < 40], records)
    assert values.unexplained() == 10
    values.erased(50, {"records": [[10, 19], [21, 39], [90, 95]]})
    assert values.unexplained() == 20
    values.erased(50, {"records": [[20]]})  # no range
    values.erased(20, {"records": [[0, 2**62]]})  # only of records before it
    assert values.unexplained() == 20
    values.erased(51, {"records": [[20, 20]]})
    assert (values.finish(), values.unexplained()) == (30, None)


@pytest.mark.parametrize(
    ("kept", "records"),
    [
        ([(0, "a"), (0, "b")], [(0, ["a"])]),
        ([(0, "b")], [(0, ["a"])]),
        ([(0, "a"), (7, "b")], [(0, ["a"])]),
        ([(0, "a"), ("x", "b")], [(0, ["a"]), (1, ["b"])]),
        ([(0, "a")], []),
    ],
)
def test_values_that_belong_elsewhere_are_refused(kept, records):
    with pytest.raises(VerificationError, match="does not commit"):
        followed(kept, records).finish()


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(hidden, "REMEMBERED", 4)
    records = [(index, [f"v{index}", f"v{max(index - 3, 0)}"]) for index in range(50)]
    values = followed([(index, f"v{index}") for index in range(50)], records)
    assert (values.finish(), values.unexplained()) == (0, None)
    assert len(values._moment) + len(values._earlier) <= 10


def test_a_value_may_stand_once_for_each_thing_that_its_records_are_about():
    records = [(0, ["i0", "source"]), (1, ["i1", "source"]), (2, ["i2", "source"])]
    own = [(0, "i0"), (0, "source"), (1, "i1"), (2, "i2")]
    for more in ([], [(1, "source")], [(1, "source"), (2, "source")]):
        values = followed(sorted([*own, *more], key=lambda row: row[0]), records)
        assert (values.finish(), values.unexplained()) == (0, None)
    lacks = followed([(0, "i0"), (1, "i1"), (1, "source"), (2, "i2")], records)
    assert lacks.unexplained() == 0


@given(
    st.integers(0, 100),
    st.lists(st.tuples(st.booleans(), st.integers(-5, 300), st.integers(-5, 300)), max_size=30),
)
def test_marks_are_a_set(start, steps):
    marks, model = Marks(start), set()
    for adds, one, other in steps:
        if adds and start <= one and one not in model:
            marks.add(one)
            model.add(one)
        elif not adds:
            marks.remove(one, other)
            model -= set(range(one, other + 1))
    assert marks.first() == min(model, default=None)


@pytest.mark.parametrize(
    "change",
    [
        {"salt": b"s" * 31},
        {"salt": b"s" * 31 + b"t"},
        {"value": b"other"},
        {"salt": "s" * 32},
        {"value": None},
        {"digest": 7},
    ],
)
def test_a_value_that_is_not_what_its_digest_says_is_refused(change):
    salt, value = b"s" * 32, b"value"
    row = {"digest": hashlib.sha256(salt + value).hexdigest(), "salt": salt, "value": value}
    good = (3, row["digest"], salt, value)
    assert list(hashed(iter([[good]]))) == [[(3, row["digest"])]]
    row |= change
    with pytest.raises(VerificationError, match="record 3"):
        list(hashed(iter([[(3, row["digest"], row["salt"], row["value"])]])))


def test_an_erasure_of_the_same_over_and_over_is_done_once():
    """Such a record fits into an export, and would be a hundred thousand million bytes' work."""
    values = followed([], [])
    values._gone.add(40_000_000)
    values.erased(40_000_001, {"records": [[0, 40_000_000]] * 20_000})
    assert values.unexplained() is None


@given(st.lists(st.lists(st.integers(-3, 60), min_size=1, max_size=3)), st.integers(1, 50))
def test_ranges_erase_what_they_hold_and_nothing_that_comes_later(ranges, index):
    values = followed([], [(number, [str(number)]) for number in range(50)])
    values.erased(index, {"records": ranges})
    erased = {n for each in ranges if len(each) == 2 for n in range(each[0], each[1] + 1)}
    left = [n for n in range(50) if n not in erased or n >= index]
    assert values.unexplained() == (left[0] if left else None)
