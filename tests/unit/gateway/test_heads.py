"""Heads that were read before: what is recognised, and what must be read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.gateway.headers import RequestHead
from crossmodel.gateway.heads import MOST_KNOWN, KnownHeads


def written(body=b"{}", *, length=None, name=b"content-length", more=b"", path=b"/v1/x"):
    """A request as it is sent."""
    size = b"%d" % len(body) if length is None else length
    return b"POST %b HTTP/1.1\r\nhost: a\r\n%b%b: %b\r\n\r\n%b" % (path, more, name, size, body)


def head(length=2, headers=()):
    return RequestHead(b"POST", b"/v1/x", b"", [(b"host", b"a"), *headers], length)


@pytest.fixture
def heads():
    known = KnownHeads()
    known.remember(written(), head())
    return known


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"x" * 70_000, b"\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"]
)
def test_a_head_is_recognised_with_a_body_of_any_length(heads, body):
    found = heads.find(written(body))
    assert found is not None
    assert (found[0].path, found[1]) == (b"/v1/x", body)


def test_other_names_of_the_length_are_heads_of_their_own(heads):
    capital = written(name=b"Content-Length")
    assert heads.find(capital) is None
    heads.remember(capital, head())
    assert heads.find(written(b"abc", name=b"Content-Length")) is not None
    assert heads.find(written(name=b"CONTENT-LENGTH")) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        written()[:-1],  # not whole
        written() + b"x",  # something behind it
        written() + written(),
        written(length=b"+2"),
        written(length=b" 2"),
        written(length=b"2 "),
        written(length=b"-2"),
        written(length=b"0x2"),
        written(length=b"2, 2"),
        written(length="²".encode()),
        written(length=b"00000000000000002"),
        written(length=b""),
        written(more=b"content-length: 2\r\n"),
        written(more=b"transfer-encoding: chunked\r\n"),
        written(more=b"x: y\r\n"),
        written(path=b"/v1/y"),
        written().replace(b"HTTP/1.1", b"HTTP/1.0"),
        written().replace(b"\r\nhost", b"\nhost"),
    ],
)
def test_whatever_differs_is_read_again(heads, data):
    assert heads.find(data) is None


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (written(), head(length=None)),  # in chunks
        (written(), head(length=3)),
        (written(more=b"expect: 100-continue\r\n"), head(headers=[(b"expect", b"100-continue")])),
        (written(more=b"x: %b\r\n" % (b"y" * 5000)), head()),
    ],
)
def test_what_hangs_on_more_than_its_bytes_is_not_remembered(data, read):
    heads = KnownHeads()
    heads.remember(data, read)
    assert heads.find(data) is None


def test_hostile_clients_cannot_fill_the_memory():
    heads = KnownHeads()
    for number in range(MOST_KNOWN + 1):
        heads.remember(written(path=b"/v1/%d" % number), head())
    assert heads.find(written(path=b"/v1/0")) is None
    assert heads.find(written(path=b"/v1/%d" % MOST_KNOWN)) is not None


@given(data=st.binary(max_size=200), at=st.integers(0, 80))
def test_bytes_put_anywhere_into_a_head_are_never_taken_for_it(data, at):
    heads = KnownHeads()
    heads.remember(written(), head())
    changed = written()[:at] + data + written()[at:]
    found = heads.find(changed)
    if found is not None:  # then all that differs is the length, and the body has it
        template = written().replace(b": 2\r", b": %d\r" % len(found[1]))
        assert changed == template[: -len(b"{}")] + found[1]
