"""A running gateway among clients and providers that break the rules, by mistake or on purpose."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from gateway_process import (
    CHAT,
    PROVIDER_KEY,
    GatewayProcess,
    SocketProvider,
    ask,
    chat,
    wait_for,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upstreams import Upstream
from upstreams.clients import RawClient, request

LIMITS = {
    "head_bytes": 16_384, "headers": 60, "body_bytes": 2_000_000, "head_seconds": 1.5,
    "body_seconds": 1.5, "idle_seconds": 3.0, "write_seconds": 2.0, "connections": 120,
}  # fmt: skip
MODELS = ["text", "short", "echo", "long-20000", "big", "slow-100+long-40", "stall", "text@2"]
ODD = "über\nmodel\r\nx-evil: 1 \u202e"
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
EVENT = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
WHOLE = b'{"id":"x","object":"chat.completion","model":"raw","choices":[]}'


@pytest.fixture(scope="module")
def raw_provider():
    """A provider that answers with what a test scripts."""
    with SocketProvider(b"").running() as made:
        yield made


@pytest.fixture(scope="module")
def gateway_process(upstream_process, raw_provider, tmp_path_factory):
    models = {**dict.fromkeys(MODELS, "mock"), "raw": "raw", "claude": "claude", ODD: "mock"}
    with GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        {"mock": upstream_process.v1, "raw": raw_provider.url, "claude": upstream_process.url},
        models,
        gateway={"limits": LIMITS, "insights": False, "learn": False},
        kinds={"claude": "anthropic"},
        more="[load_balancer]\nmax_attempts = 1\nfailover_threshold = 1000000",
    ) as gateway:
        yield gateway


@pytest.fixture
def gateway(gateway_process, upstream):
    """A gateway that is well before the test and after it."""
    yield gateway_process
    upstream.reset()
    gateway_process.assert_well()


# 1. requests that can be read in two ways


HEAD = b"POST %b HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n" % CHAT.encode()
BODY = json.dumps(chat()).encode()
INNER = request("POST", CHAT, chat("text@2", "smuggled"))
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


def framed(headers, rest):
    return HEAD + headers + b"\r\n" + rest


SMUGGLED = {
    "CL.TE": framed(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + INNER),
    "TE.CL": framed(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", CHUNKED + INNER),
    "TE.TE": framed(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", CHUNKED + INNER),
    "TE twice": framed(b"Transfer-Encoding: chunked\r\n" * 2, CHUNKED + INNER),
    "TE gzip": framed(b"Transfer-Encoding: gzip, chunked\r\n", CHUNKED + INNER),
    "TE xchunked": framed(b"Transfer-Encoding: xchunked\r\n", CHUNKED + INNER),
    "TE identity": framed(b"Transfer-Encoding: identity\r\n", CHUNKED + INNER),
    "TE quoted": framed(b'Transfer-Encoding: "chunked"\r\n', CHUNKED + INNER),
    "TE with a tab": framed(b"Transfer-Encoding\t: chunked\r\n", CHUNKED + INNER),
    "TE with a space": framed(b"Transfer-Encoding : chunked\r\n", CHUNKED + INNER),
    "TE after a fold": framed(b"X: y\r\n Transfer-Encoding: chunked\r\n", CHUNKED + INNER),
    "TE behind a LF": framed(b"X: y\nTransfer-Encoding: chunked\r\n", CHUNKED + INNER),
    "TE behind a CR": framed(b"X: y\rTransfer-Encoding: chunked\r\n", CHUNKED + INNER),
    "TE vertical tab": framed(b"Transfer-Encoding: \x0bchunked\r\n", CHUNKED + INNER),
    "TE in 1.0": framed(b"Transfer-Encoding: chunked\r\n", CHUNKED).replace(b"1.1", b"1.0", 1),
    "two CLs": framed(b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(BODY), BODY),
    "two equal CLs": framed(b"Content-Length: %d\r\n" % len(BODY) * 2, BODY),
    "CL with a plus": framed(b"Content-Length: +%d\r\n" % len(BODY), BODY),
    "CL with a minus": framed(b"Content-Length: -1\r\n", BODY),
    "CL list": framed(b"Content-Length: %d, %d\r\n" % (len(BODY), len(BODY)), BODY),
    "CL hex": framed(b"Content-Length: 0x%x\r\n" % len(BODY), BODY),
    "CL spaced": framed(b"Content-Length: 1 0\r\n", BODY),
    "CL empty": framed(b"Content-Length:\r\n", BODY),
    "CL huge": framed(b"Content-Length: 184467440737095516160\r\n", BODY),
    "CL underscore": framed(b"Content-Length: 1_0\r\n", BODY),
    "chunk overflow": framed(b"Transfer-Encoding: chunked\r\n", b"1%032x\r\n" % len(BODY) + BODY),
    "chunk negative": framed(b"Transfer-Encoding: chunked\r\n", b"-1\r\n" + BODY),
    "chunk 0x": framed(b"Transfer-Encoding: chunked\r\n", b"0x5\r\n" + BODY),
    "chunk space": framed(b"Transfer-Encoding: chunked\r\n", b"5 \r\n" + BODY),
    "chunk LF": framed(b"Transfer-Encoding: chunked\r\n", CHUNKED.replace(b"\r\n", b"\n")),
    "chunk ext LF": framed(b"Transfer-Encoding: chunked\r\n", b"5;\n\r\n" + CHUNKED),
    "chunk too long": framed(b"Transfer-Encoding: chunked\r\n", b"3\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "trailer CL": framed(
        b"Transfer-Encoding: chunked\r\n", CHUNKED[:-2] + b"Content-Length: 9\r\n\r\n" + INNER
    ),
    "NUL in a name": framed(b"X\x00: y\r\nContent-Length: %d\r\n" % len(BODY), BODY),
    "NUL in a value": framed(b"X: \x00\r\nContent-Length: %d\r\n" % len(BODY), BODY),
    "no name": framed(b": y\r\nContent-Length: %d\r\n" % len(BODY), BODY),
    "no colon": framed(b"Content-Length\r\n", BODY),
    "name of UTF-8": framed(b"\xc3\xa4: y\r\nContent-Length: %d\r\n" % len(BODY), BODY),
    "LF heads": ask().replace(b"\r\n", b"\n"),
    "0.9": b"POST %b\r\n" % CHAT.encode(),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "HTTP/3": ask().replace(b"HTTP/1.1", b"HTTP/3.0"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    "two hosts": ask(headers=[("Host", "a"), ("Host", "b")]),
    "no host": ask().replace(b"Host: upstream.test\r\n", b""),
    "CONNECT": b"CONNECT provider:443 HTTP/1.1\r\nHost: provider:443\r\n\r\n" + INNER,
    "authority": ask().replace(CHAT.encode(), b"provider:443", 1),
    "a tab in the target": ask().replace(CHAT.encode(), CHAT.encode() + b"?a\tHTTP/1.1", 1),
    "a space in the target": ask().replace(CHAT.encode(), CHAT.encode() + b"?a b", 1),
    "a LF in the target": ask().replace(CHAT.encode(), CHAT.encode() + b"?a\nx: y", 1),
    "gzip": ask(headers=[("Content-Encoding", "gzip")]),
}


@pytest.mark.parametrize("sent", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_what_can_be_read_in_two_ways_is_refused(gateway, upstream, sent):
    with gateway.connect() as client:
        client.send(sent)
        answer = client.read_response()
        assert 400 <= answer.status <= 505, answer
        assert answer.header("connection") == "close"
        assert answer.json()["error"]["message"]
        assert client.read_response(timeout=5).ended in {"fin", "reset"}, "and that is all"
    assert upstream.seen()["total"] == 0


def test_a_request_within_a_body_is_only_a_body(gateway, upstream):
    answer = gateway.exchange(ask(text="x\r\n\r\n" + INNER.decode()))
    assert answer.status == 200
    (record,) = upstream.seen()["requests"]
    assert json.loads(record["body"])["messages"][0]["content"].endswith(INNER.decode())


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_reach_nobody_and_their_bodies_are_bodies(gateway, upstream, method):
    sent = request(method, CHAT, INNER, [("Content-Type", "text/plain")])
    with gateway.connect() as client:
        client.send(sent + ask(text="next"))
        assert client.read_response(method).status == 405
        assert client.read_response().status == 200
    assert upstream.seen()["total"] == 1


@pytest.mark.parametrize(
    "target", [f"http://elsewhere{CHAT}", f"HTTPS://a:1{CHAT}", f"{CHAT}?a=%0d%0ax:%20y"]
)
def test_a_target_leads_to_no_other_host(gateway, upstream, target):
    assert gateway.exchange(request("POST", target, chat())).status == 200
    record = upstream.last()
    assert record["target"].startswith(CHAT)
    assert dict(record["headers"])["host"] == f"{upstream.host}:{upstream.port}"


@pytest.mark.parametrize("count", [2, 50])
def test_requests_sent_together_are_answered_in_order(gateway, count):
    alone = [gateway.exchange(ask(text=str(number))).body for number in range(count)]
    with gateway.connect(30) as client:
        client.send(b"".join(ask(text=str(number)) for number in range(count)))
        assert [client.read_response().body for _ in range(count)] == alone
    assert len(set(alone)) == count


def test_clients_that_reset_at_each_stage_leave_nothing_behind(gateway, upstream):
    sent = ask("slow-100+long-40", stream=True)
    for stage in (0, 10, sent.index(b"\r\n\r\n") + 4, len(sent) - 5, len(sent)):
        for waits in (False, True):
            with gateway.connect() as client:
                client.send(sent[:stage])
                if waits and stage == len(sent):
                    client.read_bytes(100)
                client.reset()
    upstream.idle()
    outcomes = {record["outcome"] for record in upstream.seen()["requests"]}
    assert outcomes <= {"left"}


def test_java_clients_and_curl_get_answers(gateway, upstream):
    wish = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AA")]
    assert gateway.exchange(ask(headers=wish)).status == 200
    names = {name for name, _ in upstream.last()["headers"]}
    assert not names & {"connection", "upgrade", "http2-settings"}
    body = json.dumps(chat(text="z" * 1_200_000)).encode()
    head, _, _ = request("POST", CHAT, body, [("Expect", "100-continue")]).partition(b"\r\n\r\n")
    with gateway.connect() as client:
        client.send(head + b"\r\n\r\n")
        assert client.read_bytes(25).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(body)
        assert client.read_response().status == 200
    with gateway.connect() as client:  # and who would send too much is told before it does
        client.send(head.replace(b"%d" % len(body), b"2000001") + b"\r\n\r\n")
        assert client.read_response().status == 413


@given(
    data=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [ask(), HEAD, b"Content-Length: 3\r\n", b"\r\n", CHUNKED, b"0\r\n\r\n", b"{}", BODY,
                 b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", INNER[:60]]
            ),
        ),
        max_size=8,
    ),
)  # fmt: skip
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_bytes_hurt_the_gateway(gateway, data):
    with gateway.connect() as client, contextlib.suppress(OSError):
        for piece in data:
            client.send(piece)
    assert gateway.exchange(ask()).status == 200


# 2. headers


def test_what_is_between_client_and_gateway_goes_no_further(gateway, upstream):
    mine = {
        "Authorization": "Bearer the-clients-own", "X-Api-Key": "the-clients-own",
        "Cookie": "session=the-clients-own", "Connection": "x-named", "X-Named": "the-clients-own",
        "Proxy-Authorization": "the-clients-own", "TE": "trailers", "Keep-Alive": "timeout=5",
        "X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1", "Upgrade": "websocket",
        "OpenAI-Organization": "the-clients-own", "X-CrossModel-Timeout": "9",
    }  # fmt: skip
    assert gateway.exchange(ask(headers=[*mine.items(), ("X-Kept", "yes")])).status == 200
    headers = upstream.last()["headers"]
    assert "the-clients-own" not in json.dumps(headers)
    assert "10.0.0.1" not in json.dumps(headers)
    given = dict(headers)
    assert given["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert given["x-kept"] == "yes"
    assert not {"connection", "te", "upgrade", "keep-alive"} & given.keys()
    assert not [name for name in given if name.startswith("x-crossmodel")]


def test_what_is_between_provider_and_gateway_goes_no_further(gateway, raw_provider):
    raw_provider.reset(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\n"
        b"connection: keep-alive, x-named\r\nx-named: 1\r\nkeep-alive: timeout=5\r\n"
        b"x-crossmodel-cost: 0\r\nX-CrossModel-Model: other\r\nalt-svc: h3=evil\r\n"
        b"proxy-authenticate: x\r\nx-key: %b\r\nx-kept: yes\r\ncontent-length: %d\r\n\r\n%b"
        % (PROVIDER_KEY.encode(), len(WHOLE), WHOLE)
    )
    answer = gateway.exchange(ask("raw"))
    assert (answer.status, answer.body) == (200, WHOLE)
    assert answer.header("x-kept") == "yes"
    assert answer.all("x-crossmodel-model") == ["raw"]
    assert len(answer.all("x-crossmodel-cost")) == 1
    for name in ("set-cookie", "x-named", "keep-alive", "alt-svc", "proxy-authenticate"):
        assert answer.header(name) is None
    assert PROVIDER_KEY.encode() not in answer.raw


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("behaviour", ["", "split-1", "split-7", "status-400", "unknown"])
def test_the_providers_key_never_reaches_a_client(gateway, upstream, behaviour, stream):
    upstream.behave(behaviour)
    answer = gateway.exchange(ask("echo", stream=stream))
    assert answer.complete
    assert PROVIDER_KEY.encode() not in answer.body
    assert PROVIDER_KEY.encode() not in answer.raw
    if behaviour != "status-400":
        assert answer.status == 200
        assert b"***" in answer.body, "it was there"


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
def test_nor_does_it_in_errors_and_their_headers(gateway, raw_provider, status):
    said = json.dumps({"error": {"message": f"your key {PROVIDER_KEY} is no good"}}).encode()
    raw_provider.reset(
        b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\nwww-authenticate: %b\r\n"
        b"content-length: %d\r\n\r\n%b" % (status, PROVIDER_KEY.encode(), len(said), said)
    )
    answer = gateway.exchange(ask("raw"))
    assert answer.complete
    assert PROVIDER_KEY.encode() not in answer.raw


EVIL = ["a\r\nx-evil: 1", "a\nx-evil: 1", "a\x00b", "\u2028", "auto:\r\nx-evil: 1", "é" * 3000]


@pytest.mark.parametrize("text", EVIL)
def test_no_text_of_a_request_becomes_a_header(gateway, text):
    for body in (
        chat(text),
        chat(crossmodel={text: 1}),
        chat(crossmodel={"conversation": text}),
        chat(crossmodel={"task": [text]}),
        chat("auto", crossmodel={"needs": [text]}),
    ):
        answer = gateway.exchange(request("POST", CHAT, body))
        assert answer.complete
        assert answer.status in {200, 400, 404}
        assert answer.header("x-evil") is None
        assert json.loads(answer.body)


def test_a_model_of_an_odd_name_is_named_without_harm(gateway):
    answer = gateway.exchange(ask(ODD))
    assert answer.complete
    assert answer.header("x-evil") is None
    assert all(name.isascii() and value.isascii() for name, value in answer.headers)
    listed = gateway.exchange(request("GET", "/v1/models"), "GET").json()
    assert ODD in [model["id"] for model in listed["data"]]


# 3. too slow, too many, too large


SLOW = {
    "nothing": b"",
    "half a head": ask()[:30],
    "half a body": ask()[:-5],
    "half a chunk": framed(b"Transfer-Encoding: chunked\r\n", CHUNKED[:20]),
    "idle after an answer": ask(),
}


def test_who_is_slow_is_let_go_of(gateway):
    clients = {name: gateway.connect() for name in SLOW}
    for name, sent in SLOW.items():
        clients[name].send(sent)
    answers = {name: client.read_response() for name, client in clients.items()}
    assert answers.pop("nothing").ended == "fin"
    assert answers.pop("idle after an answer").status == 200
    assert {answer.status for answer in answers.values()} == {408}
    for client in clients.values():
        assert client.read_response().ended in {"fin", "reset"}
        client.close()


def test_drip_feeding_buys_no_time(gateway):
    began = time.monotonic()
    with gateway.connect() as client:
        sent = client.send_slowly(ask(text="z" * 500), 0.05, 4)
        assert sent < len(ask(text="z" * 500))
    assert time.monotonic() - began < 10


def test_clients_that_read_nothing_hold_little_memory(gateway, raw_provider):
    """Fifty streams of 16 MiB each; the kernel's buffers take up to 4 MiB of that, unasked."""
    part = b"%x\r\n%b\r\n" % (len(EVENT) * 100, EVENT * 100)
    sent, ended = [], []

    def script(connection, _request, _number):
        connection.sendall(EVENTS + b"transfer-encoding: chunked\r\n\r\n")
        try:
            for _ in range(16 * 1024 * 1024 // len(part)):
                connection.sendall(part)
                sent.append(len(part))
        finally:
            ended.append(connection)

    raw_provider.reset(script)
    before = most = gateway.memory
    clients = []
    for _ in range(50):
        client = gateway.connect()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(ask("raw", stream=True))
        clients.append(client)
    give_up = time.monotonic() + 30
    while len(ended) < 50 and time.monotonic() < give_up:
        most = max(most, gateway.memory)
        time.sleep(0.05)
    for client in clients:
        client.close()
    assert len(ended) == 50, "who reads nothing is cut off, and its provider is told"
    assert sum(sent) < 50 * 12 * 1024 * 1024
    assert most - before < 50 * 6 * 1024 * 1024


def test_too_many_connections_are_told_so(gateway):
    held = [gateway.connect() for _ in range(LIMITS["connections"])]
    try:
        refused = [gateway.exchange(b"").status for _ in range(20)]
    finally:
        for client in held:
            client.close()
    assert 503 in refused
    assert set(refused) <= {503, 0}
    wait_for(lambda: gateway.exchange(ask()).status == 200)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (ask(headers=[("X", "y" * 20_000)]), 431),
        (ask(headers=[(f"X{number}", "y") for number in range(80)]), 431),
        (request("POST", CHAT + "?" + "y" * 20_000, chat()), 414),
        (request("POST", CHAT, b"z" * 2_000_001), 413),
        (request("POST", CHAT, chunks=[b"z" * 50_000] * 41), 413),
    ],
)
def test_what_is_too_large_is_told_so(gateway, upstream, sent, status):
    for step in (len(sent), 1000):
        with gateway.connect() as client:
            with contextlib.suppress(OSError):
                for start in range(0, len(sent), step):
                    client.send(sent[start : start + step])
            assert client.read_response().status in {status, 431 if status == 414 else status}
    assert upstream.seen()["total"] == 0


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_of_just_the_limit(gateway, upstream, chunked):
    body = json.dumps(chat()).encode()
    body += b" " * (LIMITS["body_bytes"] - len(body))
    sent = request("POST", CHAT, chunks=[body]) if chunked else request("POST", CHAT, body)
    assert gateway.exchange(sent).status == 200
    assert upstream.seen()["total"] == 1


