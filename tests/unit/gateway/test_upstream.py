"""Connections to providers, which may answer anything: real sockets, scripted byte by byte."""

import asyncio
import contextlib
import itertools
import socket

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import run_on

from crossmodel.errors import ConfigurationError
from crossmodel.gateway.upstream import Upstream

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Heard:
    """What the caller was told."""

    def __init__(self):
        self.status, self.headers, self.body = None, [], b""
        self.over = asyncio.get_running_loop().create_future()

    def on_head(self, head):
        assert self.status is None, "there is one head"
        self.status, self.headers = head.status, head.headers

    def on_data(self, data):
        assert data
        assert self.status is not None
        assert not self.over.done()
        self.body += data

    def on_end(self, *, is_delimited):
        self.over.set_result("whole" if is_delimited else "ended")

    def on_failure(self, reason, *, was_sent):
        assert reason
        self.over.set_result("failed")
        self.was_sent = was_sent

    async def wait(self):
        async with asyncio.timeout(5):
            return await self.over


class Provider:
    """Answers each request on a connection with the next of ``answers``; the last is repeated.

    An answer is bytes, several pieces of bytes with a moment between, or ``None`` for an end.
    """

    def __init__(self, answers):
        self.answers = answers
        self.requests = []
        self.connections = 0
        self.open = 0

    async def serve(self, reader, writer):
        self.connections += 1
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(await reader.readexactly(length))
                answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
                if answer is None:
                    return
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    if piece is None:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.01)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@contextlib.asynccontextmanager
async def provider(*answers):
    made = Provider(answers)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    made.upstream = Upstream(made.url, connect_seconds=1)
    try:
        yield made
    finally:
        made.upstream.close()
        server.close()
        async with asyncio.timeout(5):
            while made.open:
                await asyncio.sleep(0.001)


async def call(made, body=b"hi"):
    heard = Heard()
    made.upstream.send(made.upstream.compose(b"/x", b"", body), heard)
    heard.how = await heard.wait()
    return heard


def run(work, factory=uvloop.new_event_loop):
    return run_on(factory, work)


def hear(*answers, calls=1, pause=0.0):
    """What a caller is told by such a provider, call by call, and the provider."""

    async def work():
        async with provider(*answers) as made:
            heard = []
            for number in range(calls):
                heard.append(await call(made, b"%d" % number))
                await asyncio.sleep(pause)
            return heard, made

    return run(work())


EXCESS = {
    "garbage": b"XX\x00\xff",
    "another answer": b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled",
    "half an answer": b"HTTP/1.1 200 OK\r\ncontent-le",
    "the end of chunks": b"0\r\n\r\n",
}


@pytest.mark.parametrize("excess", EXCESS.values(), ids=EXCESS.keys())
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("head", [b"", b"connection: close\r\n"])
def test_what_follows_a_whole_answer_is_not_part_of_it_nor_of_the_next(excess, together, head):
    answer = OK.replace(b"\r\n\r\n", b"\r\n" + head + b"\r\n")
    first = answer + excess if together else [answer, excess]
    (one, two), made = hear(first, OK.replace(b"ok", b"no"), calls=2, pause=0.1)
    assert (one.how, one.body) == ("whole", b"ok")
    assert (two.how, two.body) == ("whole", b"no")
    assert made.connections == 2


def test_a_connection_is_used_again():
    heard, made = hear(OK, calls=50)
    assert {(each.how, each.body) for each in heard} == {("whole", b"ok")}
    assert made.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK,
        [b"HTTP/1.1 100 Continue\r\n\r\n", OK],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1;e=1\r\nk\r\n0\r\nx: y\r\n\r\n",
        [bytes([byte]) for byte in OK],
    ],
)
def test_ways_to_say_the_same(answer):
    (one, two), made = hear(answer, OK, calls=2)
    assert (one.how, one.status, one.body) == ("whole", 200, b"ok")
    assert two.how == "whole"
    assert made.connections == 1


def test_an_answer_that_ends_with_its_connection_says_so():
    (heard,), _ = hear([b"HTTP/1.1 200 OK\r\n\r\no", b"k", None])
    assert (heard.how, heard.body) == ("ended", b"ok")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01\x00\x00",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\nset-cookie: b\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nx: a\rset-cookie: b\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nx: a\x00b\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokk\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nok",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 300 + b"content-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 600_000 + b"\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: "
        + b"y" * 900_000,
    ],
)
def test_what_is_not_a_whole_answer_fails(answer):
    (heard,), made = hear([answer, None])
    assert heard.how == "failed"
    assert heard.was_sent
    assert made.upstream.open_connections == 0
    assert b"okk" not in heard.body


