"""The upstream itself: ``python tests/integration/upstreams/server.py --port 0``.

It prints ``listening PORT`` and answers until it is ended, with ``--tied`` until its standard input
ends. The model's name says what it does: see ``behaviours``. Beside the two dialects it answers

    GET  /_seen          what it saw, see ``account``; ``?last=N`` for the newest N records
    POST /_reset         forgets that, and what the two below said
    POST /_behave        {"behaviour": "status-503"}: added to what every model's name says
    POST /_health        {"status": 503}: what /health answers from now on
    GET  /health         the status set, 200 at first

A request's header X-Behave adds words for that request alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

if (
    __name__ == "__main__"
):  # the folder holds an http.py, which must not hide the standard library's
    _here = Path(__file__).resolve().parent
    sys.path = [str(_here.parent), *(path for path in sys.path if Path(path).resolve() != _here)]

import argparse
import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from itertools import chain, islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

from upstreams import anthropic_dialect, openai_dialect
from upstreams.account import Account, digest
from upstreams.answers import Composition, Prompt, compose, to_json
from upstreams.behaviours import Behaviour, UnknownBehaviourError
from upstreams.delivery import GARBAGE, Answer, deliver
from upstreams.http import Connection, Line
from upstreams.parsing import Headers, Request
from upstreams.sse import Event, encode

Json = dict[str, Any]
_JSON = "application/json"
_EVENTS = "text/event-stream; charset=utf-8"
_VENDOR_HEADERS = [
    ("X-Vendor-Odd", "first"), ("x-vendor-odd", "second"), ("set-cookie", "a=1; Path=/"),
    ("set-cookie", "b=2"), ("x-empty", ""),
]  # fmt: skip
_CREDENTIALS = ("authorization", "x-api-key")
_REFUSED_MS = 500
_HUGE_KIB = 100
BROKEN_EVENT = 2

# How each path reads its request, answers it whole, and as a stream.
_Reader = Callable[[Json], Prompt]
_Whole = Callable[[Json, Composition, str, Behaviour], Json]
_Stream = Callable[[Json, Composition, str, Behaviour], Iterator[Event]]
_GENERATION: dict[str, tuple[_Reader, _Whole, _Stream]] = {
    "/v1/chat/completions": (
        openai_dialect.chat_prompt, openai_dialect.chat, openai_dialect.chat_events,
    ),
    "/v1/completions": (
        openai_dialect.completion_prompt, openai_dialect.completion,
        openai_dialect.completion_events,
    ),
    "/v1/responses": (
        openai_dialect.responses_prompt, openai_dialect.responses, openai_dialect.responses_events,
    ),
    "/v1/messages": (
        anthropic_dialect.prompt, anthropic_dialect.message, anthropic_dialect.message_events,
    ),
}  # fmt: skip
_OTHER: dict[str, Callable[[Json], Json]] = {
    "/v1/embeddings": openai_dialect.embeddings,
    "/v1/messages/count_tokens": lambda body: anthropic_dialect.count(
        anthropic_dialect.prompt(body)
    ),
}


class RefusedRequestError(ValueError):
    """A request that gets an error for an answer; ``status`` is its status."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def _is_control(path: str) -> bool:
    """Whether a path is no part of a dialect: what comes there is not counted as a request."""
    return path.startswith("/_") or path == "/health"


