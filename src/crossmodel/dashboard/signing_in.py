"""Signing in and out: plain pages, for people who are nobody yet."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from crossmodel.dashboard.access import Access
from crossmodel.dashboard.attempts import Attempts
from crossmodel.dashboard.guard import SIGN_IN
from crossmodel.dashboard.markup import tag
from crossmodel.dashboard.shell import plain_page

SIGN_OUT: Final = "/sign-out"

AT_ONCE: Final = 2
"""Passwords that are looked at at once: each takes 64 MiB of memory and a core."""

WAITING: Final = 16
"""Who comes while so many wait is sent away."""

WRONG: Final = "There is no such user with that password. Look at both, and try again."
BUSY: Final = "Too many people sign in at once. Try again in a minute."

logger = logging.getLogger(__name__)


class SigningIn:
    """The two pages.

    Args:
        access: knows the users.
        cookie: the name of the session cookie.
        is_secure: whether browsers may send it over TLS alone.
        lifetime_seconds: how long browsers keep it.
    """

    def __init__(
        self, access: Access, *, cookie: str, is_secure: bool, lifetime_seconds: float
    ) -> None:
        self._access = access
        self._cookie = cookie
        self._is_secure = is_secure
        self._lifetime = lifetime_seconds
        self._attempts = Attempts()
        self._looking = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route(SIGN_IN, self.ask, methods=["GET"]),
            Route(SIGN_IN, self.sign_in, methods=["POST"]),
            Route(SIGN_OUT, self.sign_out, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """Show the form, unless they are in already."""
        wanted = _within(request.query_params.get("next", "/"))
        if request.state.session is not None:
            return RedirectResponse(wanted, 303)
        return _form(wanted)

    async def sign_in(self, request: Request) -> Response:
        """Let them in, or say why not."""
        async with request.form(max_files=0, max_fields=10, max_part_size=8192) as form:
            name, password, wanted = (str(form.get(f, "")) for f in ("name", "password", "next"))
        wanted = _within(wanted)
        address = request.client.host if request.client else ""
        if wait := self._attempts.wait_seconds(address, name):
            seconds = math.ceil(wait)
            said = f"There were too many failures. Try again in {seconds} seconds."
            return _form(wanted, said, 429, {"retry-after": str(seconds)})
        if self._waiting >= WAITING:
            return _form(wanted, BUSY, 503, {"retry-after": "60"})
        self._waiting += 1
        try:
            async with self._looking:
                token = await asyncio.to_thread(self._access.sign_in, name, password)
        finally:
            self._waiting -= 1
        if token is None:
            self._attempts.failed(address, name)
            logger.warning("somebody at %s could not sign in", address)
            return _form(wanted, WRONG, 403)
        answer = RedirectResponse(wanted, 303)
        answer.set_cookie(
            self._cookie,
            token,
            max_age=int(min(self._lifetime, 400 * 86400)),  # what browsers keep at most
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite="strict",
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session, here and wherever its cookie was copied to."""
        self._access.end(request.state.session)
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(self._cookie, path="/", secure=self._is_secure, httponly=True)
        return answer


def _within(wanted: str) -> str:
    """A path of ours; what could lead elsewhere becomes the first page."""
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_path and wanted.isprintable() and "\\" not in wanted else "/"


def _form(
    wanted: str, said: str = "", status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    body = tag(
        "form",
        tag("h1", "Sign in"),
        tag("p", said, role="alert", class_="sentence bad") if said else "",
        tag("label", "Name", for_="name"),
        tag("input", id="name", name="name", autocomplete="username", required=True, maxlength=256),
        tag("label", "Password", for_="password"),
        tag(
            "input",
            id="password",
            name="password",
            type="password",
            autocomplete="current-password",
            required=True,
            maxlength=1024,
        ),
        tag("input", type="hidden", name="next", value=wanted),
        tag("button", "Sign in", type="submit", class_="main"),
        method="post",
        action=SIGN_IN,
        class_="sign-in",
    )
    return HTMLResponse(plain_page("Sign in", body), status, headers)
