"""Settings become a core that answers requests."""

from __future__ import annotations

import asyncio
import importlib
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final

from crossmodel.assembly import CrossModel
from crossmodel.errors import CrossModelError
from crossmodel.gateway.building import Switchboard
from crossmodel.gateway.cache import AnswerCache
from crossmodel.gateway.core import Core
from crossmodel.gateway.injection import Injector
from crossmodel.gateway.keys import Keyring
from crossmodel.gateway.limits import Admission
from crossmodel.gateway.recording import Recorder
from crossmodel.gateway.state import GatewayState
from crossmodel.hooks import Hooks
from crossmodel.settings import Settings

if TYPE_CHECKING:
    from crossmodel.engine import Engine
    from crossmodel.gateway.events import EventRelay
    from crossmodel.gateway.key_following import KeyFollower
    from crossmodel.gateway.sharing import Sharing

logger = logging.getLogger(__name__)

LEARNING_SECONDS: Final = 2.0
"""How long answers may still be learned from when the gateway ends."""

MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Opened:
    """A gateway that could answer, with what it stands on."""

    cm: CrossModel
    state: GatewayState
    core: Core
    switchboard: Switchboard

    async def warm_up(self) -> None:
        """Learn from now on if a model can teach; again, after models have changed, is no error.

        What that takes is loaded in a thread: no request waits for it.
        """
        engine, state = self.cm.engine, self.state
        teaches = any(model.quality >= engine.teacher_quality for model in engine.models.values())
        if self.cm.settings.gateway.learn and teaches and state.learner is None:
            await asyncio.to_thread(lambda: (engine.extractor, engine.transfer, _learning()))
            told = state.injector.learned if state.injector is not None else _nobody
            state.learner = _learning().Learner(engine, told)


async def open_core(settings: Settings, opened: AsyncExitStack) -> Opened:
    """Open everything that answering takes; ``opened`` closes it again, records last.

    Raises:
        ConfigurationError: if something in the settings cannot be used.
        CrossModelError: if the store or the keys cannot be opened.
    """
    cm = await opened.enter_async_context(CrossModel(settings, serves=True))
    engine, gateway = cm.engine, settings.gateway
    recorder = Recorder(engine)
    opened.push_async_callback(_settled, recorder)
    switchboard = Switchboard()
    cache = gateway.cache
    keyring = await Keyring.load(settings, engine.store)
    sharing = _sharing(engine, gateway.sharing.seconds) if gateway.sharing.enabled else None
    admission = Admission(engine.selector.cost_optimizer, sharing=sharing)
    admission.replace_all(keyring.keys)
    if sharing is not None:
        sharing.start()
        opened.push_async_callback(sharing.close)
        follower = _follower(cm, keyring, admission)
        await follower.start()
        opened.push_async_callback(follower.close)
    state = GatewayState(
        engine=engine,
        targets=switchboard.targets(settings, engine.providers, settings.load_balancer),
        keyring=keyring,
        admission=admission,
        recorder=recorder,
        balancing=settings.load_balancer,
        tenant=settings.loop.tenant,
        cache=AnswerCache(int(cache.megabytes * MEGABYTE), cache.seconds)
        if cache.enabled
        else None,
    )
    if gateway.insights:
        state.injector = injector = Injector(engine)
        await injector.start()
        opened.push_async_callback(injector.close)
    opened.push_async_callback(_learned, state)
    if engine.hooks:
        events = _relay(engine.hooks, settings.telemetry.sampling)
        state.events = events
        state.hooks = (*state.hooks, events.tell)
        opened.push_async_callback(asyncio.to_thread, events.close)
    core = Core(state)
    opened.callback(core.close)
    return Opened(cm, state, core, switchboard)


def _sharing(engine: Engine, seconds: float) -> Sharing:
    """From here on the engine spends what it has leased of budgets that others spend as well."""
    from crossmodel.gateway.sharing import Sharing  # noqa: PLC0415 - most gateways are alone
    from crossmodel.selection.shared import SharedBudgets  # noqa: PLC0415 - likewise

    budgets = SharedBudgets(engine.selector.config.cost_optimization)
    engine.selector.cost_optimizer = budgets
    return Sharing(engine.store, budgets, turn_seconds=seconds)


def _follower(cm: CrossModel, keyring: Keyring, admission: Admission) -> KeyFollower:
    from crossmodel.gateway.key_following import KeyFollower  # noqa: PLC0415 - likewise

    return KeyFollower(cm.engine.store, lambda: cm.settings, keyring, admission)


def _relay(hooks: Hooks, sampling: float) -> EventRelay:
    from crossmodel.gateway.events import EventRelay  # noqa: PLC0415 - few gateways have hooks

    return EventRelay(hooks, sampling=sampling)


def _learning() -> ModuleType:
    return importlib.import_module("crossmodel.gateway.learning")


async def _learned(state: GatewayState) -> None:
    if state.learner is not None:
        await state.learner.close(seconds=LEARNING_SECONDS)


def _nobody(_tenant: str, _model: str) -> None:
    """Nobody is told of new insights where none are handed over."""


async def _settled(recorder: Recorder) -> None:
    try:
        await recorder.close()
    except CrossModelError:
        logger.exception("the last records are not durable yet")
