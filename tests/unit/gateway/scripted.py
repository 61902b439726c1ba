"""A core without sockets: clients that only listen, and addresses that answer when they are told."""

import asyncio
import contextlib
import json
from contextlib import AsyncExitStack
from dataclasses import replace

from crossmodel.balancing import Balancer, LoadBalancerConfig, RetryBudget
from crossmodel.domain.client_key import ClientKey, digest_of
from crossmodel.gateway.headers import RequestHead
from crossmodel.gateway.opening import open_core
from crossmodel.gateway.upstream import ResponseHead
from crossmodel.settings import load_settings

CHAT = b"/v1/chat/completions"


class Listener:
    """A client: what it was told, and how that ended."""

    def __init__(self):
        self.status, self.lines, self.body, self.end = 0, b"", bytearray(), None

    def reply(self, status, lines, body):
        self.respond(status, lines, len(body))
        self.body += body
        self._over("whole")

    def respond(self, status, lines, _length):
        assert not self.status, "there is one answer"
        self.status, self.lines = status, lines

    def send(self, data):
        assert data
        assert self.end is None
        self.body += data

    def finish(self):
        self._over("whole")

    def abort(self):
        self._over("cut")

    def _over(self, how):
        assert self.end is None, "it ends once"
        self.end = how

    def header(self, name):
        """The value of a header; ``None`` without one."""
        for line in self.lines.decode().split("\r\n"):
            key, _, value = line.partition(": ")
            if key == name:
                return value
        return None


class Call:
    """A request at an address, to be answered bit by bit."""

    def __init__(self, request, receiver):
        self.request, self.receiver = request, receiver
        self.is_cancelled = self.is_over = self.is_paused = False

    @property
    def is_open(self):
        return not (self.is_cancelled or self.is_over)

    def pause(self):
        self.is_paused = True

    def resume(self):
        self.is_paused = False

    def cancel(self):
        self.is_cancelled = True

    def head(self, status=200, kind=b"application/json", length=None, headers=()):
        self.receiver.on_head(
            ResponseHead(status, [(b"content-type", kind), *headers], length, kind)
        )

    def data(self, data):
        self.receiver.on_data(data)

    def finish(self, *, is_delimited=True):
        self.is_over = True
        self.receiver.on_end(is_delimited=is_delimited)

    def fail(self):
        self.is_over = True
        self.receiver.on_failure("the test says so", was_sent=True)

    def answer(self, body, status=200, kind=b"application/json", headers=()):
        """All of it at once."""
        self.head(status, kind, headers=headers)
        if self.is_open:
            self.data(body)
        if self.is_open:
            self.finish()


class Scripted:
    """An address that keeps what it is asked."""

    def __init__(self):
        self.calls = []

    def compose(self, path, lines, body):
        self.path, self.lines = path, lines
        return body

    def send(self, request, receiver):
        call = Call(request, receiver)
        self.calls.append(call)
        return call

    def sweep(self, now):
        pass

    def close(self):
        pass


class Bench:
    """A core whose models are asked at scripted addresses, two each.

    Attributes:
        state: what its requests share.
        served: what was recorded, in order.
    """

    def __init__(self, opened):
        self.opened = opened
        self.cm, self.core, self.state = opened.cm, opened.core, opened.state
        self.addresses = {}
        self.served = []
        self.state.hooks = (self.served.append,)

    def set_up(self, *, keys=(), names=("a", "b"), **balancing):
        """Forget what was; ask for these keys, balance like this."""
        for exchange in list(self.state.active):
            exchange.client_gone()
        self.state.active.clear()
        self.served.clear()
        config = LoadBalancerConfig(**balancing)
        self.state.balancing = config
        self.state.retries = RetryBudget(config)  # what other tests have spent is not missing
        self.addresses = {
            model: {name: Scripted() for name in names} for model in self.state.targets
        }
        targets = {
            model: replace(
                target,
                addresses=self.addresses[model],
                balancer=Balancer(names, config),
            )
            for model, target in self.state.targets.items()
        }
        self.state.replace_targets(targets)
        self.state.keyring.replace_all(keys)
        self.state.admission.replace_all(keys)

    def ask(self, body, *, path=CHAT, key=None, headers=()):
        """One request; what answers it, and who listens."""
        listener = Listener()
        shown = [] if key is None else [(b"authorization", b"Bearer " + key)]
        head = RequestHead(b"POST", path, b"", [*shown, *headers])
        exchange = self.core.begin(head, listener)
        if exchange is not None:
            exchange.receive(body if isinstance(body, bytes) else json.dumps(body).encode())
        return exchange, listener

    def calls(self, model=None):
        """What was asked and is not over."""
        return [
            call
            for name, addresses in self.addresses.items()
            if model in {None, name}
            for address in addresses.values()
            for call in address.calls
            if call.is_open
        ]


@contextlib.contextmanager
def bench(settings):
    """A bench, and the loop that it runs on: ``with bench(settings) as (made, run)``."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def start():
            return Bench(await open_core(load_settings(settings), stack))

        made = runner.run(start())
        try:
            yield made, runner.run
        finally:
            runner.run(stack.aclose())


def settings_in(folder, **more):
    """Settings of three models of one HTTP provider, whose records are written here."""
    return {
        "store": {"url": f"sqlite:///{folder}/s.db"},
        "witness": {"key_dir": str(folder / "keys"), "writer": "inline"},
        "providers": [
            {"id": "p", "kind": "openai", "base_url": "http://127.0.0.1:1/v1"},
            {"id": "c", "kind": "anthropic", "base_url": "http://127.0.0.1:2"},
        ],
        "models": [
            {"id": "cheap", "provider": "p", "quality": 0.4, "input_price": 1.0,
             "output_price": 2.0, "fallbacks": ["dear"]},
            {"id": "dear", "provider": "p", "quality": 0.6, "input_price": 10.0,
             "output_price": 50.0},
            {"id": "claude", "provider": "c", "quality": 0.5, "input_price": 3.0,
             "output_price": 15.0},
        ],
        "gateway": {"insights": False, "learn": False},
        **more,
    }  # fmt: skip


def a_key(name, **limits):
    """A client key and what its client shows."""
    clear = f"cmk-{name}-0123456789abcdef".encode()
    return ClientKey(name, digest_of(clear), **limits), clear


def chat(model="cheap", **more):
    """A question."""
    return {"model": model, "messages": [{"role": "user", "content": "How?"}], **more}


def counted(usage):
    """Usage as chat has it: two counts, or whatever else is to be said."""
    if not isinstance(usage, tuple):
        return usage
    return {"prompt_tokens": usage[0], "completion_tokens": usage[1]}


def completion(said="So.", usage=None, **more):
    """An answer of chat."""
    body = {
        "model": "served",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": said},
                "finish_reason": "stop",
            }
        ],
        **more,
    }
    if usage is not None:
        body["usage"] = counted(usage)
    return json.dumps(body).encode()


def event(delta="", reason=None, usage=None):
    """An event of a stream of chat."""
    body = {"choices": [{"index": 0, "delta": {"content": delta}, "finish_reason": reason}]}
    if usage is not None:
        body["usage"] = counted(usage)
    return b"data: " + json.dumps(body).encode() + b"\n\n"
