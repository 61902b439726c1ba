"""Files that people take with them: evidence, and the keys that it is verified by."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from crossmodel.assembly import CrossModel
from crossmodel.dashboard.access import Session
from crossmodel.dashboard.markup import sentence, tag
from crossmodel.dashboard.shell import plain_page
from crossmodel.desk import Record
from crossmodel.errors import CrossModelError, NotFoundError

ERASURE: Final = "erasure"


def routes(cm: CrossModel) -> list[Route]:
    """The files' addresses."""

    async def evidence(request: Request) -> Response:
        who: Session = request.state.session
        leaf: int = request.path_params["leaf"]
        try:
            record = await record_of(cm, leaf, who.tenant)
            content = await cm.witness(leaf, disclose=_disclosed(record))
        except CrossModelError as error:
            said = tag("h1", "There is no such file"), sentence(error)
            status = 404 if isinstance(error, NotFoundError) else 500
            return HTMLResponse(plain_page("No such file", *said, session=who), status)
        return _file(content, f"record-{leaf}.json")

    async def trust(_request: Request) -> Response:
        return _file(cm.trust_file(), "trust.json")

    return [
        Route("/evidence/{leaf:int}", evidence, methods=["GET"]),
        Route("/trust.json", trust, methods=["GET"]),
    ]


async def record_of(cm: CrossModel, leaf: int, tenant: str) -> Record:
    """One of the tenant's records.

    Raises:
        NotFoundError: if the tenant has no such record.
    """
    chain = await cm.trace(str(leaf), tenant=tenant)
    return next(each for each in chain.all_records() if each.leaf == leaf)


def _disclosed(record: Record) -> list[str]:
    """Of an erasure what was erased and why; of other records nothing that was said."""
    if record.kind != ERASURE:
        return []
    return [value.digest for value in record.hidden if value.state == "kept"]


def _file(content: bytes, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/json", headers=headers)
