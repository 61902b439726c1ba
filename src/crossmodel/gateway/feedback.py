"""What clients think of answers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import msgspec

from crossmodel.errors import CrossModelError, InvalidInputError
from crossmodel.gateway import replies
from crossmodel.gateway.replies import Refusal
from crossmodel.wire.dialect import Dialect

if TYPE_CHECKING:
    from crossmodel.gateway.ports import Client
    from crossmodel.gateway.state import GatewayState

logger = logging.getLogger(__name__)

MOST_FEEDBACK: Final = 64 * 1024


class _Opinion(msgspec.Struct):
    """What a client thinks of an answer."""

    id: str
    score: float


class Feedback:
    """Takes in what a client thinks of an answer."""

    __slots__ = ("_client", "_is_gone", "_state", "_task", "_tenant")

    def __init__(self, state: GatewayState, client: Client, tenant: str) -> None:
        self._state = state
        self._client = client
        self._tenant = tenant
        self._is_gone = False
        self._task: asyncio.Task[None] | None = None

    def receive(self, body: bytes) -> None:
        """The opinion is whole."""
        try:
            if len(body) > MOST_FEEDBACK:
                raise InvalidInputError(f"feedback has at most {MOST_FEEDBACK} bytes")
            opinion = msgspec.json.decode(body, type=_Opinion)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._reply(Refusal(400, f"feedback is an object with id and score: {error}"))
        except CrossModelError as error:
            self._reply(replies.refusal_of(error))
        else:
            self._task = self._state.loop.create_task(self._keep(opinion))

    def client_gone(self) -> None:
        """What was said is kept all the same."""
        self._is_gone = True

    def pause(self) -> None:
        """The answer is short."""

    def resume(self) -> None:
        """The answer is short."""

    async def _keep(self, opinion: _Opinion) -> None:
        try:
            await self._state.engine.feedback(self._tenant, opinion.id, opinion.score)
        except CrossModelError as error:
            self._reply(replies.refusal_of(error))
        except Exception:
            logger.exception("feedback could not be kept")
            self._reply(Refusal(500, "the gateway failed"))
        else:
            if not self._is_gone:
                self._client.reply(200, replies.JSON, msgspec.json.encode(opinion))

    def _reply(self, refusal: Refusal) -> None:
        if not self._is_gone:
            self._client.reply(refusal.status, refusal.lines(), refusal.body(Dialect.CHAT))
