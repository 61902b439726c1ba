"""Connections of clients: real sockets on both event loops, and a core that says what it was asked."""

import asyncio
import contextlib
import itertools
import json

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import run_on

from crossmodel.gateway import connection, server
from crossmodel.gateway.server import Server
from crossmodel.settings import GatewayLimits

SHORT = GatewayLimits(
    head_bytes=4096, headers=20, body_bytes=10_000, head_seconds=0.4, body_seconds=0.4,
    idle_seconds=0.8, write_seconds=0.4,
)  # fmt: skip
JSON = b"content-type: application/json\r\n"


class Account:
    """What the core was asked, and what became of it."""

    def __init__(self):
        self.asked, self.gone, self.paused, self.answering = [], 0, 0, []


class SayingCore:
    """Answers each request with what it was; some paths do more."""

    def __init__(self):
        self.account = Account()

    def begin(self, head, client):
        if head.path == b"/refused":
            client.reply(401, JSON, b"{}")
            return None
        return Saying(head, client, self.account)


class Saying:
    """``/big`` answers with a megabyte, ``/stream`` streams until it is told to stop."""

    def __init__(self, head, client, account):
        self._head, self._client, self._account = head, client, account

    def receive(self, body):
        head = self._head
        self._account.asked.append((head.method, head.path, head.query, body))
        if head.path == b"/stream":
            self._client.respond(200, b"content-type: text/event-stream\r\n", None)
            self._account.answering.append(self._client)
        elif head.path == b"/later":
            self._account.answering.append(self._client)
        elif head.path == b"/big":
            self._client.reply(200, JSON, b"b" * 1_000_000)
        else:
            said = {"method": head.method.decode(), "path": head.path.decode("latin-1"),
                    "query": head.query.decode("latin-1"), "body": body.decode("latin-1")}  # fmt: skip
            self._client.reply(200, JSON, json.dumps(said).encode())

    def client_gone(self):
        self._account.gone += 1

    def pause(self):
        self._account.paused += 1

    def resume(self):
        pass


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request):
    """Runs a test's coroutine on that loop; an error that the loop is told of fails the test."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    return lambda work: run_on(factory, work)


@contextlib.asynccontextmanager
async def serving(limits=SHORT):
    core = SayingCore()
    server = Server(core, limits)
    host, port = await server.listen("127.0.0.1", 0)
    server.host, server.port, server.account = host, port, core.account
    try:
        yield server
    finally:
        await server.drain(0)


async def exchange(server, *pieces, pause=0.0, count=1):
    """Send the pieces and read ``count`` answers; what could not be read is ``None``."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    answers = asyncio.create_task(read_answers(reader, count))
    try:
        for piece in pieces:
            if answers.done():
                break
            with contextlib.suppress(ConnectionError, RuntimeError):  # it may be closed by now
                writer.write(piece)
                await writer.drain()
            await asyncio.sleep(pause)
        return await answers
    finally:
        writer.transport.abort()


async def read_answers(reader, count):
    return [await read_answer(reader) for _ in range(count)]


async def read_answer(reader, method="POST"):
    """Status, headers and body of one answer; ``None`` if there is none that is whole."""
    try:
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            status, _, lines = head.decode("latin-1").partition("\r\n")
            headers = dict(line.split(": ", 1) for line in lines.split("\r\n") if line)
            if status.split()[1] == "100":
                return await read_answer(reader, method)
            body = b""
            if method != "HEAD":
                body = await reader.readexactly(int(headers.get("content-length", 0)))
            return int(status.split()[1]), headers, body
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def post(body=b"hi", path=b"/x", more=b""):
    return b"POST %b HTTP/1.1\r\nHost: a\r\ncontent-length: %d\r\n%b\r\n%b" % (
        path, len(body), more, body,
    )  # fmt: skip


@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [b"POST /x HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n", b"Host: a\r\n", b"\r\n", b"\n",
                 b"content-length: 3\r\n", b"content-length: 99999\r\n", b"abc", b"\x00", b"\xff",
                 b"transfer-encoding: chunked\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n",
                 b"fffffffffffffffff\r\n", b"upgrade: h2c\r\nconnection: upgrade\r\n", b"HEAD ",
                 b"expect: 100-continue\r\n", b"CONNECT a:1 HTTP/1.1\r\n", b"x" * 600, b": ", b" ",
                 b"connection: close\r\n", b"connection: keep-alive\r\n", b"PRI * HTTP/2.0\r\n\r\n",
                 b"content-encoding: gzip\r\n", post(), post(path=b"/refused"), post(path=b"/big")]
            ),
            max_size=12,
        ).map(b"".join),
    ),
    cuts=st.lists(st.integers(0, 400), max_size=4),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_no_bytes_in_any_chunking_break_the_server(data, cuts):
    async def attack():
        async with serving() as server:
            _, writer = await asyncio.open_connection(server.host, server.port)
            edges = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
            with contextlib.suppress(ConnectionError):
                for start, end in itertools.pairwise(edges):
                    writer.write(data[start:end])
                    await writer.drain()
                    await asyncio.sleep(0)
            assert (await exchange(server, post(b"after")))[0][0] == 200
            writer.transport.abort()
            await asyncio.sleep(0)
            return server

    server = run_on(uvloop.new_event_loop, attack())
    assert all(body for method, *_, body in server.account.asked if body == b"after")
    assert not server.connections