TURNS = b'"messages":[{"role":"user","content":"x"}]'
REFUSED_BODIES = {
    "empty": b"",
    "not JSON": b"hello",
    "a list": b"[1]",
    "a string": b'"x"',
    "null": b"null",
    "cut": BODY[:-1],
    "two values": BODY + BODY,
    "BOM": b"\xef\xbb\xbf" + BODY,
    "UTF-16": BODY.decode().encode("utf-16"),
    "not UTF-8": b'{"model":"text","x":"\xff",' + TURNS + b"}",
    "surrogates in UTF-8": b'{"model":"text","x":"\xed\xa0\x80",' + TURNS + b"}",
    "NUL": b'{"model":"te\x00xt",' + TURNS + b"}",
    "NaN": b'{"model":"text","x":NaN,' + TURNS + b"}",
    "deep": b'{"model":"text","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no model": b"{" + TURNS + b"}",
    "model null": b'{"model":null,' + TURNS + b"}",
    "model list": b'{"model":["text"],' + TURNS + b"}",
    "negative limit": b'{"model":"text","max_tokens":-1,' + TURNS + b"}",
    "endless limit": b'{"model":"text","max_tokens":1e999,' + TURNS + b"}",
    "number out of range to be translated": b'{"model":"claude","top_p":1e999,' + TURNS + b"}",
}


