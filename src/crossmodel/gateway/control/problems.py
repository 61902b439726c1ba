"""What went wrong, as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.responses import Response

from crossmodel.errors import (
    ConfigurationError,
    CrossModelError,
    InvalidInputError,
    NotFoundError,
    StoreConflictError,
    StoreError,
    WitnessError,
)

MEDIA_TYPE: Final = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem as RFC 9457 has it; of the type ``about:blank``, so the status says its kind."""

    title: Annotated[str, Meta(description="The status in words.")]
    status: Annotated[int, Meta(ge=400, le=599, description="The HTTP status.")]
    detail: Annotated[str, Meta(description="What was wrong, where, and what to do.")] = ""
    path: Annotated[str, Meta(description="The setting that is meant, if one is.")] = ""


class RefusedError(CrossModelError):
    """A request that is answered with a problem.

    Attributes:
        status: the HTTP status.
        headers: what goes with it.
    """

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})


STATUSES: Final[tuple[tuple[type[CrossModelError], HTTPStatus], ...]] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConfigurationError, HTTPStatus.CONFLICT),
    (InvalidInputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (StoreConflictError, HTTPStatus.CONFLICT),
    (WitnessError, HTTPStatus.CONFLICT),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""Which status each error of ours stands for; the first that fits."""


def refusal_of(error: CrossModelError) -> RefusedError | None:
    """The refusal that an error of ours stands for; ``None`` if the fault is the server's."""
    if isinstance(error, RefusedError):
        return error
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return RefusedError(status, str(error))
    return None


def problem_response(
    status: int, detail: str, *, path: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """The response that says so."""
    problem = Problem(HTTPStatus(status).phrase, int(status), detail, path)
    return Response(
        msgspec.json.encode(problem), status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )
