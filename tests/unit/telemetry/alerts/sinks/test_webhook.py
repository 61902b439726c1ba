"""A webhook against a real HTTP server in this process."""

import base64
import contextlib
import hashlib
import hmac
import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from crossmodel.domain.alerts import Notification, Severity
from crossmodel.errors import ConfigurationError
from crossmodel.telemetry.alerts.sink import SinkError
from crossmodel.telemetry.alerts.sinks import WebhookSink
from crossmodel.telemetry.alerts.sinks.webhook import parse_secret, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOTE = Notification("ntf_1", datetime(2026, 1, 1, tzinfo=UTC), Severity.CRITICAL, "t", b'{"a":1}')


class Receiver:
    """Answers as it is told, and keeps what it got."""

    def __init__(self):
        self.requests, self.status, self.headers = [], 204, {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append((self.path, dict(self.headers), body))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def do_GET(self):
                receiver.requests.append((self.path, dict(self.headers), b""))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def receiver():
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@contextlib.contextmanager
def sink(url, **more):
    made = WebhookSink("ops", url, **more)
    try:
        yield made
    finally:
        if made._client is not None:
            made._client.close()


def test_the_published_example_of_the_specification_signs_the_same():
    signed = sign(
        parse_secret(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_can_check_who_sent_it_and_when(receiver):
    with sink(f"{receiver.url}/hook", secret=SECRET, clock=lambda: 1_700_000_000.9) as made:
        made.deliver(NOTE)
    ((path, headers, body),) = receiver.requests
    assert (path, body, headers["content-type"]) == ("/hook", NOTE.body, "application/json")
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("ntf_1", "1700000000")
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = hmac.new(key, b"ntf_1.1700000000." + body, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
    assert SECRET not in json.dumps(headers)


def test_without_a_secret_it_is_not_signed(receiver):
    with sink(receiver.url) as made:
        made.deliver(NOTE)
    assert "webhook-signature" not in receiver.requests[0][1]


@pytest.mark.parametrize(("status", "is_final"), [
    (301, False), (307, False), (400, True), (401, False), (404, False), (413, True), (422, True),
    (429, False), (500, False), (503, False),
])  # fmt: skip
def test_all_but_success_is_a_failure_and_redirects_are_not_followed(receiver, status, is_final):
    receiver.status, receiver.headers = status, {"location": f"{receiver.url}/elsewhere"}
    with sink(f"{receiver.url}/token-123") as made, pytest.raises(SinkError) as caught:
        made.deliver(NOTE)
    assert caught.value.is_final is is_final
    assert len(receiver.requests) == 1
    assert "token-123" not in str(caught.value)
    assert str(status) in str(caught.value)


@pytest.mark.parametrize(("header", "seconds"), [
    ("7", 7.0), ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ("soon", None), ("", None), ("-1", None), ("9" * 400, None),
])  # fmt: skip
def test_it_says_how_long_the_receiver_asks_to_be_left_alone(receiver, header, seconds):
    receiver.status, receiver.headers = 429, {"retry-after": header}
    with sink(receiver.url, clock=lambda: 10.0) as made, pytest.raises(SinkError) as caught:
        made.deliver(NOTE)
    assert caught.value.retry_after_seconds == seconds


def test_nobody_there_is_a_failure_that_does_not_show_the_address():
    with sink("http://127.0.0.1:9/token-123") as made, pytest.raises(SinkError) as caught:
        made.deliver(NOTE)
    assert str(caught.value) == "127.0.0.1: ConnectError"


@pytest.mark.parametrize("url", [
    "", "ops", "ftp://h/x", "file:///etc/passwd", "http://", "http://user:pw@h/", "http://h:0/",
    "http://h:99999/", "http://[::1/",
])  # fmt: skip
def test_addresses_that_cannot_be_are_refused(url):
    with pytest.raises(ConfigurationError, match="'ops'") as caught:
        WebhookSink("ops", url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_c2hvcnQ=", "plainsecret", "whsec_!!!!", "whsec_" + "A" * 400]
)
def test_secrets_that_are_none_are_refused_and_not_shown(secret):
    with pytest.raises(ConfigurationError, match="24 to 64 bytes") as caught:
        parse_secret(secret)
    assert secret == "whsec_" or secret not in str(caught.value)