@pytest.mark.parametrize("body", REFUSED_BODIES.values(), ids=REFUSED_BODIES.keys())
def test_bodies_that_cannot_be_read_are_the_clients_mistake(gateway, upstream, body):
    with gateway.connect() as client:
        answer = client.ask("POST", CHAT, body)
        assert answer.status == 400, answer.body
        assert json.loads(answer.body)["error"]["message"]
        assert client.ask("POST", CHAT, chat()).status == 200, "the connection is still good"
    assert upstream.seen()["total"] == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"stall","model":"text",' + TURNS + b"}",
        b'{"mod\\u0065l":"text",' + TURNS + b"}",
        b'{"model":"stall","mod\\u0065l":"t\\u0065xt",' + TURNS + b"}",
        b'\r\n\t {"model" : "text" , ' + TURNS + b" } \n",
    ],
)
def test_the_provider_reads_what_was_checked(gateway, upstream, body):
    assert gateway.exchange(request("POST", CHAT, body)).status == 200
    got = upstream.last()["body"]
    assert json.loads(got, object_pairs_hook=list)[0] == ("model", "text")
    assert got.count('"model"') == 1


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "a/b; c=d", ""]
)
def test_the_provider_gets_json_whatever_the_client_calls_it(gateway, upstream, kind):
    assert gateway.exchange(ask(headers=[("Content-Type", kind)])).status in {200, 415}
    for record in upstream.seen()["requests"]:
        assert [v for n, v in record["headers"] if n == "content-type"] == ["application/json"]


