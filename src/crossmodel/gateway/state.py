"""What all requests share while the gateway runs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from crossmodel.balancing import LoadBalancerConfig, RetryBudget
from crossmodel.domain.records import DEFAULT_TENANT
from crossmodel.engine import Engine
from crossmodel.gateway.cache import AnswerCache
from crossmodel.gateway.choosing import Chooser
from crossmodel.gateway.health import HealthChecks
from crossmodel.gateway.injection import Injector
from crossmodel.gateway.keys import Keyring
from crossmodel.gateway.limits import Admission
from crossmodel.gateway.metrics import Metrics
from crossmodel.gateway.recording import Recorder
from crossmodel.gateway.served import Served
from crossmodel.gateway.targets import Target

if TYPE_CHECKING:
    from crossmodel.gateway.events import EventRelay
    from crossmodel.gateway.learning import Learner  # it loads all of extraction


class Pending(Protocol):
    """A request that is under way. ``deadline`` is when it is given up, in monotonic seconds."""

    deadline: float

    def expire(self) -> None:
        """Its time is up."""
        ...


@dataclass(slots=True, eq=False)
class GatewayState:
    """Everything that a request needs, in memory. For one event loop.

    Its parts may be replaced while it runs; a request goes on with those that it began with.

    Attributes:
        engine: who selects, and keeps what is learned.
        targets: the models, by id.
        keyring: who may ask.
        admission: how much, how often and for how much money.
        recorder: is told of every request that reached a model.
        metrics: counts.
        balancing: how requests are spread and tried again.
        tenant: whose requests those without a key are.
        injector: hands insights to models; ``None`` if that is switched off.
        learner: learns from answers; ``None`` if that is switched off.
        hooks: are told of every request that is over; they must be quick and must not raise.
        cache: answers that may be given again; ``None`` if that is switched off.
        events: the one of these that tells the engine's hooks; ``None`` where it has none.
        active: the requests that are under way.
        chooser: chooses among the targets; made anew when they change.
        health: asks addresses how they are.
        retries: how many are allowed.
    """

    engine: Engine
    targets: Mapping[str, Target]
    keyring: Keyring
    admission: Admission
    recorder: Recorder
    metrics: Metrics = field(default_factory=Metrics)
    balancing: LoadBalancerConfig = field(default_factory=LoadBalancerConfig)
    tenant: str = DEFAULT_TENANT
    injector: Injector | None = None
    learner: Learner | None = None
    cache: AnswerCache | None = None
    events: EventRelay | None = None
    hooks: tuple[Callable[[Served], None], ...] = ()
    active: set[Pending] = field(default_factory=set)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    chance: random.Random = field(default_factory=random.Random)
    chooser: Chooser = field(init=False)
    health: HealthChecks = field(init=False)
    retries: RetryBudget = field(init=False)

    def __post_init__(self) -> None:
        self.health = HealthChecks(self.balancing)
        self.retries = RetryBudget(self.balancing)
        self.replace_targets(self.targets)

    def replace_targets(self, targets: Mapping[str, Target]) -> None:
        """Choose among these from now on; what others have answered is not given again."""
        self.targets = targets
        self.chooser = Chooser(self.engine, targets)
        self.health.watch(targets.values())
        if self.cache is not None:
            self.cache.clear()
