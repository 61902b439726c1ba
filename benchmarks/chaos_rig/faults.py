"""What goes wrong, one thing after the other: a shuffled deck, so that each comes up."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Final

from chaos_rig.crowd import Crowd
from chaos_rig.disk import Disk
from chaos_rig.rig import Rig, freeze

MOST_PAUSE: Final = 3.0
"""Most seconds between two faults."""

SETTLE_SECONDS: Final = 3.0
"""How long after a full disk nothing else goes wrong: what could not be written is in memory until
it is written late, and a kill would take it."""

_ADDED: Final = ("stall", "status-500", "retry-after-1", "drop-3", "first-300", "refuse-1000")

Fault = Callable[[], Coroutine[object, object, None]]


@dataclass(slots=True)
class Director:
    """Deals faults until it is told to stop.

    Args:
        rig: what they happen to.
        crowd: who floods.
        disk: what is full at times.
        rng: chance.

    Attributes:
        dealt: how often each fault came.
    """

    rig: Rig
    crowd: Crowd
    disk: Disk
    rng: random.Random
    dealt: Counter[str] = field(default_factory=Counter)

    async def direct(self, until: float) -> None:
        """Deals the deck again and again; everything runs well again when it returns.

        The gateway is killed in the first half only: what it holds in the end is then what it has
        gathered over the second.
        """
        began = time.monotonic()
        pause = min(MOST_PAUSE, (until - began) / (4 * len(self._faults)))
        deck: list[Fault] = []
        while (now := time.monotonic()) < until:
            if not deck:
                deck = [*self._faults]
                self.rng.shuffle(deck)
            fault = deck.pop()
            if now - began > (until - began) / 2:
                if not self.rig.kills:
                    fault = self._kill_the_gateway
                elif fault == self._kill_the_gateway:
                    continue
            await asyncio.sleep(2 * pause * self.rng.random())
            if await asyncio.to_thread(self.rig.note_end):
                await asyncio.to_thread(self.rig.start_gateway)
            name = fault.__name__.strip("_").replace("_", " ")
            self.dealt[name] += 1
            sys.stderr.write(f"{until - time.monotonic():6.1f} s left: {name}\n")
            await fault()

    @property
    def _faults(self) -> tuple[Fault, ...]:
        return (
            self._kill_a_provider,
            self._kill_two_providers,
            self._freeze_a_provider,
            self._spoil_a_provider,
            self._flood,
            self._fill_the_disk,
            self._kill_the_gateway,
        )

    async def _kill_a_provider(self) -> None:
        await self._kill(1)

    async def _kill_two_providers(self) -> None:
        await self._kill(2)

    async def _kill(self, count: int) -> None:
        struck = self.rng.sample([*self.rig.providers.values()], count)
        for upstream in struck:
            await asyncio.to_thread(upstream.stop)
        await asyncio.sleep(1.5 * self.rng.random())
        for upstream in struck:
            await asyncio.to_thread(upstream.start)

    async def _freeze_a_provider(self) -> None:
        upstream = self.rng.choice([*self.rig.providers.values()])
        await freeze(upstream.pid, 1.5 * self.rng.random())

    async def _spoil_a_provider(self) -> None:
        """Everything that it answers goes wrong, in one way."""
        upstream = self.rng.choice([*self.rig.providers.values()])
        await asyncio.to_thread(upstream.behave, self.rng.choice(_ADDED))
        await asyncio.sleep(1.5 * self.rng.random())
        await asyncio.to_thread(upstream.behave, "")

    async def _flood(self) -> None:
        await self.crowd.flood(self.rng)

    async def _fill_the_disk(self) -> None:
        pids = self.rig.pids
        self.disk.fill(pids)
        try:
            await asyncio.sleep(0.5 + 2 * self.rng.random())
        finally:
            self.disk.free(pids)
        await asyncio.sleep(SETTLE_SECONDS)

    async def _kill_the_gateway(self) -> None:
        await asyncio.to_thread(self.rig.kill_gateway)
        await asyncio.sleep(0.5 * self.rng.random())
        await asyncio.to_thread(self.rig.start_gateway)
