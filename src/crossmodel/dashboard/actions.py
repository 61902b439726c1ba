"""What changes something: forms that are posted. Each handler asks first who posts it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from crossmodel.assembly import CrossModel
from crossmodel.dashboard.access import NotAllowedError, Session
from crossmodel.dashboard.markup import link, sentence, tag
from crossmodel.dashboard.shell import plain_page
from crossmodel.errors import CrossModelError, InvalidInputError, NotFoundError

MOST_CHARACTERS: Final = 2000
"""Of a reason."""

STATUS: Final = ((NotAllowedError, 403), (NotFoundError, 404), (InvalidInputError, 422))
"""What a browser and its user's scripts learn from an error; others are 500."""

Handler = Callable[[Session, str, str], Awaitable[str]]
"""Does it, for whom, to which insight, for what reason; returns where to go on."""

logger = logging.getLogger(__name__)


def routes(cm: CrossModel) -> list[Route]:
    """The forms' addresses."""
    actions = _Actions(cm)
    return [
        _route("quarantine", actions.quarantine),
        _route("release", actions.release),
        _route("erase", actions.erase),
    ]


class _Actions:
    def __init__(self, cm: CrossModel) -> None:
        self._cm = cm

    async def quarantine(self, who: Session, insight_id: str, reason: str) -> str:
        """Keep an insight from being handed over."""
        who.require_admin()
        await self._cm.quarantine([insight_id], _signed(reason, who), tenant=who.tenant)
        return f"{address_of(insight_id)}?done=quarantined"

    async def release(self, who: Session, insight_id: str, _reason: str) -> str:
        """Let it be handed over again."""
        who.require_admin()
        await self._cm.release([insight_id], tenant=who.tenant)
        return f"{address_of(insight_id)}?done=released"

    async def erase(self, who: Session, insight_id: str, reason: str) -> str:
        """Erase it for good."""
        who.require_admin()
        receipt = await self._cm.delete([insight_id], _signed(reason, who), tenant=who.tenant)
        left = ",".join(receipt.erased.still_held_by)
        if receipt.leaf is None:
            return "/insights?done=erased"
        scrubbed = "" if receipt.is_scrubbed else "&scrub=owed"
        return f"/receipts/{receipt.leaf}?left={quote(left, safe='')}{scrubbed}"


def address_of(insight_id: str) -> str:
    """Where the page of an insight is."""
    return f"/insights/{quote(insight_id, safe='')}"


def _signed(reason: str, who: Session) -> str:
    """The reason, with who gave it."""
    if not reason:
        raise InvalidInputError("a reason is needed: say why")
    return f"{reason} ({who.name})" if who.name else reason


def _route(name: str, do: Handler) -> Route:
    async def answer(request: Request) -> Response:
        who: Session = request.state.session
        insight_id = request.path_params["insight_id"]
        try:
            async with request.form(max_files=0, max_fields=10, max_part_size=65536) as form:
                reason = str(form.get("reason", "")).strip()
            if len(reason) > MOST_CHARACTERS:
                raise InvalidInputError(f"a reason has at most {MOST_CHARACTERS} characters")
            return RedirectResponse(await do(who, insight_id, reason), 303)
        except CrossModelError as error:
            status = next((code for kind, code in STATUS if isinstance(error, kind)), 500)
            logger.warning("%s by %s: %s", name, who.name or "somebody here", error)
            said = (
                tag("h1", "Nothing has changed"),
                sentence(error),
                link(address_of(insight_id), "Back to the insight"),
            )
            return HTMLResponse(plain_page("Nothing has changed", *said, session=who), status)

    return Route(f"/insights/{{insight_id}}/{name}", answer, methods=["POST"], name=name)
