"""A provider's key never gets through, however the answer is cut, and nothing else is touched."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.gateway.hiding import without

SECRET = b"sk-abcsk-abd-4711sk-"
PARTS = st.sampled_from(
    [SECRET, SECRET[:5], SECRET[:-1], b"sk-", b"s", b"x\n\n", b"data: ", b"4711"]
)


def passed(data, cuts):
    held, sent = b"", []
    edges = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    for start, end in itertools.pairwise(edges):
        clean, held = without(SECRET, held + data[start:end])
        assert len(held) < len(SECRET)
        sent.append(clean)
    return b"".join(sent) + held


@given(st.lists(PARTS, max_size=8).map(b"".join), st.lists(st.integers(0, 120), max_size=30))
def test_the_key_is_starred_and_the_rest_is_as_it_was(data, cuts):
    made = passed(data, cuts)
    assert made == data.replace(SECRET, b"*" * len(SECRET))


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_other_bytes_pass_unchanged(data, cuts):
    assert passed(data, cuts) == data


@pytest.mark.parametrize("end", [b"}", b"\n\n", b""])
def test_what_cannot_begin_a_key_waits_for_nothing(end):
    assert without(SECRET, b"data: sk-abc" + end + b"\n")[1] == b""
