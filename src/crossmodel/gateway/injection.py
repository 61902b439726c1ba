"""Insights of better models, handed to cheaper ones inside of clients' requests.

Most requests can gain nothing, and that is known by one look-up in memory. Only where a better
model has said anything to the tenant is the store asked, against a time limit: no request fails or
waits long for insights.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from crossmodel.domain.answer import Ask
from crossmodel.domain.completion import Message
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.scope import RequestScope, within
from crossmodel.domain.selection import TaskRequirement
from crossmodel.domain.transfer import RejectedInsight, TransferResult
from crossmodel.engine import Engine
from crossmodel.errors import CrossModelError
from crossmodel.gateway.placing import Fields, question_of, with_system, with_user
from crossmodel.wire.dialect import Dialect

logger = logging.getLogger(__name__)

SECONDS: Final = 0.2
"""How long a request waits for insights, by default."""

MOST_AT_ONCE: Final = 4
"""Requests that insights are looked for at once, those included that wait no more: each takes some
30 ms of a core, so more of them would only make each other late."""

MOST_ASKED: Final = 8_000
"""Characters at the end of a question that insights are looked for by."""

REFRESH_SECONDS: Final = 5.0
"""How often it is looked what other processes have learned."""

LOOK_AT_ALL_EVERY: Final = 60
"""Of so many looks one is at all insights: in a database, transactions may end out of order."""


class Injector:
    """Hands insights to the models of requests. For one event loop.

    Args:
        engine: whose insights they are.
        seconds: how long a request may wait for them.

    Attributes:
        injected: how many requests were handed insights.
        withheld: how many were not, so that what insights do can be measured.
        late: how many did not wait any longer, or not at all since too many did.
        failed: how many got nothing because of an error.
    """

    __slots__ = (
        "_after", "_best", "_chores", "_engine", "_looks", "_refreshing", "_seconds", "_tasks",
        "failed", "injected", "late", "withheld",
    )  # fmt: skip

    def __init__(self, engine: Engine, *, seconds: float = SECONDS) -> None:
        self.injected = self.withheld = self.late = self.failed = 0
        self._engine = engine
        self._seconds = seconds
        self._best: dict[str, float] = {}
        self._after = self._looks = 0
        self._refreshing: asyncio.Task[None] | None = None
        self._chores: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[TransferResult | None]] = set()

    async def start(self) -> None:
        """Load whose insights there are, and look again now and then.

        Raises:
            StoreError: if they cannot be read.
        """
        await self.refresh()
        self._refreshing = asyncio.get_running_loop().create_task(self._keep_refreshing())

    async def close(self) -> None:
        """Look no more; what was begun is finished."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await self._refreshing
        for tasks in (self._tasks, self._chores):
            if tasks:
                await asyncio.wait(tasks)

    def may_help(self, tenant: str, model: ModelSpec) -> bool:
        """Whether a better model than this one has said anything to the tenant."""
        return self._best.get(tenant, -1.0) > model.quality

    def learned(self, tenant: str, source_model: str) -> None:
        """Note that the tenant has insights of that model's."""
        source = self._engine.models.get(source_model)
        quality = math.inf if source is None else source.quality  # strangers count as better
        if quality > self._best.get(tenant, -1.0):
            self._best[tenant] = quality

    async def refresh(self) -> None:
        """Look what this and other processes have learned since."""
        after = self._after if self._looks % LOOK_AT_ALL_EVERY else 0
        self._looks += 1
        self._after, found = await self._engine.store.read(lambda tx: tx.insight_sources(after))
        for tenant, source_model in found:
            self.learned(tenant, source_model)

    async def inject(
        self,
        body: Fields,
        dialect: Dialect,
        model: ModelSpec,
        *,
        tenant: str,
        request_id: str,
        task: TaskRequirement | None = None,
        trace_id: str | None = None,
    ) -> tuple[Fields, TransferResult] | None:
        """The body with the insights that fit, and which ones, or why this request goes without.

        ``None`` if nothing fits, or it took too long, or failed: the body is to be sent as it is.
        Fields that do not change stay byte for byte. Never raises but if it is cancelled.
        ``trace_id`` is the caller's, for the log.
        """
        with within(RequestScope(request_id, tenant, trace_id)):
            try:
                question = question_of(body, dialect)[-MOST_ASKED:]
                if not question.strip():
                    return None
                ask = Ask((Message("user", question),), task=task, tenant=tenant)
                result = await self._handed_over(ask, model, request_id)
                if result is None:
                    return None
                if result.success and result.context:
                    body = self._placed(body, dialect, model, result)
            except (CrossModelError, msgspec.MsgspecError) as error:
                self.failed += 1
                logger.warning("%s goes without insights: %s", request_id, error)
                return None
            except Exception:
                self.failed += 1
                logger.exception("%s goes without insights", request_id)
                return None
            self.injected += bool(result.transferred_insights)
            self.withheld += bool(result.withheld)
            return body, result

    async def _handed_over(
        self, ask: Ask, model: ModelSpec, request_id: str
    ) -> TransferResult | None:
        """What is handed over, if it comes in time; what comes later is nobody's any more."""
        if len(self._tasks) >= MOST_AT_ONCE:  # a store that is slow is not asked ever more
            self.late += 1
            return None
        task = asyncio.get_running_loop().create_task(self._ask_for(ask, model, request_id))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=self._seconds)
        if not done:
            self.late += 1
            logger.info("%s goes without insights: they took too long", request_id)
            return None
        return task.result()

    async def _ask_for(self, ask: Ask, model: ModelSpec, request_id: str) -> TransferResult | None:
        result, losers = await self._engine.hand_over(ask, model, request_id)
        if losers:
            self._set_aside(ask.tenant, losers)
        return result

    def _forget(self, task: asyncio.Task[TransferResult | None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # of one that came too late, nobody asks

    def _placed(
        self, body: Fields, dialect: Dialect, model: ModelSpec, result: TransferResult
    ) -> Fields:
        transfer = self._engine.transfer
        if transfer.target(model.id).follows_system_prompt:
            return with_system(body, dialect, result.context)
        return with_user(body, dialect, lambda question: transfer.prefixed(question, result))

    def _set_aside(self, tenant: str, losers: Sequence[RejectedInsight]) -> None:
        """Quarantine what a trusted insight contradicts, without letting the request wait."""

        async def chore() -> None:
            try:
                await self._engine.set_aside(tenant, losers)
            except CrossModelError as error:
                logger.warning("insights that are contradicted stay active: %s", error)

        task = asyncio.get_running_loop().create_task(chore())
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _keep_refreshing(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except CrossModelError as error:
                logger.warning("what others have learned is not known: %s", error)
