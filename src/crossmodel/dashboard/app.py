"""The dashboard as one ASGI application: pages, forms, downloads, and who may see them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from nicegui import ui
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from crossmodel.assembly import CrossModel
from crossmodel.dashboard import access, actions, downloads, shell
from crossmodel.dashboard.guard import Guard
from crossmodel.dashboard.markup import empty, link, sentence, tag
from crossmodel.dashboard.pages import (
    alerts,
    budgets,
    decision,
    insight,
    insights,
    models,
    overview,
    provenance,
    receipt,
    selection,
    transfer,
)
from crossmodel.dashboard.signing_in import SigningIn
from crossmodel.dashboard.sources import Sources
from crossmodel.dashboard.view import View, put
from crossmodel.errors import CrossModelError, NotFoundError

Build = Callable[[View], Awaitable[None]]

PAGES = (
    overview,
    models,
    selection,
    decision,
    insights,
    insight,
    transfer,
    provenance,
    receipt,
    budgets,
    alerts,
)

PATIENCE_SECONDS = 60.0
"""How long a page may take to build itself: a first search may have an index to load."""

RECONNECT_SECONDS = 20.0
"""How long the state of a page is kept whose browser has lost its connection."""

logger = logging.getLogger(__name__)


def build(cm: CrossModel, sources: Sources, users: access.Access) -> ASGIApp:
    """The application over an open CrossModel. The framework allows one of them in a process."""
    settings = cm.settings.dashboard
    cookie = "__Host-crossmodel" if settings.is_over_tls else "crossmodel"
    app = FastAPI(title="CrossModel", docs_url=None, redoc_url=None, openapi_url=None)
    signing_in = SigningIn(
        users,
        cookie=cookie,
        is_secure=settings.is_over_tls,
        lifetime_seconds=settings.session_hours * access.HOUR,
    )
    app.router.routes += signing_in.routes()
    app.router.routes += actions.routes(cm) + downloads.routes(cm)
    verifying = asyncio.Lock()

    def view(request: Request) -> View:
        return View(cm, users, request.state.session, sources, request, verifying)

    for page in PAGES:
        _add(page.PATH, page.TITLE, page.build, view)
    ui.run_with(
        app,
        root=_nowhere,
        title="CrossModel",
        dark=None,
        language="en-US",
        tailwind=False,
        reconnect_timeout=RECONNECT_SECONDS,
        show_welcome_message=False,
        binding_refresh_interval=None,
        favicon="🪞",
    )
    host = settings.listen.rpartition(":")[0]
    return Guard(app, users, cookie=cookie, names=(*settings.names, host))


def _add(path: str, title: str, fill: Build, view: Callable[[Request], View]) -> None:
    @ui.page(path, title=f"{title} · CrossModel", response_timeout=PATIENCE_SECONDS)
    async def page(request: Request) -> None:
        ui.add_head_html(str(shell.head()))
        ui.add_body_html(str(shell.frame(request.state.session, request.url.path)))
        with ui.element("div").props(f"id={shell.CONTENT} tabindex=-1"):
            await _filled(view(request), title, fill)


async def _filled(view: View, title: str, fill: Build) -> None:
    """The page, or in a sentence why it is not there."""
    try:
        await fill(view)
    except NotFoundError as error:
        ui.context.client.status_code = 404
        put(tag("h1", title), sentence(error))
    except CrossModelError as error:
        put(tag("h1", title), sentence(error))
    except Exception:  # whatever it is, people get a page, and the log the details
        logger.exception("the page %s could not be built", title)
        ui.context.client.status_code = 500
        put(
            tag("h1", title),
            sentence("Something went wrong here. The log of crossmodel dashboard says what."),
        )


def _nowhere(request: Request) -> Response:
    """The page of an address that is none."""
    content = (
        tag("h1", "There is no such page"),
        empty("The address leads nowhere.", "What there is stands in the navigation."),
        link("/", "To the overview"),
    )
    page = shell.plain_page("No such page", *content, session=request.state.session)
    return HTMLResponse(page, 404)
