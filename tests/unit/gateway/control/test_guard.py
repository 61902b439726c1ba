import asyncio
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from crossmodel.gateway.control.guard import HEADERS, Guard, host_of, is_address
from crossmodel.wire.hosts import is_loopback


def ask(*headers, names=(), scheme="http"):
    """The status that a request with these headers gets, and the headers of its answer."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": "GET", "path": "/", "scheme": scheme,
        "headers": [(name, value) for name, value in headers],
    }  # fmt: skip
    asyncio.run(Guard(PlainTextResponse("through"), names)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize(
    "host",
    [b"localhost", b"LOCALHOST:8081", b"127.0.0.1:8081", b"[::1]:8081", b"10.1.2.3", b"[::1]"],
)
def test_addresses_and_this_machine_pass(host):
    assert ask((b"host", host))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example", b"evil.example:8081", b"localhost.evil.example", b"127.0.0.1.evil.example",
        b"", b"localhost:", b"localhost:80:80", b"[::1", b"[::1]x", b"::1", b"user@localhost",
        b"127.0.0.1\xff", b"localhost, evil.example", b"0x7f.1", b"2130706433",
    ],
)  # fmt: skip
def test_other_names_do_not(host):
    assert ask((b"host", host))[0] == 421


def test_a_request_has_exactly_one_host():
    assert ask()[0] == 421
    assert ask((b"host", b"localhost"), (b"host", b"localhost"))[0] == 421
    assert ask((b"host", b"localhost"), (b"host", b"evil.example"))[0] == 421


def test_names_can_be_configured():
    assert ask((b"host", b"Control.Example:8081"), names=["control.example"])[0] == 200
    assert ask((b"host", b"x.control.example"), names=["control.example"])[0] == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (b"http://localhost:8081", 200),
        (b"http://localhost", 403),
        (b"https://localhost:8081", 403),
        (b"http://evil.example", 403),
        (b"null", 403),
        (b"", 403),
    ],
)
def test_other_origins_are_refused(origin, status):
    assert ask((b"host", b"localhost:8081"), (b"origin", origin))[0] == status


@pytest.mark.parametrize(
    ("site", "status"),
    [(b"same-origin", 200), (b"none", 200), (b"cross-site", 403), (b"same-site", 403)],
)
def test_what_a_browser_sends_for_another_site_is_refused(site, status):
    assert ask((b"host", b"localhost"), (b"sec-fetch-site", site))[0] == status


@pytest.mark.parametrize("host", [b"localhost", b"evil.example"])
def test_every_answer_is_hardened(host):
    headers = ask((b"host", host))[1]
    for name, value in HEADERS:
        assert headers[name.encode()] == value.encode()
    assert b"access-control-allow-origin" not in headers


@given(st.text(st.characters()))
def test_any_host_is_read(text):
    assert isinstance(host_of(text), str)
    is_address(host_of(text))
    is_loopback(text)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_an_address_is_found_in_its_authority(address, port):
    shown = f"[{address}]" if address.version == 6 else str(address)
    assert host_of(f"{shown}:{port}") == host_of(shown) == str(address)
    assert is_loopback(str(address)) == ipaddress.ip_address(str(address)).is_loopback