# 4. providers


BROKEN = {
    "garbage": b"\x00\xff\x16garbage\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "bad status": b"HTTP/1.1 20 OK\r\n\r\n",
    "switching": b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "redirect": b"HTTP/1.1 302 X\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n",
    "huge head": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 600_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500 + b"content-length: 2\r\n\r\n{}",
    "split head": b"HTTP/1.1 200 OK\r\nx: a\nset-cookie: b\r\ncontent-length: 2\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
    "not JSON": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{]",
    "chunk garbage": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n",
    "short": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_is_the_providers_mistake(gateway, raw_provider, answer):
    def script(connection, _request, _number):
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    raw_provider.reset(script)
    got = gateway.exchange(ask("raw"))
    assert (got.status, got.ended) == (502, "complete")
    assert got.header("set-cookie") is None
    assert len(raw_provider.requests) == 1


@pytest.mark.parametrize(
    "rest",
    [
        b"content-length: %d\r\n\r\n%b" % (len(EVENT) + 10, EVENT),
        b"content-length: %d\r\n\r\n%b" % (len(EVENT) + 2000, EVENT),
        b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(EVENT), EVENT),
        b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\nzz\r\n" % (len(EVENT), EVENT),
        b"\r\n" + EVENT,
    ],
    ids=["length", "long length", "chunks", "chunk garbage", "close"],
)
def test_a_cut_stream_never_looks_whole(gateway, raw_provider, rest):
    def script(connection, _request, _number):
        connection.sendall(EVENTS + rest)
        connection.shutdown(socket.SHUT_RDWR)

    raw_provider.reset(script)
    got = gateway.exchange(ask("raw", stream=True))
    assert got.status == 200
    assert not got.complete
    assert got.body.startswith(EVENT)
    assert b'"error"' in got.body


