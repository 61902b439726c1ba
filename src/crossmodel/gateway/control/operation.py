"""One row of the control plane: routing, validation and the document are all made from it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.problems import RefusedError

JSON: Final = "application/json"

MOST_BODY_BYTES: Final = 1024 * 1024

BODY_SECONDS: Final = 10.0
"""How long the body of a request may take."""

MOST_PARAMETERS: Final = 32


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers, where it is not simply the first of the operation's answers."""

    status: int
    content: msgspec.Struct | bytes
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Answer:
    """One of an operation's answers for the document: a struct, or another media type."""

    status: int
    description: str
    content: type[msgspec.Struct] | None = None
    media_type: str = JSON


Params = TypeVar("Params", bound=msgspec.Struct)
Body = TypeVar("Body")


@dataclass(frozen=True)
class Operation(Generic[Params, Body]):
    """A method of a path.

    Attributes:
        method: GET, POST, PATCH or DELETE.
        path: with ``{name}`` where a parameter stands.
        name: the ``operationId``.
        summary: one line for the document.
        handle: gets the parameters and the body, decoded and checked.
        params: those of the path and of the query; unknown ones are refused.
        answers: what it answers if all is well, the usual one first.
        body: what the JSON body must be; ``None`` if it takes none.
        refusals: statuses beyond those that every operation of its kind may answer.
        is_admin: whether it asks for the admin key. Others take no parameters, and ignore them.
    """

    method: str
    path: str
    name: str
    summary: str
    handle: Callable[[Control, Params, Body], Awaitable[msgspec.Struct | Reply]]
    params: type[Params]
    answers: Sequence[Answer]
    body: type[Body] | None = None
    refusals: Sequence[int] = field(default=())
    is_admin: bool = True

    @cached_property
    def path_parameters(self) -> tuple[str, ...]:
        """The names of those in the path."""
        return tuple(piece.split("}")[0] for piece in self.path.split("{")[1:])

    @property
    def statuses_of_refusals(self) -> list[HTTPStatus]:
        """Every status that a problem of it may have."""
        statuses = {HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED}
        statuses |= {HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR}
        statuses |= {HTTPStatus(status) for status in self.refusals}
        if self.is_admin:
            statuses |= {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED}
            statuses |= {HTTPStatus.SERVICE_UNAVAILABLE}
        if self.path_parameters:
            statuses |= {HTTPStatus.NOT_FOUND}
        if self.body is not None:
            statuses |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
            statuses |= {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_TIMEOUT}
        return sorted(statuses - {HTTPStatus(answer.status) for answer in self.answers})

    async def run(self, control: Control, request: Request) -> Reply:
        """Decode, check and handle a request.

        Raises:
            RefusedError: if it is not what the row says.
        """
        params = self._read_params(request) if self.is_admin else self.params()
        body: Any = None if self.body is None else await self._read_body(request, self.body)
        answer = await self.handle(control, params, body)
        return answer if isinstance(answer, Reply) else Reply(self.answers[0].status, answer)

    def _read_params(self, request: Request) -> Params:
        values: dict[str, str] = dict(_query_of(request.scope["query_string"]))
        for name in self.path_parameters:
            if name in values:
                raise RefusedError(400, f"{name} is a parameter of the path, not of the query")
        values.update(request.path_params)
        try:
            return msgspec.convert(values, self.params, strict=False)
        except msgspec.ValidationError as error:
            raise RefusedError(400, f"parameters: {error}") from None

    @staticmethod
    async def _read_body(request: Request, kind: type[Body]) -> Body:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != JSON or "content-encoding" in request.headers:
            raise RefusedError(415, f"the body must be {JSON}, without a content encoding")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                raw = await _whole_body(request)
        except TimeoutError:
            raise RefusedError(408, f"the body took more than {BODY_SECONDS:g} s") from None
        except ClientDisconnect:
            raise RefusedError(400, "the body broke off") from None
        try:
            return msgspec.convert(_decode(raw), kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RefusedError(400, f"body: {error}") from None
        except RecursionError:
            raise RefusedError(400, "body: it is nested too deeply") from None


def _number(text: str) -> int | float:
    """A JSON number with a point or exponent; 5.0 is an integer, as it is to JSON Schema."""
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return int(value) if value.is_integer() else value


_decode: Final = msgspec.json.Decoder(float_hook=_number).decode


async def _whole_body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            raise RefusedError(413, f"the body has more than {MOST_BODY_BYTES} bytes")
    return bytes(body)


def _query_of(query: bytes) -> Mapping[str, str]:
    """The parameters of a query: UTF-8, each once."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_PARAMETERS,
        )
    except ValueError as error:  # of which a UnicodeDecodeError is one
        raise RefusedError(400, f"the query cannot be read: {error}") from None
    values = dict(pairs)
    if len(values) != len(pairs):
        raise RefusedError(400, "a parameter is there twice")
    return values
