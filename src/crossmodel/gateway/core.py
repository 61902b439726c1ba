"""The door that requests come in by: who may ask, and what for."""

from __future__ import annotations

import gc
import logging
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec

from crossmodel.domain.client_key import ClientKey
from crossmodel.gateway import replies
from crossmodel.gateway.account import Account
from crossmodel.gateway.choosing import PREFERENCES, not_found
from crossmodel.gateway.exchange import Exchange
from crossmodel.gateway.feedback import Feedback
from crossmodel.gateway.headers import RequestHead
from crossmodel.gateway.memory import trim
from crossmodel.gateway.replies import Refusal
from crossmodel.gateway.routes import FEEDBACK, MODELS, ROUTES, dialect_of
from crossmodel.gateway.targets import Target
from crossmodel.wire.dialect import Dialect

if TYPE_CHECKING:
    from crossmodel.gateway.ports import Client
    from crossmodel.gateway.ports import Exchange as Answering
    from crossmodel.gateway.state import GatewayState

logger = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 0.25
"""How often requests are looked through for those whose time is up."""

REST_SECONDS: Final = 5.0
"""Time between two looks at whether memory can be given back."""


class Core:
    """Answers requests, whoever brings them: it is told of each, and who waits for the answer.

    Args:
        state: what all requests share.
    """

    def __init__(self, state: GatewayState) -> None:
        self.state = state
        self._sweeping = state.loop.call_later(SWEEP_SECONDS, self._sweep)
        self._rested_at = 0.0
        self._rested_after = 0

    def begin(self, head: RequestHead, client: Client) -> Answering | None:
        """Look at a request's head: it may be answered at once, or go on."""
        headers = head.said
        key: ClientKey | None = None
        keyring = self.state.keyring
        if keyring.asks_for_keys:
            key = keyring.identify(headers.presented)
            if key is None:
                return self._refuse(head, client, NO_KEY)
        elif headers.is_foreign:  # any page that somebody looks at could ask, and spend
            return self._refuse(head, client, FOREIGN)
        route = ROUTES.get(head.path)
        if route is None:
            return self._other(head, client, key)
        if head.method != b"POST":
            return self._refuse(head, client, NOT_POST, b"allow: POST\r\n")
        if self.state.recorder.is_stuck:
            return self._refuse(head, client, STUCK)
        return Exchange(Account(self.state, key), client, route, headers, head.query)

    def _other(self, head: RequestHead, client: Client, key: ClientKey | None) -> Answering | None:
        """What is asked for besides models' answers."""
        path = head.path
        if path == FEEDBACK:
            if head.method != b"POST":
                return self._refuse(head, client, NOT_POST, b"allow: POST\r\n")
            return Feedback(self.state, client, self.state.tenant if key is None else key.tenant)
        if path == MODELS or path.startswith(MODELS + b"/"):
            return self._models(head, client, key)
        shown = path[:200].decode("ascii", "replace")
        return self._refuse(head, client, Refusal(404, f"there is nothing at {shown}"))

    def close(self) -> None:
        """Let go of the connections to providers; nothing may be under way any more."""
        self._sweeping.cancel()
        self.state.health.close()
        for target in self.state.targets.values():
            for address in target.addresses.values():
                address.close()

    def _refuse(
        self, head: RequestHead, client: Client, refusal: Refusal, more: bytes = b""
    ) -> Answering | None:
        self.state.metrics.refused.add(refusal.code or str(refusal.status))
        client.reply(refusal.status, refusal.lines() + more, refusal.body(dialect_of(head.path)))
        return None

    def _models(self, head: RequestHead, client: Client, key: ClientKey | None) -> Answering | None:
        if head.method != b"GET":
            return self._refuse(head, client, Refusal(405, "ask with GET"), b"allow: GET\r\n")
        is_theirs = head.get(b"anthropic-version") is not None
        dialect = Dialect.MESSAGES if is_theirs else Dialect.CHAT
        ids = [
            *PREFERENCES,
            *(each for each in self.state.targets if key is None or key.allows(each)),
        ]
        rows = [_model(each, self.state.targets.get(each), dialect) for each in ids]
        wanted = unquote(head.path[len(MODELS) + 1 :].decode("ascii", "replace"))
        if wanted:
            rows = [row for row in rows if row["id"] == wanted]
            if not rows:
                allowed = frozenset(key.models) if key is not None and key.models else None
                error = not_found(wanted, self.state.targets, allowed)
                return self._refuse(head, client, replies.refusal_of(error))
            body = msgspec.json.encode(rows[0])
        elif is_theirs:
            page = {"data": rows, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}
            body = msgspec.json.encode(page)
        else:
            body = msgspec.json.encode({"object": "list", "data": rows})
        client.reply(200, replies.JSON, body)
        return None

    def _sweep(self) -> None:
        state = self.state
        # at once, so that nothing that goes wrong below can end it
        self._sweeping = state.loop.call_later(SWEEP_SECONDS, self._sweep)
        now = time.monotonic()
        for exchange in [each for each in state.active if each.deadline <= now]:
            try:
                exchange.expire()
            except Exception:
                logger.exception("a request could not be ended in time")
                state.active.discard(exchange)
        state.health.tick()
        state.chooser.look()
        state.recorder.look()
        self._rest(now)
        loop_now = state.loop.time()
        for target in self.state.targets.values():
            for address in target.addresses.values():
                address.sweep(loop_now)

    def _rest(self, now: float) -> None:
        """While nothing is under way, give back what the last requests took."""
        requests = self.state.recorder.recorded
        if self.state.active or now - self._rested_at < REST_SECONDS:
            return
        self._rested_at = now
        if requests != self._rested_after:
            self._rested_after = requests
            gc.collect()
            trim()


NOT_POST: Final = Refusal(405, "ask with POST")
STUCK: Final = Refusal(
    503, "the log cannot be written: no request is taken that could not be recorded",
    code="log_unavailable", retry_after=5.0,
)  # fmt: skip
FOREIGN: Final = Refusal(403, "pages of other origins may ask only with a key: add [[keys]]")
NO_KEY: Final = Refusal(401, "show a key that is known here: Authorization: Bearer KEY")


def _model(name: str, target: Target | None, dialect: Dialect) -> dict[str, object]:
    owner = "crossmodel" if target is None else target.model.provider
    if dialect is Dialect.MESSAGES:
        return {
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": "1970-01-01T00:00:00Z",  # as the API has it where nothing is known
        }
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
