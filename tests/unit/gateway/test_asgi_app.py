"""The ASGI application by itself, for what servers do besides the usual."""

import asyncio
import json

import pytest
from scripted import bench, chat, settings_in

from crossmodel.errors import ConfigurationError
from crossmodel.gateway.asgi import GatewayApp
from crossmodel.settings import load_settings

FAKE = {
    "providers": [{"id": "f", "kind": "fake"}],
    "models": [{"id": "echo", "provider": "f"}],
}


def scope(path="/v1/chat/completions", **more):
    return {"type": "http", "method": "POST", "path": path, "headers": [], **more}


class Server:
    """One request as a server hands it over; what came of it is in ``sent``."""

    def __init__(self, body, *, fails=False):
        self.events = asyncio.Queue()
        half = len(body) // 2
        for part, more in ((body[:half], True), (body[half:], False)):
            self.events.put_nowait({"type": "http.request", "body": part, "more_body": more})
        self.sent = []
        self.fails = fails

    async def send(self, message):
        if self.fails:
            raise OSError("the client has left")  # ASGI 2.4
        self.sent.append(message)

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.sent)


def question(**more):
    return json.dumps(chat("echo", **more)).encode()


async def test_without_a_lifespan_the_first_requests_open_it_once(tmp_path):
    app = GatewayApp(settings=load_settings(settings_in(tmp_path, **FAKE)))
    servers = [Server(question()) for _ in range(4)]
    await asyncio.gather(*(app(scope(), each.events.get, each.send) for each in servers))
    assert [each.sent[0]["status"] for each in servers] == [200] * 4
    cores = await asyncio.gather(*(app.open() for _ in range(4)))
    assert len({id(core) for core in cores}) == 1
    assert cores[0].state.recorder.recorded == 4
    await app.close()


async def test_what_could_not_be_opened_is_closed_and_may_be_tried_again(tmp_path, monkeypatch):
    key = [{"name": "k", "key_env": "A_KEY_OF_THE_TESTS"}]
    app = GatewayApp(settings=load_settings(settings_in(tmp_path, **FAKE, keys=key)))
    sent = []

    async def told(message):
        sent.append(message)

    events = asyncio.Queue()
    events.put_nowait({"type": "lifespan.startup"})
    with pytest.raises(ConfigurationError):
        await app({"type": "lifespan"}, events.get, told)
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert "A_KEY_OF_THE_TESTS" in sent[0]["message"]
    monkeypatch.setenv("A_KEY_OF_THE_TESTS", "cmk-0123456789abcdef")
    events.put_nowait({"type": "lifespan.startup"})
    events.put_nowait({"type": "lifespan.shutdown"})
    await app({"type": "lifespan"}, events.get, told)
    assert [each["type"] for each in sent[1:]] == [
        "lifespan.startup.complete", "lifespan.shutdown.complete",
    ]  # fmt: skip


async def test_what_is_no_http_is_refused():
    with pytest.raises(ConfigurationError, match="websocket"):
        await GatewayApp()({"type": "websocket"}, None, None)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with bench(settings_in(tmp_path_factory.mktemp("asgi"))) as (made, run):
        yield made, run


def hosted(made):
    made.set_up()
    app = GatewayApp()
    app._core, app._most_bytes = made.core, 1000
    return app


async def asked(made):
    async with asyncio.timeout(5):
        while not (calls := made.calls()):
            await asyncio.sleep(0)
    return calls[0]


@pytest.mark.parametrize("how", ["told", "cancelled", "an error"])
def test_however_a_server_says_that_the_client_left_the_model_is_told(running, how):
    made, run = running

    async def work():
        app = hosted(made)
        server = Server(json.dumps(chat(stream=True)).encode(), fails=how == "an error")
        task = asyncio.ensure_future(app(scope(), server.events.get, server.send))
        call = await asked(made)
        call.head(kind=b"text/event-stream")
        if how == "told":
            server.events.put_nowait({"type": "http.disconnect"})
        elif how == "cancelled":
            task.cancel()
        else:
            call.data(b"data: {}\n\n")
        await asyncio.wait([task], timeout=5)
        assert task.done()
        assert call.is_cancelled
        assert not made.state.active
        assert made.served[0].status == 499

    run(work())


def test_a_body_that_breaks_off_is_no_request(running):
    made, run = running

    async def work():
        app = hosted(made)
        server = Server(b"")
        server.events = asyncio.Queue()
        server.events.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
        server.events.put_nowait({"type": "http.disconnect"})
        await app(scope(), server.events.get, server.send)
        assert not server.sent
        assert not made.calls()

    run(work())


def test_who_reads_slowly_makes_the_model_wait(running):
    made, run = running

    async def work():
        app = hosted(made)
        server = Server(json.dumps(chat(stream=True)).encode())
        may_go = asyncio.Event()
        quickly = server.send

        async def slowly(message):
            await may_go.wait()
            await quickly(message)

        task = asyncio.ensure_future(app(scope(), server.events.get, slowly))
        call = await asked(made)
        call.head(kind=b"text/event-stream")
        each = b"data: {}\n\n" * 1000
        for _ in range(8):
            call.data(each)
        assert call.is_paused
        may_go.set()
        async with asyncio.timeout(5):
            while call.is_paused:
                await asyncio.sleep(0)
        call.data(b"data: [DONE]\n\n")
        call.finish()
        await asyncio.wait_for(task, 5)
        assert server.body == each * 8 + b"data: [DONE]\n\n"

    run(work())


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/nowhere/é"])
def test_paths_without_their_raw_form_are_known(running, path):
    made, run = running

    async def work():
        app = hosted(made)
        server = Server(b"x" * 2000)
        await app(scope(path), server.events.get, server.send)
        assert server.sent[0]["status"] == (404 if path.startswith("/no") else 413)
        assert json.loads(server.body)["error"]

    run(work())