def test_requests_sent_together_are_answered_in_order(run):
    async def work():
        async with serving() as server:
            sent = b"".join(post(b"%d" % number) for number in range(50))
            answers = await exchange(server, sent, count=50)
            return [json.loads(body)["body"] for _, _, body in answers]

    assert run(work()) == [str(number) for number in range(50)]


@pytest.mark.parametrize("before", [1, 2, 7])
def test_a_malformed_request_does_not_spoil_those_before_it(run, before):
    async def work():
        async with serving() as server:
            sent = b"".join(post(b"%d" % number) for number in range(before))
            return await exchange(server, sent + b"GARBAGE\r\n\r\n" + post(b"no"), count=before + 2)

    *answers, rest, end = run(work())
    assert [json.loads(body)["body"] for _, _, body in answers] == [
        str(number) for number in range(before)
    ]
    assert rest is None or rest[0] == 400, "it may be told, or just be left"
    assert end is None


def test_a_thousand_requests_on_one_connection(run):
    async def work():
        async with serving() as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            for number in range(1000):
                writer.write(post(b"%d" % number))
                status, headers, body = await read_answer(reader)
                assert status == 200
                assert "connection" not in headers
                assert json.loads(body)["body"] == str(number)
            writer.close()
            assert len(server.account.asked) == 1000

    run(work())


H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQ\r\n"


@pytest.mark.parametrize(("times", "piece"), [(1, 10), (3, 10), (1, 1 << 20), (1500, 1 << 20)])
def test_a_wish_for_another_protocol_is_passed_over(run, times, piece):
    async def work():
        async with serving() as server:
            sent = post(b"body", more=H2C) * times
            pieces = [sent[at : at + piece] for at in range(0, len(sent), piece)]
            return await exchange(server, *pieces, count=times)

    answers = run(work())
    assert all(answer and answer[0] == 200 for answer in answers)
    assert {json.loads(body)["body"] for _, _, body in answers} == {"body"}


def test_an_upgrade_with_a_body_in_chunks_is_passed_over(run):
    async def work():
        async with serving() as server:
            head = b"POST /x?q=1 HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n" + H2C
            return await exchange(server, head + b"\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")

    ((status, _, body),) = run(work())
    assert (status, json.loads(body)["body"], json.loads(body)["query"]) == (200, "abc", "q=1")


def test_answers_to_head_have_no_body(run):
    async def work():
        async with serving() as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n" + post(b"next"))
            first = await read_answer(reader, "HEAD")
            second = await read_answer(reader)
            writer.close()
            return first, second

    first, second = run(work())
    assert int(first[1]["content-length"]) > 0
    assert json.loads(second[2])["body"] == "next"


@pytest.mark.parametrize("keep_alive", [True, False])
def test_old_clients_get_one_answer_that_ends_with_the_connection(run, keep_alive):
    async def work():
        async with serving() as server:
            wish = b"connection: keep-alive\r\n" if keep_alive else b""
            sent = post(more=b"expect: 100-continue\r\n" + wish).replace(b"HTTP/1.1", b"HTTP/1.0")
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(sent)
            async with asyncio.timeout(5):
                got = await reader.read()
            writer.close()
            return got

    got = run(work())
    assert got.startswith(b"HTTP/1.1 200 "), "and no interim answer, which they do not know"
    assert b"connection: close\r\n" in got


