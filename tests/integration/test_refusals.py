"""What the clients that people use do with a refusal: they wait, or they give up, as they are told."""

import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import openai
import pytest

from crossmodel.domain.client_key import ClientKey, digest_of
from crossmodel.gateway.limits import Admission, Refused
from crossmodel.gateway.translation.errors import error_body
from crossmodel.selection import CostOptimizer
from crossmodel.wire.dialect import Dialect


@contextmanager
def refusing(refused, dialect):
    """A server that answers every request with a refusal; yields its address and the count."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            asked.append(self.path)
            body = error_body(refused.status, refused.message, dialect, code=refused.code)
            self.send_response(refused.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.send_header("retry-after", "0.01")  # the test does not wait for midnight
            if not refused.should_retry:
                self.send_header("x-should-retry", "false")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refusal(**limits):
    """What the second of two requests of such a key is told."""
    made = Admission(CostOptimizer(clock=lambda: datetime(2026, 5, 1, 12, tzinfo=UTC)))
    key = ClientKey("ci", digest_of(b""), **limits)
    kept = made.admit(key, "t", 0.75, 10)
    refused = made.admit(key, "t", 0.75, 10)
    assert not isinstance(kept, Refused)
    assert isinstance(refused, Refused)
    return refused


@pytest.mark.parametrize(
    ("limits", "times"),
    [
        ({"daily_budget": 1.0}, 1),
        ({"requests_per_minute": 1}, 3),
        ({"concurrent": 1}, 3),
    ],
)
def test_rates_are_waited_for_and_budgets_are_not(limits, times):
    refused = refusal(**limits)
    with (
        refusing(refused, Dialect.CHAT) as (url, asked),
        openai.OpenAI(base_url=url, api_key="x", max_retries=2) as client,
    ):
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        assert caught.value.code == refused.code
        assert refused.message in str(caught.value)
        assert len(asked) == times
    with (
        refusing(refused, Dialect.MESSAGES) as (url, asked),
        anthropic.Anthropic(base_url=url, api_key="x", max_retries=2) as client,
    ):
        with pytest.raises(anthropic.RateLimitError, match="'ci'"):
            client.messages.create(
                model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
            )
        assert len(asked) == times
