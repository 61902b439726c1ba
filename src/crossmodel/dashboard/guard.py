"""What every request and every websocket passes first: host, origin, session.

A page of another site may resolve its own name to this machine (DNS rebinding): requests carry that
name as their ``Host``, which is refused. It may also post forms or open websockets that the browser
adds nothing to but an ``Origin`` and Fetch Metadata (W3C): what changes something must come from
our own pages. The session cookie is ``SameSite=Strict`` besides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossmodel.dashboard.access import Access
from crossmodel.wire.hosts import host_of, is_address

SIGN_IN: Final = "/sign-in"

HEADERS: Final = (
    (
        "content-security-policy",
        # the framework compiles templates in the browser and writes inline scripts; nothing may
        # come from, or go to, anywhere else
        (
            "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
            "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
            "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
            "frame-ancestors 'none'"
        ),
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
)
"""On every response."""

SAFE: Final = frozenset({"GET", "HEAD"})
OWN_SITES: Final = frozenset({"same-origin", "none"})

MISDIRECTED: Final = 421
FORBIDDEN: Final = 403
UNAUTHORISED: Final = 401
LENGTH_REQUIRED: Final = 411
TOO_LARGE: Final = 413

MOST_BYTES: Final = 1024 * 1024
"""Of what is posted. Forms are much shorter; the framework's events may be longer than those."""

REFUSED: Final = 4403
"""The code that a websocket is closed with: of those that are ours to give meaning to."""


class Guard:
    """ASGI middleware that lets pass who may look, with their session in ``request.state``.

    Args:
        app: the dashboard.
        access: knows the sessions.
        cookie: the name of the session cookie.
        names: host names, besides ``localhost``, under which the dashboard is reached.
    """

    def __init__(
        self, app: ASGIApp, access: Access, *, cookie: str, names: Collection[str] = ()
    ) -> None:
        self._app = app
        self._access = access
        self._cookie = cookie
        self._names = frozenset({"localhost", *(name.lower() for name in names)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        # the framework would build addresses with what a stranger says of a proxy
        scope["headers"] = [each for each in scope["headers"] if each[0] != b"x-forwarded-prefix"]
        headers = Headers(scope=scope)
        refused = self._refused(scope, headers)
        if refused is None:
            session = self._access.session(_cookie(headers, self._cookie))
            scope.setdefault("state", {})["session"] = session
            if session is None and scope["path"] != SIGN_IN:
                refused = _ask_to_sign_in(scope)
        if refused is None:
            await self._app(scope, receive, _hardened(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": REFUSED, "reason": ""})
        else:
            await refused(scope, receive, _hardened(send))

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return PlainTextResponse(
                "The dashboard is not reached under this host name. If it should be, add the name "
                "to dashboard.names in the settings.\n",
                MISDIRECTED,
            )
        if scope["type"] == "http" and scope["method"] in SAFE:
            return None
        origins = headers.getlist("origin")
        if len(origins) != 1 or not _is_origin_of(origins[0], hosts[0]):
            return PlainTextResponse("Requests of other origins are refused.\n", FORBIDDEN)
        if not OWN_SITES.issuperset(headers.getlist("sec-fetch-site")):
            return PlainTextResponse("Requests of other sites are refused.\n", FORBIDDEN)
        return _refused_body(headers) if scope["type"] == "http" else None

    def _is_ours(self, authority: str) -> bool:
        host = host_of(authority.lower())
        return host in self._names or is_address(host)


def _refused_body(headers: Headers) -> Response | None:
    """What strangers could fill the memory with is refused before it is read."""
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        return PlainTextResponse("Say how long the form is: Content-Length.\n", LENGTH_REQUIRED)
    if len(length) > len(str(MOST_BYTES)) or int(length) > MOST_BYTES:
        return PlainTextResponse("The form is too long.\n", TOO_LARGE)
    return None


def _is_origin_of(origin: str, host: str) -> bool:
    """Whether an origin is this host. A proxy may have taken TLS off: the scheme says nothing."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _ask_to_sign_in(scope: Scope) -> Response:
    if scope["type"] == "http" and scope["method"] in SAFE and not _is_machinery(scope["path"]):
        wanted = scope["path"]
        if scope["query_string"]:
            wanted += "?" + scope["query_string"].decode("latin-1")
        return RedirectResponse(f"{SIGN_IN}?next={quote(wanted, safe='')}", 303)
    return PlainTextResponse("Sign in first: your session is over.\n", UNAUTHORISED)


def _is_machinery(path: str) -> bool:
    return path.startswith("/_nicegui")


def _cookie(headers: Mapping[str, str], name: str) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return None if found is None else found.value


def _hardened(send: Send) -> Send:
    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            for name, value in HEADERS:
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
            message["headers"] = headers.raw
        await send(message)

    return hardened
