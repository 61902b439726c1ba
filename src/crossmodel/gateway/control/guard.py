"""Who may talk to the control plane at all: no browser of another site, under no foreign name.

A web page may resolve its own name to this machine and then read what answers there (DNS
rebinding): its requests carry that name as their ``Host``. They cannot carry an address, which no
name server answers for; so addresses and the names of this machine pass, other names do not unless
they are configured. A page may also send requests that it cannot read: browsers mark those with
``Origin`` or ``Sec-Fetch-Site`` (W3C Fetch Metadata).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossmodel.gateway.control.problems import problem_response
from crossmodel.wire.hosts import host_of, is_address

HEADERS: Final = (
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
)
"""On every response."""

FOREIGN_SITES: Final = frozenset({"cross-site", "same-site"})

MISDIRECTED: Final = 421
FORBIDDEN: Final = 403


class Guard:
    """ASGI middleware that refuses what comes from other sites, and hardens what goes out.

    Args:
        app: what answers the others.
        names: host names besides ``localhost`` under which the control plane is reached.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] = ()) -> None:
        self._app = app
        self._names = frozenset({"localhost", *(name.lower() for name in names)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS:
                    headers.setdefault(name, value)
                message["headers"] = headers.raw
            await send(message)

        if scope["type"] != "http":
            return
        refused = self._refused(scope["headers"], scope.get("scheme", "http"))
        if refused is None:
            await self._app(scope, receive, hardened)
        else:
            await problem_response(*refused)(scope, receive, hardened)

    def _refused(
        self, headers: Iterable[tuple[bytes, bytes]], scheme: str
    ) -> tuple[int, str] | None:
        """Status and reason, if the request is not to be answered."""
        found: dict[bytes, list[str]] = {b"host": [], b"origin": [], b"sec-fetch-site": []}
        for name, value in headers:
            if name in found:
                found[name].append(value.decode("latin-1").strip().lower())
        hosts, origins, sites = found.values()
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return MISDIRECTED, "the control plane is not reached under this host name"
        if any(origin != f"{scheme}://{hosts[0]}" for origin in origins):
            return FORBIDDEN, "requests of other origins are refused"
        if not FOREIGN_SITES.isdisjoint(sites):
            return FORBIDDEN, "requests of other sites are refused"
        return None

    def _is_ours(self, host: str) -> bool:
        name = host_of(host)
        return name in self._names or is_address(name)