def test_a_stream_to_an_old_client_has_no_chunks(run):
    async def work():
        async with serving() as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(b"GET /stream HTTP/1.0\r\n\r\n")
            await until(lambda: server.account.answering)
            client = server.account.answering[0]
            client.send(b"data: 1\n\n")
            client.finish()
            got = await reader.read()
            writer.close()
            return got

    head, _, body = run(work()).partition(b"\r\n\r\n")
    assert body == b"data: 1\n\n"
    assert b"chunked" not in head


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"x: " + b"y" * 5000, 431),
        (b"\r\n".join(b"x%d: y" % number for number in range(30)), 431),
        (b"content-length: 10001", 413),
        (b"content-length: 99999999999999999999999", 400),
        (b"transfer-encoding: gzip, chunked", 501),
        (b"content-encoding: gzip\r\ncontent-length: 3", 415),
        (b"host: b", 400),
    ],
)
@pytest.mark.parametrize("piece", [100, 1 << 20])
def test_what_is_refused_is_told_so_even_to_who_goes_on_sending(run, head, status, piece):
    async def work():
        async with serving() as server:
            sent = b"POST /x HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n" + b"z" * 100_000
            pieces = [sent[at : at + piece] for at in range(0, len(sent), piece)]
            answers = await exchange(server, *pieces)
            assert not server.account.asked
            return answers

    ((told, headers, body),) = run(work())
    assert told == status
    assert headers["connection"] == "close"
    assert json.loads(body)["error"]["message"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (b"x: " + b"y" * 3900 + b"\r\n", 200),
        (b"x: " + b"y" * 4100 + b"\r\n", 431),
        (b"x: " + b"y" * 2000 + b"\r\ny: " + b"y" * 2100 + b"\r\n", 431),
    ],
)
@pytest.mark.parametrize("at", [1, 12, 30, 1000, 2040, 2600, 4000])
def test_a_head_has_one_size_however_it_is_cut(run, more, status, at):
    async def work():
        async with serving() as server:
            sent = post(more=more)
            return await exchange(server, sent[:at], sent[at:], pause=0.02)

    assert run(work())[0][0] == status


def test_a_request_without_any_header_is_refused(run):
    async def work():
        async with serving() as server:
            answers = await exchange(server, b"POST /x HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi")
            assert not server.account.asked
            return answers

    assert run(work())[0][0] == 400


@pytest.mark.parametrize("size", [9_999, 10_000])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_of_just_the_limit_is_taken(run, size, chunked):
    async def work():
        async with serving() as server:
            if chunked:
                framed = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"z" * size)
                sent = b"POST /x HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n" + framed
            else:
                sent = post(b"z" * size)
            return await exchange(server, sent)

    ((status, _, body),) = run(work())
    assert (status, len(json.loads(body)["body"])) == (200, size)


def test_chunks_over_the_limit_are_refused(run):
    async def work():
        async with serving() as server:
            head = b"POST /x HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n"
            return await exchange(server, head, *[b"3e8\r\n%b\r\n" % (b"z" * 1000)] * 11)

    assert run(work())[0][0] == 413


@pytest.mark.parametrize("tail", [b"0\r\nx: ", b"1;ext=", b"0\r\nx: y\r\n" * 1])
def test_a_trailer_or_an_extension_without_end_is_refused(run, tail):
    async def work():
        async with serving() as server:
            head = b"POST /x HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n" + tail
            rest = b"z: y\r\n" * 200 if tail.endswith(b"\n") else b"y" * 1200
            return await exchange(server, head, *[rest] * 8, pause=0.01)

    assert run(work())[0][0] == 431


def test_heads_that_come_after_long_bodies_are_not_taken_for_long(run):
    async def work():
        async with serving() as server:
            first, second = post(b"a" * 9000), post(b"b", more=b"x: " + b"y" * 3000 + b"\r\n")
            at = len(first) + len(second) - 500
            sent = first + second
            return await exchange(server, sent[:at], sent[at:], pause=0.05, count=2)

    assert [answer[0] for answer in run(work())] == [200, 200]


async def until(holds, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.fixture
def quick_sweeps(monkeypatch):
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.2)


SLOW = {
    "nothing": b"",
    "half a head": b"POST /x HTTP/1.1\r\nHo",
    "half a body": b"POST /x HTTP/1.1\r\nHost: a\r\ncontent-length: 9\r\n\r\nabc",
    "half a chunk": b"POST /x HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc",
    "nothing after one": post(),
    "half a head after one": post() + b"POST /x HT",
    "half a body after one": post() + post(b"abc")[:-1],
    "half a body of who was refused": post(b"abc", path=b"/refused")[:-1],
    "half a body after a wish": post(b"abc", more=H2C)[:-1],
}


@pytest.mark.usefixtures("quick_sweeps")
@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
def test_who_does_not_go_on_is_let_go_of(run, sent):
    async def work():
        async with serving() as server:
            _, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(sent)
            await until(lambda: server.connections)
            await until(lambda: not server.connections)
            writer.close()

    run(work())


