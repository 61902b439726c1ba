"""What meets a span is found, however the spans lie."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crossmodel.text.spans import Spans

spans = st.tuples(st.integers(0, 30), st.integers(1, 10)).map(lambda s: (s[0], s[0] + s[1]))


@given(st.lists(spans), spans)
def test_what_shares_a_character_meets(
    known: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    shared = any(set(range(*asked)) & set(range(*each)) for each in known)
    assert Spans(known).meet(*asked) == shared