@pytest.mark.parametrize("pieces", [1, 30])
def test_a_head_of_100_kib_is_read(pieces):
    answer = b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100 * 1024 + b"\r\ncontent-length: 2\r\n\r\nok"
    step = -(-len(answer) // pieces)
    (heard,), _ = hear([answer[at : at + step] for at in range(0, len(answer), step)])
    assert (heard.how, heard.body) == ("whole", b"ok")


def test_a_connection_that_was_closed_meanwhile_costs_no_answer():
    heard, made = hear([OK, None], calls=5, pause=0.02)
    assert {each.how for each in heard} == {"whole"}
    assert made.connections == 5
    assert made.requests == [b"0", b"1", b"2", b"3", b"4"]


def test_a_request_is_sent_again_once_and_no_more():
    """The connection was good once, and ends with each request after that, unanswered."""
    (one, two), made = hear(OK, None, calls=2)
    assert (one.how, two.how) == ("whole", "failed")
    assert made.requests == [b"0", b"1", b"1"]


def test_on_a_new_connection_nothing_is_sent_again():
    (heard,), made = hear(None)
    assert heard.how == "failed"
    assert made.requests == [b"0"]


def test_half_an_answer_on_an_old_connection_is_not_asked_for_again():
    (_, two), made = hear(OK, [b"HTTP/1.1 2", None], calls=2)
    assert two.how == "failed"
    assert made.requests == [b"0", b"1"]


def test_an_answer_before_the_request_was_read():
    async def work():
        async def refuse(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            await writer.drain()
            await done.wait()
            writer.transport.abort()

        done = asyncio.Event()
        server = await asyncio.start_server(refuse, "127.0.0.1", 0, limit=1000)
        upstream = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        heard = Heard()
        upstream.send(upstream.compose(b"/x", b"", b"z" * 30_000_000), heard)
        assert await heard.wait() == "whole"
        assert (heard.status, heard.body) == (413, b"no")
        for _ in range(100):
            if not upstream.open_connections:
                break
            await asyncio.sleep(0.01)
        assert upstream.open_connections == 0, "the rest of the request is not held"
        done.set()
        server.close()
        await asyncio.sleep(0.05)

    run(work())


def test_nobody_there():
    async def work():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        upstream = Upstream(f"http://127.0.0.1:{port}")
        heard = Heard()
        upstream.send(b"x", heard)
        assert await heard.wait() == "failed"
        assert not heard.was_sent

    run(work())


def test_a_host_that_never_answers_the_door():
    async def work():
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            waiting = []
            for _ in range(4):  # what the kernel accepts by itself is used up
                sock = socket.socket()
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sock.connect(full.getsockname())
                waiting.append(sock)
            upstream = Upstream(f"http://127.0.0.1:{full.getsockname()[1]}", connect_seconds=0.2)
            heard = Heard()
            upstream.send(b"x", heard)
            assert await heard.wait() == "failed"
            assert not heard.was_sent
            for sock in waiting:
                sock.close()

    run(work())


@pytest.mark.parametrize("reset", [True, False])
def test_connections_that_are_closed_at_once(reset):
    async def work():
        def slam(_reader, writer):
            if reset:
                option = socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, *option)
            writer.transport.abort()

        server = await asyncio.start_server(slam, "127.0.0.1", 0)
        upstream = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for _ in range(50):
            heard = Heard()
            upstream.send(upstream.compose(b"/x", b"", b"hi"), heard)
            assert await heard.wait() == "failed"
        server.close()

    run(work())


def test_who_does_not_wait_for_the_connection_leaves_it_for_the_next():
    async def work():
        async with provider(OK) as made:
            heard = Heard()
            made.upstream.send(b"never sent", heard).cancel()
            await asyncio.sleep(0.1)
            made.upstream.sweep(asyncio.get_running_loop().time())
            assert (await call(made)).how == "whole"
            assert made.connections == 1
            assert not heard.over.done()

    run(work())


@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from(
                [OK, b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n", b"\n", b"ok",
                 b"HTTP/1.1 204 No Content\r\n\r\n", b"content-length: 2\r\n", b"x: y\r\n", b"\x00",
                 b"transfer-encoding: chunked\r\n", b"2\r\nok\r\n", b"0\r\n\r\n", b"upgrade: h2c\r\n",
                 b"connection: upgrade\r\n", b"connection: close\r\n", b"HTTP/1.0 304 x\r\n", b"\xff"]
            ),
            max_size=10,
        ).map(b"".join),
    ),
    cuts=st.lists(st.integers(0, 300), max_size=3),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_whatever_is_answered_the_caller_is_told_once_how_it_ended(data, cuts):
    async def work():
        async def answer(reader, writer):
            # uvloop raises RuntimeError where the upstream has hung up on this server already.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, RuntimeError):
                await reader.readuntil(b"\r\n\r\n")
                edges = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
                for start, end in itertools.pairwise(edges):
                    writer.write(data[start:end])
                    await asyncio.sleep(0)
            with contextlib.suppress(RuntimeError):
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        upstream = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        heard = Heard()
        upstream.send(upstream.compose(b"/x", b"", b""), heard)
        how = await heard.wait()
        assert how in {"whole", "ended", "failed"}
        server.close()
        upstream.close()

    run(work())


@pytest.mark.parametrize(
    "url",
    ["ftp://a/", "http://", "http://a:0/", "http://a:99999/", "http://u:p@a/", "http://a/?q", "a"],
)
def test_addresses_that_cannot_be_used(url):
    with pytest.raises(ConfigurationError):
        Upstream(url)