class Server:
    """What all connections share."""

    def __init__(self) -> None:
        self.account = Account()
        self.health = 200
        self.added = ""
        self.refuses_until = 0.0

    def connection(self) -> Connection:
        return Connection(
            self.handle,
            self.account,
            _is_control,
            lambda: time.monotonic() < self.refuses_until,
        )

    async def handle(self, request: Request, line: Line) -> None:
        """Answers one request."""
        if _is_control(request.path):
            answer = self._control(request)
            await deliver(line, answer, Behaviour(), request)
            return
        key = digest(request.body)
        behaviour = Behaviour()
        try:
            body = self._read(request)
            key = _key(request, body)
            line.record.model = body.get("model")
            behaviour = self._behaviour(body, key, request.header("x-behave") or "")
            if not await self._begins(line, behaviour):
                return
            answer = self._answer(request, body, behaviour, key)
        except RefusedRequestError as error:
            answer = _refusal(request, error, key, tells="telltale" in behaviour)
        headers = [("x-request-id", f"req_{key[:20]}"), ("request-id", f"req_{key[:20]}")]
        answer.headers = [*headers, *answer.headers, *_late(behaviour)]
        if "unknown" in behaviour:
            answer.headers += _VENDOR_HEADERS
        if "huge-header" in behaviour:
            size = behaviour.number("huge-header", _HUGE_KIB) * 1024
            answer.headers.append(("x-huge", "h" * size))
        await deliver(line, answer, behaviour, request)

    def _control(self, request: Request) -> Answer:
        told = json.loads(request.body or b"{}")
        value: Json = {}
        status = 200
        match request.path:
            case "/health":
                self.account.health_checks += 1
                status = self.health
                value = {"status": status}
            case "/_seen":
                last = parse_qs(urlsplit(request.target).query).get("last")
                value = self.account.as_json(int(last[0]) if last else None)
            case "/_reset":
                self.account.reset()
                self.health, self.added, self.refuses_until = 200, "", 0.0
            case "/_behave":
                try:
                    Behaviour.parse(told["behaviour"] or "text")
                except UnknownBehaviourError as error:
                    status, value = 400, {"error": str(error)}
                else:
                    self.added = told["behaviour"]
            case "/_health":
                self.health = int(told["status"])
            case _:
                status = 404
        return Answer(status, _JSON, [json.dumps(value).encode()])

    @staticmethod
    def _read(request: Request) -> Json:
        if request.method == "GET" and request.path.startswith("/v1/models"):
            return {}
        known = request.path in _GENERATION or request.path in _OTHER
        if not known:
            raise RefusedRequestError(404, f"no such path: {request.method} {request.path}")
        if request.method != "POST":
            raise RefusedRequestError(405, f"{request.path} takes POST only")
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError) as error:
            raise RefusedRequestError(400, f"the body is no JSON: {error}") from None
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            raise RefusedRequestError(400, "the body names no model")
        return body

    def _behaviour(self, body: Json, key: str, asked: str) -> Behaviour:
        if not body:
            return Behaviour()
        name = body["model"].partition("@")[0]
        try:
            behaviour = Behaviour.parse("+".join(filter(None, (name, self.added, asked))))
        except UnknownBehaviourError as error:
            message = f"the model {body['model']!r} does not exist: {error}"
            raise RefusedRequestError(404, message, "model_not_found") from None
        if "flaky" in behaviour:
            fails = self.account.fails_again(key, behaviour.number("flaky"))
            behaviour = behaviour.failing() if fails else behaviour.well()
        return behaviour

    async def _begins(self, line: Line, behaviour: Behaviour) -> bool:
        """What comes before an answer; returns whether there is going to be one."""
        if "100" in behaviour:
            await line.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            line.record.first_byte_at = None
        if "first" in behaviour:
            await asyncio.sleep(behaviour.number("first") / 1000)
        if "refuse" in behaviour:
            self.refuses_until = time.monotonic() + behaviour.number("refuse", _REFUSED_MS) / 1000
            await line.reset("refuse")
            return False
        if "garbage" in behaviour:
            await line.write(GARBAGE)
            line.finish("garbage")
            return False
        if "stall" in behaviour and behaviour.after("stall") is None:
            await line.hang()
        return True

    def _answer(self, request: Request, body: Json, behaviour: Behaviour, key: str) -> Answer:
        if behaviour.status != 200:
            raise RefusedRequestError(behaviour.status, f"told to answer {behaviour.status}")
        if not body:
            return Answer(200, _JSON, [json.dumps(_models(request)).encode()])
        try:
            if request.path in _OTHER:
                return _whole(_OTHER[request.path](body), behaviour)
            read, whole, stream = _GENERATION[request.path]
            prompt = read(body)
        except (KeyError, TypeError, AttributeError) as error:
            raise RefusedRequestError(400, f"the request lacks or mistypes {error}") from None
        composition = compose(prompt, behaviour, _echo(request))
        if not body.get("stream"):
            if "error-event" in behaviour:
                raise RefusedRequestError(500, "it broke")
            return _whole(whole(body, composition, key, behaviour), behaviour)
        events = stream(body, composition, key, behaviour)
        return Answer(
            200, _EVENTS, encode(_with_faults(events, request, body, behaviour), behaviour),
            streams=True, headers=[("cache-control", "no-cache")],
        )  # fmt: skip


def _with_faults(
    events: Iterator[Event], request: Request, body: Json, behaviour: Behaviour
) -> Iterator[Event]:
    """The events of a stream with what goes wrong among them."""
    if "no-done" in behaviour or "error-event" in behaviour:
        events = (event for event in events if not event.last)
    if "error-event" in behaviour:
        after = behaviour.number("error-event", 2)
        broken = (
            anthropic_dialect.error_events()
            if request.path == "/v1/messages"
            else openai_dialect.error_events(body, request.path, after)
        )
        events = chain(islice(events, after), broken)
    for number, event in enumerate(events):
        if number == BROKEN_EVENT and "badjson" in behaviour:
            text = to_json(event.data, behaviour)
            yield Event(text[: len(text) // 2], event.name, event.last)
        else:
            yield event


def _key(request: Request, body: Json) -> str:
    """What tells one conversation from another, however the body is written."""
    asked = [request.path, body.get("model"), *map(body.get, ("messages", "input", "prompt"))]
    return digest(json.dumps(asked, sort_keys=True).encode())


def _whole(value: Json, behaviour: Behaviour) -> Answer:
    body = to_json(value, behaviour).encode()
    if "badjson" in behaviour:
        body = body[: len(body) // 2]
    return Answer(200, _JSON, [body])


def _echo(request: Request) -> Json:
    return {
        "path": request.target,
        "body_sha256": digest(request.body),
        "headers": request.headers,
    }


def _models(request: Request) -> Json:
    claude = request.header("anthropic-version") is not None
    name = request.path.removeprefix("/v1/models").strip("/")
    if not name:
        return anthropic_dialect.models() if claude else openai_dialect.models()
    try:
        Behaviour.parse(name)
    except UnknownBehaviourError:
        message = f"the model {name!r} does not exist"
        raise RefusedRequestError(404, message, "model_not_found") from None
    return anthropic_dialect.model(name) if claude else openai_dialect.model(name)


def _refusal(
    request: Request, error: RefusedRequestError, key: str, *, tells: bool = False
) -> Answer:
    headers, message = [], str(error)
    if error.status < 400:
        headers.append(("location", "http://elsewhere.test/v1"))
    if tells:
        shown = [value for name in _CREDENTIALS if (value := request.header(name))]
        message += f": {' '.join(shown)}"
        headers += [("x-debug-key", value) for value in shown]
    if request.path.startswith("/v1/messages") or request.header("anthropic-version"):
        body = anthropic_dialect.error(error.status, message, f"req_{key[:20]}")
    else:
        body = openai_dialect.error(error.status, message, error.code)
    return Answer(error.status, _JSON, [json.dumps(body).encode()], headers=headers)


def _late(behaviour: Behaviour) -> Headers:
    if "retry-after" in behaviour:
        return [("retry-after", str(behaviour.number("retry-after")))]
    if "retry-date" in behaviour:
        moment = time.time() + behaviour.number("retry-date")
        return [("retry-after", formatdate(moment, usegmt=True))]
    return []


async def serve(host: str, port: int, tls: ssl.SSLContext | None, *, tied: bool) -> None:
    """Serves until cancelled, or until standard input ends if ``tied``."""
    loop = asyncio.get_running_loop()
    server = Server()
    listener = await loop.create_server(server.connection, host, port, backlog=1024, ssl=tls)
    print(f"listening {listener.sockets[0].getsockname()[1]}", flush=True)
    ended = asyncio.Event()
    if tied:
        loop.add_reader(
            sys.stdin.fileno(), ended.set
        )  # nobody writes: it becomes readable at its end
    await ended.wait()


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tied", action="store_true", help="end when standard input does")
    parser.add_argument("--tls", help="a PEM file with a key and its certificate: speak TLS")
    given = parser.parse_args()
    tls = None
    if given.tls:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(given.tls)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.host, given.port, tls, tied=given.tied))


if __name__ == "__main__":
    main()