@pytest.mark.usefixtures("quick_sweeps")
def test_half_a_request_behind_a_long_answer_is_let_go_of(run):
    async def work():
        async with serving() as server:
            _, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(post(path=b"/later") + post(b"abc")[:-1])
            await until(lambda: server.account.answering)
            await asyncio.sleep(0.6)
            assert server.connections, "who is being answered is waited for"
            server.account.answering[0].reply(200, JSON, b"{}")
            await until(lambda: not server.connections)
            writer.close()

    run(work())


@pytest.mark.usefixtures("quick_sweeps")
def test_who_sends_byte_by_byte_is_told_of_the_time(run):
    async def work():
        async with serving() as server:
            pieces = [bytes([byte]) for byte in b"POST /x HTTP/1.1\r\nHost: abcdefghijklmnop"]
            return await exchange(server, *pieces, pause=0.03)

    ((status, headers, _),) = run(work())
    assert (status, headers["connection"]) == (408, "close")


@pytest.mark.usefixtures("quick_sweeps")
@pytest.mark.parametrize("path", [b"/big", b"/stream", b"/later"])
def test_who_reads_nothing_holds_little_memory_and_is_cut_off(run, path):
    async def work():
        async with serving() as server:
            reader, writer = await asyncio.open_connection(server.host, server.port, limit=1)
            sock = writer.get_extra_info("socket")
            reader._transport.pause_reading()
            sock.setsockopt(1, 8, 4096)  # SO_RCVBUF
            for _ in range(60):
                writer.write(post(path=path))
            await until(lambda: server.account.asked)
            for client in server.account.answering:
                if path == b"/later":
                    client.respond(200, JSON, None)
                while not server.account.paused:
                    client.send(b"z" * 60_000)
            (connection,) = server.connections
            most = 0
            while server.connections:
                most = max(most, connection._transport.get_write_buffer_size())
                await asyncio.sleep(0.02)
            writer.transport.abort()
            return most, len(server.account.asked)

    most, asked = run(work())
    assert most < 2_500_000
    assert asked < 10


@pytest.mark.usefixtures("quick_sweeps")
def test_who_reads_slowly_gets_all_of_it(run):
    async def work():
        async with serving() as server:
            reader, writer = await asyncio.open_connection(server.host, server.port, limit=10_000)
            for _ in range(8):
                writer.write(post(path=b"/big"))
            sizes = []
            for _ in range(8):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 ")
                size = 0
                while size < 1_000_000:
                    size += len(await reader.readexactly(50_000))
                    await asyncio.sleep(0.001)
                sizes.append(size)
            writer.close()
            return sizes

    assert run(work()) == [1_000_000] * 8


def test_a_client_that_ends_its_half_has_left(run):
    async def work():
        async with serving() as server:
            _, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(post(path=b"/later"))
            await until(lambda: server.account.answering)
            writer.write_eof()
            await until(lambda: server.account.gone == 1)
            writer.close()

    run(work())


def test_too_many_connections_are_turned_away_and_come_in_later(run):
    limits = GatewayLimits(connections=3)

    async def work():
        async with serving(limits) as server:
            held = [await asyncio.open_connection(server.host, server.port) for _ in range(3)]
            await until(lambda: len(server.connections) == 3)
            refused = [(await exchange(server, b""))[0] for _ in range(3)]
            assert [answer[0] for answer in refused] == [503] * 3
            held[0][1].close()
            await until(lambda: len(server.connections) == 2)
            assert (await exchange(server, post()))[0][0] == 200
            for _, writer in held:
                writer.close()

    run(work())


def test_draining_ends_what_is_idle_and_waits_for_what_is_not(run):
    async def work():
        async with serving(GatewayLimits()) as server:
            idle_reader, idle = await asyncio.open_connection(server.host, server.port)
            idle.write(post())
            assert (await read_answer(idle_reader))[0] == 200
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(post(path=b"/stream"))
            await until(lambda: server.account.answering)
            (client,) = server.account.answering
            client.send(b"data: 1\n\n")
            draining = asyncio.create_task(server.drain(10))
            assert await idle_reader.read() == b""
            with pytest.raises(OSError):
                await asyncio.open_connection(server.host, server.port)
            client.send(b"data: 2\n\n")
            client.finish()
            got = await reader.read()
            async with asyncio.timeout(3):  # though the client was not told to go
                assert await draining == 0
            writer.close()
            idle.close()
            return got

    got = run(work())
    assert got.endswith(b"data: 2\n\n\r\n0\r\n\r\n")


def test_what_comes_behind_a_last_request_is_not_answered_nor_done(run):
    async def work():
        async with serving() as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            server.is_draining = True
            writer.write(post(b"1") + post(b"2") + post(b"3"))
            got = await reader.read()
            writer.close()
            assert got.count(b"HTTP/1.1") == 1
            return [body for *_, body in server.account.asked]

    assert run(work()) == [b"1"]
