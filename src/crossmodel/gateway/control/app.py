"""The control plane as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from crossmodel.errors import ConfigurationError, CrossModelError
from crossmodel.gateway.control import (
    alerts,
    budgets,
    health,
    insights,
    keys,
    log,
    models,
    upkeep,
)
from crossmodel.gateway.control.access import AdminAccess
from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.document import document_of
from crossmodel.gateway.control.guard import Guard
from crossmodel.gateway.control.operation import Answer, Nothing, Operation, Reply
from crossmodel.gateway.control.problems import problem_response, refusal_of

logger = logging.getLogger(__name__)

AnyOperation = Operation[Any, Any]

RESOURCES: Final[tuple[AnyOperation, ...]] = (
    *health.OPERATIONS,
    *alerts.OPERATIONS,
    *models.OPERATIONS,
    *insights.OPERATIONS,
    *budgets.OPERATIONS,
    *keys.OPERATIONS,
    *log.OPERATIONS,
    *upkeep.OPERATIONS,
)
"""Everything that the control plane does, but for showing the document of it."""


def create_app(control: Control, access: AdminAccess, *, names: Collection[str] = ()) -> ASGIApp:
    """The application.

    Args:
        control: what it shows and changes.
        access: who may use the admin API.
        names: host names besides ``localhost`` and addresses under which it is reached.
    """
    operations = (*RESOURCES, _document_operation())
    by_path: dict[str, list[AnyOperation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, []).append(operation)
    in_order = sorted(by_path, key=lambda path: path.endswith("}"))  # what takes anything is last
    routes = [Route(_route(path), _Resource(control, access, by_path[path])) for path in in_order]
    return Guard(Router(routes, redirect_slashes=False, default=_not_found), names)


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return document_of((*RESOURCES, _document_operation()))


def _document_operation() -> AnyOperation:
    async def show(_control: Control, _params: Nothing, _body: None) -> Reply:
        return Reply(200, msgspec.json.encode(document()))

    return Operation(
        "GET",
        "/openapi.json",
        "document",
        "This document.",
        show,
        Nothing,
        [Answer(200, "The OpenAPI document of the control plane.")],
        is_admin=False,
    )


def _route(path: str) -> str:
    """The path for the router. A parameter at its end may hold slashes, as ids of models do."""
    head, slash, last = path.rpartition("/")
    return f"{head}{slash}{last[:-1]}:path}}" if last.startswith("{") else path


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    response = problem_response(404, "there is nothing here; /openapi.json says what there is")
    await response(scope, receive, send)


class _Resource:
    """The operations of one path."""

    def __init__(
        self, control: Control, access: AdminAccess, operations: Sequence[AnyOperation]
    ) -> None:
        self._control = control
        self._access = access
        self._operations = _by_method(operations)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        operation = self._operations.get(request.method)
        if operation is None:
            allowed = ", ".join(self._operations)
            return problem_response(
                405, f"{request.method} is not one of {allowed}", headers={"allow": allowed}
            )
        try:
            if operation.is_admin:
                self._access.check(request)
            reply = await operation.run(self._control, request)
        except CrossModelError as error:
            return _problem_of(operation, error)
        except Exception:
            logger.exception("%s %s failed", operation.method, operation.path)
            return problem_response(500, "the request failed; the log says why")
        if operation.is_admin and operation.method != "GET":
            logger.info("%s %s: %d", operation.method, operation.path, reply.status)
        content = reply.content
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        return Response(body, reply.status, media_type=reply.media_type)


def _by_method(operations: Iterable[AnyOperation]) -> Mapping[str, AnyOperation]:
    by_method = {operation.method: operation for operation in operations}
    if "GET" in by_method:
        by_method["HEAD"] = by_method["GET"]
    return by_method


def _problem_of(operation: AnyOperation, error: CrossModelError) -> Response:
    refusal = refusal_of(error)
    if refusal is None:
        logger.error("%s %s failed", operation.method, operation.path, exc_info=error)
        return problem_response(500, "the request failed; the log says why")
    if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning("%s %s: %s", operation.method, operation.path, error)
    path = error.path if isinstance(error, ConfigurationError) else ""
    return problem_response(refusal.status, str(refusal), path=path, headers=refusal.headers)
