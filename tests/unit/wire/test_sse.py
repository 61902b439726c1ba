import pytest

from crossmodel.errors import InvalidInputError, ProviderResponseError
from crossmodel.wire.sse import DONE, Event, EventParser, write_event


def read(stream, size=None):
    parser = EventParser()
    size = size or len(stream) or 1
    chunks = [stream[n : n + size] for n in range(0, len(stream), size)]
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"data:a\r\rdata: b\r\n\r\n", [(b"", b"a"), (b"", b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"\xef\xbb\xbf\n\ndata: a\n\n", [(b"", b"a")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [(b"", b"a")]),  # only the stream's start has one
        (b": ping\n\ndata: a\n\n", [(b"", b"a")]),
        (b"event: e\ndata: a\n\ndata: b\n\n", [(b"e", b"a"), (b"", b"b")]),
        (b"event: e\n\ndata: b\n\n", [(b"", b"b")]),
        (b"data: a\ndata:  b\ndata\ndata:c\n\n", [(b"", b"a\n b\n\nc")]),
        (b"data\n\n", [(b"", b"")]),
        (b"id: 1\nretry: 3\nother: x\ndata: a\n\n", [(b"", b"a")]),
        (b"data: a\n\ndata: never ended\n", [(b"", b"a")]),
        (b"data: a\n\n" + DONE, [(b"", b"a"), (b"", b"[DONE]")]),
        (b"", []),
    ],
)
def test_streams_are_read_as_the_standard_says_at_any_cut(stream, events):
    expected = [Event(*event) for event in events]
    assert read(stream) == expected
    for size in range(1, len(stream)):
        assert read(stream, size) == expected


@pytest.mark.parametrize("line", [b"data: " + b"x" * 200, b": " + b"x" * 200, b"data\n" * 200])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_endless_event_is_refused(line, size):
    parser = EventParser(limit=100)
    assert parser.feed(b"data: small\n\n") == [(b"", b"small")]
    pieces = [line[start : start + size] for start in range(0, len(line), size)]
    with pytest.raises(ProviderResponseError, match="larger than 100 bytes"):
        list(map(parser.feed, pieces))


def test_the_limit_is_for_each_event_and_not_for_the_stream():
    parser = EventParser(limit=100)
    assert len(parser.feed(b"data: " + b"x" * 80 + b"\n\n")) == 1
    assert sum(len(parser.feed(b"event: e\ndata: xxxxxxxxxx\n\n")) for _ in range(100)) == 100


def test_what_is_written_is_read_back():
    assert write_event(b"a", b"e") == b"event: e\ndata: a\n\n"
    assert read(write_event(b"a\r\nb\rc\n")) == [(b"", b"a\nb\nc\n")]


def test_an_event_name_cannot_forge_a_field():
    with pytest.raises(InvalidInputError, match="event must be one line"):
        write_event(b"a", b"e\ndata: forged")
