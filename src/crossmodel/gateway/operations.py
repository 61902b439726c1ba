"""What can be done to a gateway while it runs: look at its models, change them, reload, drain."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

from crossmodel.assembly import restore_budgets
from crossmodel.balancing import Endpoint, LoadBalancerConfig
from crossmodel.errors import ConfigurationError, WitnessError
from crossmodel.gateway.control.ports import Counts, EndpointState, ModelChange, ModelState
from crossmodel.gateway.keys import load_keys
from crossmodel.gateway.opening import Opened
from crossmodel.gateway.server import Server
from crossmodel.gateway.targets import Target
from crossmodel.settings import GatewaySettings, Settings, load_settings

logger = logging.getLogger(__name__)

LIVE: Final = frozenset({"providers", "models", "keys", "load_balancer", "gateway"})
"""Sections of the settings that are taken over while the gateway runs, as far as they can be."""


class LiveOperations:
    """Does them to one gateway.

    Args:
        parts: what it is made of.
        server: where its clients arrive.
        source: the settings file, if there is one to read again.
        on_drain: called once, when the gateway is told to end.
    """

    def __init__(
        self,
        parts: Opened,
        server: Server,
        *,
        source: Path | None,
        on_drain: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._cm = parts.cm
        self._state = parts.state
        self._switchboard = parts.switchboard
        self._server = server
        self._source = source
        self._on_drain = on_drain
        self.is_draining = False
        self._reloading = asyncio.Lock()

    @property
    def in_flight(self) -> int:
        """Requests of clients that are not yet over."""
        return len(self._state.active)

    def models(self) -> Sequence[ModelState]:
        """The models in their configured order, as they are now."""
        now = time.monotonic()
        return [_state(target, now) for target in self._state.targets.values()]

    def counts(self) -> Counts:
        """What its parts have counted."""
        state = self._state
        recorder, learner, injector, events = (
            state.recorder, state.learner, state.injector, state.events,
        )  # fmt: skip
        return Counts(
            in_flight=self.in_flight,
            records_handed_over=recorder.recorded,
            records_waiting=recorder.waiting,
            records_lost=recorder.lost,
            answers_learned=learner.learned if learner is not None else 0,
            answers_waiting=learner.waiting if learner is not None else 0,
            insights_dropped=learner.dropped if learner is not None else 0,
            answers_failed=learner.failed if learner is not None else 0,
            insights_extracted=learner.insights if learner is not None else 0,
            transfers_late=injector.late if injector is not None else 0,
            transfers_failed=injector.failed if injector is not None else 0,
            events_dropped=events.dropped if events is not None else 0,
            hook_failures=state.engine.hooks.failures,
        )

    def change_model(self, model_id: str, change: ModelChange) -> ModelState:
        """Change a model until the settings are read again or the process ends.

        Raises:
            ModelNotFoundError: if there is no such model.
            InvalidInputError: if a value is out of range; then nothing has changed.
        """
        state = self._state
        target = state.targets.get(model_id)
        if target is None:
            raise state.engine.unknown(model_id)
        old = target.model
        given = {
            name: value
            for name in ("quality", "input_price", "output_price")
            if (value := getattr(change, name)) is not None
        }
        if change.capabilities:
            scores = {str(name): score for name, score in old.profile().capabilities.items()}
            given["capabilities"] = scores | dict(change.capabilities)
        model = replace(old, **given)
        self._cm.replace_model(model)
        # a new one: requests that are under way are charged by the price that they began with
        enabled = target.is_enabled if change.is_enabled is None else change.is_enabled
        changed = replace(target, model=model, is_enabled=enabled)
        state.replace_targets({**state.targets, model_id: changed})
        return _state(changed, time.monotonic())

    async def reload(self) -> Sequence[str]:
        """Read the settings file again; returns what has changed, a phrase each, for people.

        Requests that are under way end as they began. Where the gateway listens, its store, its
        log's keys and what stages are made of stay until it starts again.

        Raises:
            ConfigurationError: if the file cannot be used; then nothing has changed.
        """
        if self._source is None:
            raise ConfigurationError("the gateway was started without a settings file")
        async with self._reloading:
            new = load_settings(self._source)
            keys = await load_keys(new, self._cm.engine.store)
            self._switchboard.check(new)
            old = self._cm.settings
            changed = _changed(old, new)  # before the configuration in use becomes the new one
            changes = self._cm.adopt(new) + changed
            state, config = self._state, self._state.balancing
            for each in fields(LoadBalancerConfig):
                setattr(config, each.name, getattr(new.load_balancer, each.name))
            targets = self._switchboard.targets(new, self._cm.engine.providers, config)
            state.replace_targets(targets)
            await self._tell_budgets()
            state.keyring.replace_all(keys)
            state.admission.replace_all(keys)
            await self._tell_budgets()  # of what keys spent while they had none
            self._server.limits = new.gateway.limits
            await self._parts.warm_up()
            return changes

    async def _tell_budgets(self) -> None:
        """A key's first budget knows what the key has spent."""
        engine = self._state.engine
        try:
            await engine.ledger.settle()
        except WitnessError as error:
            logger.error("budgets do not know yet of what is not written: %s", error)  # noqa: TRY400 - it says it all
        await restore_budgets(engine.selector.cost_optimizer, engine.store)

    def drain(self) -> None:
        """Take no new requests, and end once those in flight are over; again is no error."""
        if not self.is_draining:
            self.is_draining = True
            self._on_drain()


def _changed(old: Settings, new: Settings) -> list[str]:
    """Which settings besides models and providers are others, and whether they count now."""

    def differ(one: object, other: object, names: Iterable[str]) -> list[str]:
        return [name for name in names if getattr(one, name) != getattr(other, name)]

    live = [*differ(old, new, ("load_balancer", "keys"))]
    live += [f"gateway.{name}" for name in differ(old.gateway, new.gateway, ("limits",))]
    rest = [each.name for each in fields(GatewaySettings) if each.name != "limits"]
    later = [f"gateway.{name}" for name in differ(old.gateway, new.gateway, rest)]
    later += differ(old, new, [each.name for each in fields(Settings) if each.name not in LIVE])
    return [f"{name} changed" for name in live] + [
        f"{name} changed: it counts when the gateway starts again" for name in later
    ]


def _state(target: Target, now: float) -> ModelState:
    return ModelState(
        target.model,
        [_endpoint(endpoint, now) for endpoint in target.balancer.endpoints],
        target.is_enabled,
    )


def _endpoint(endpoint: Endpoint, now: float) -> EndpointState:
    return EndpointState(
        id=endpoint.id,
        circuit=endpoint.breaker.state(now),
        is_healthy=endpoint.healthy,
        in_flight=endpoint.in_flight,
        latency_ms=endpoint.latency_seconds * 1000 or None,
        ready_in_seconds=max(0.0, endpoint.ready_at - now),
        requests=endpoint.requests,
        successes=endpoint.successes,
        failures=endpoint.failures,
        cancelled=endpoint.cancelled,
    )