def test_what_a_provider_sends_too_much_reaches_nobody(gateway, raw_provider):
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(WHOLE), WHOLE)
    raw_provider.reset(answer + answer.replace(b"raw", b"bad"))
    for _ in range(5):
        assert gateway.exchange(ask("raw")).body == WHOLE
    assert raw_provider.connections == 5


def test_connections_that_the_provider_closed_meanwhile_cost_nothing(gateway, raw_provider):
    def script(connection, _request, _number):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(WHOLE), WHOLE))
        connection.shutdown(socket.SHUT_RDWR)

    raw_provider.reset(script)
    for _ in range(20):
        assert gateway.exchange(ask("raw")).status == 200


def test_interim_answers_are_not_for_the_client(gateway, raw_provider):
    raw_provider.reset(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(WHOLE), WHOLE)
    )
    got = gateway.exchange(ask("raw"))
    assert (got.status, got.body, got.interim) == (200, WHOLE, [])


# 5. the process


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a certificate for localhost, signed by itself: two files, and both in one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("certificate")
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "public.pem").write_bytes(public)
    (folder / "private.pem").write_bytes(private)
    (folder / "both.pem").write_bytes(private + public)
    return folder


def test_tls_on_both_sides_keys_reload_and_the_end(upstream, certificate, tmp_path):
    """One life of a gateway: large bodies over TLS, a bad and a good reload, and a drain."""
    tls = ssl.create_default_context(cafile=certificate / "public.pem")
    both = {
        "tls_certificate": str(certificate / "public.pem"),
        "tls_key": str(certificate / "private.pem"),
        "insights": False,
    }
    keys = '[[keys]]\nname = "one"\nkey_env = "CLIENT_KEY"'
    mine = [("Authorization", "Bearer the-clients-own-key-42")]
    with Upstream(tls=certificate / "both.pem") as secure:
        providers = {"mock": upstream.v1, "tls": secure.v1}
        models = {"text": "mock", "slow-100+long-40": "mock", "text@tls": "tls"}
        gateway = GatewayProcess(
            tmp_path, providers, models, gateway=both, more=keys, tls=tls,
            environment={
                "CLIENT_KEY": "the-clients-own-key-42",
                "SSL_CERT_FILE": str(certificate / "public.pem"),
            },
        ).start()  # fmt: skip
        try:
            large = request("POST", CHAT, chat(text="z" * 30_000_000), mine)
            assert gateway.exchange(large, timeout=30).status == 200
            assert gateway.exchange(ask()).status == 401
            assert gateway.exchange(ask("text@tls", mine)).status == 200
            with contextlib.suppress(OSError), RawClient(gateway.host, gateway.port) as plain:
                plain.send(ask())  # without TLS nothing is said
                assert plain.read_response().status == 0
            with gateway.connect(20) as client:
                client.send(ask("slow-100+long-40", mine, stream=True))
                first = client.read_bytes(15)
                good = gateway.config.read_text()
                gateway.config.write_text(good + "\n[gateway]\nnonsense = 1\n")
                os.kill(gateway.process.pid, signal.SIGHUP)
                wait_for(lambda: "nothing was reloaded" in gateway.log)
                gateway.config.write_text(
                    good + '\n[[models]]\nid = "text@new"\nprovider = "mock"\nname = "text"\n'
                )
                os.kill(gateway.process.pid, signal.SIGHUP)
                wait_for(lambda: gateway.log.count("reloaded: ") == 2)
                assert gateway.exchange(ask("text@new", mine)).status == 200
                gateway.process.send_signal(signal.SIGTERM)
                wait_for(lambda: not _accepts(gateway))
                assert gateway.process.poll() is None, "it waits for the stream"
                rest = client.read_until(b"\r\n0\r\n\r\n", 20)
                assert (first + rest).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
            assert gateway.process.wait(20) == 0
            assert "Traceback" not in gateway.log
        finally:
            gateway.stop()
    assert gateway.log.count("Bearer") == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as store:
        recorded = store.execute("SELECT model_id FROM selections").fetchall()
    assert sorted(row[0] for row in recorded) == [
        "slow-100+long-40",
        "text",
        "text@new",
        "text@tls",
    ], "what was answered is durable, the stream at the end too"


