"""The last match of an expression."""

import re

from crossmodel.text.matches import last_match

NUMBER = re.compile(r"\d+")


def test_the_last_of_several():
    found = last_match(NUMBER, "1, 22 and 333.")
    assert found is not None
    assert found.span() == (10, 13)


def test_within_bounds_as_finditer_keeps_them():
    found = last_match(NUMBER, "1, 22 and 333.", 1, 12)
    assert found is not None
    assert found.span() == (10, 12)


def test_none():
    assert last_match(NUMBER, "none") is None
    assert last_match(NUMBER, "") is None
    assert last_match(NUMBER, "1", 1) is None
