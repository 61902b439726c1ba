"""Where two sides differ, by their keys."""

from hypothesis import given
from hypothesis import strategies as st

from crossmodel.store.differences import differences

KEYS = st.tuples(st.integers(0, 5), st.sampled_from(["", "a", "\x00", "é", "\U0001f600", "ﬀ"]))
SIDES = st.dictionaries(KEYS, st.integers(0, 2))


def rows(side):
    return [(*key, value) for key, value in sorted(side.items())]


@given(here=SIDES, there=SIDES)
def test_the_rows_that_differ_and_no_others(here, there):
    found = list(differences(rows(here), rows(there), 2))
    wanted = [
        (
            (*key, here[key]) if key in here else None,
            (*key, there[key]) if key in there else None,
        )
        for key in sorted(here | there)
        if here.get(key) != there.get(key)
    ]
    assert found == wanted


@given(here=SIDES, there=SIDES)
def test_what_differs_makes_the_one_of_the_other(here, there):
    for mine, other in differences(rows(here), rows(there), 2):
        if mine is None:
            del there[other[:2]]
        else:
            there[mine[:2]] = mine[2]
    assert there == here