def _accepts(gateway):
    try:
        socket.create_connection((gateway.host, gateway.port), 1).close()
    except OSError:
        return False
    return True


def test_an_unknown_certificate_of_a_provider_is_not_taken(gateway, certificate):
    """The gateway of these tests does not know who signed it."""
    with Upstream(tls=certificate / "both.pem") as secure:
        config = gateway.config.read_text()
        gateway.config.write_text(
            config + f'\n[[providers]]\nid = "tls"\nkind = "openai"\nbase_url = "{secure.v1}"\n'
            'api_key_env = "MOCK_KEY"\n[[models]]\nid = "text@tls"\nprovider = "tls"\nname = "text"\n'
        )
        os.kill(gateway.process.pid, signal.SIGHUP)
        wait_for(lambda: "reloaded: " in gateway.log)
        got = gateway.exchange(ask("text@tls"))
        assert got.status == 502
        assert "certificate" in got.json()["error"]["message"].lower()
        gateway.config.write_text(config)
        os.kill(gateway.process.pid, signal.SIGHUP)
        wait_for(lambda: gateway.log.count("reloaded: ") == 2)
        assert secure.seen()["total"] == 0


def test_a_port_that_is_taken_is_said_in_one_line(gateway, tmp_path):
    other = GatewayProcess(
        tmp_path, {"mock": "http://127.0.0.1:1/v1"}, {"text": "mock"},
        gateway={"listen": f"127.0.0.1:{gateway.port}"},
    )  # fmt: skip
    with pytest.raises(RuntimeError, match=r"nothing can listen on 127\.0\.0\.1"):
        other.start()
    assert other.process.returncode
    assert "Traceback" not in other.log


def test_strangers_are_not_let_in_without_keys(tmp_path):
    open_wide = GatewayProcess(
        tmp_path, {"mock": "http://127.0.0.1:1/v1"}, {"text": "mock"},
        gateway={"listen": "0.0.0.0:0"},
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="no client needs a key"):
        open_wide.start()
    assert open_wide.process.returncode
