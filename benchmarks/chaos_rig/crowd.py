"""A thousand clients who ask all the time, well and badly; what came of each request is kept."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from chaos_rig.asks import (
    AUTO,
    BIG,
    BROKEN,
    CHAT,
    MESSAGES,
    METERED,
    PIECES,
    WELL,
    Ask,
    marker,
)
from chaos_rig.client import POLITE, Answer, Ending, Manner, ask
from chaos_rig.rig import FLOOD, METER, USUAL

DEADLINE_SECONDS: Final = 20.0
"""Longer than all that the gateway may wait for, one after the other."""

FLOOD_SIZE: Final = 200
SLOW: Final = f"long-{PIECES}+slow-5"
_TOO_MANY: Final = 429

GARBAGE: Final = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    b"GET / HTTP/1.1\nhost: x\n\n",
    b"\r\n\r\n\0\0\0\0",
)


@dataclass(frozen=True, slots=True)
class Told:
    """What is kept of one request; moments are of ``time.monotonic``."""

    key: str
    behaviour: str
    began: float
    ended: float
    ending: Ending
    status: int
    request_id: str
    is_false: bool
    has_retry_after: bool


@dataclass(slots=True)
class Crowd:
    """All clients.

    Args:
        port: where the gateway listens.
        seed: of all that is left to chance.
        providers: ids of the providers whose models are asked for.
        clients: how many.
        pause: mean seconds that each waits between two requests.

    Attributes:
        told: one row for each request that was meant as one.
        garbage: how bytes that are no request ended.
    """

    port: int
    seed: int
    providers: tuple[str, ...]
    clients: int = 1000
    pause: float = 4.0
    told: list[Told] = field(default_factory=list)
    garbage: Counter[Ending] = field(default_factory=Counter)

    async def live(self, until: float) -> None:
        """Everybody asks until then; returns when the last answer has ended."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.clients):
                group.create_task(self._client(random.Random(f"{self.seed}/{number}"), until))  # noqa: S311

    async def flood(self, rng: random.Random) -> None:
        """Far more requests at once than that key may make."""
        asks = [
            Ask(f"{self.providers[0]}.text", "text", marker(rng), FLOOD) for _ in range(FLOOD_SIZE)
        ]
        await asyncio.gather(*map(self.one, asks))

    async def one(self, wanted: Ask) -> Told:
        """One request; what came of it is kept."""
        answer = await ask(self.port, wanted.request, DEADLINE_SECONDS, wanted.manner)
        told = _told(wanted, answer)
        self.told.append(told)
        return told

    async def _client(self, rng: random.Random, until: float) -> None:
        await asyncio.sleep(rng.random() * self.pause)
        while time.monotonic() < until:
            if _by_chance(rng, 0.02):
                await self._garble(rng)
            else:
                await self.one(self._wish(rng))
            await asyncio.sleep(rng.expovariate(1 / self.pause))

    async def _garble(self, rng: random.Random) -> None:
        answer = await ask(self.port, rng.choice(GARBAGE), DEADLINE_SECONDS)
        self.garbage[answer.ending] += 1

    def _wish(self, rng: random.Random) -> Ask:
        """What a client asks next, and how it behaves."""
        makes = rng.choices(_WISHES, [share for share, _ in _SHARES])[0]
        return makes(rng, self.providers)


def _told(wanted: Ask, answer: Answer) -> Told:
    return Told(
        wanted.key,
        wanted.behaviour,
        answer.began,
        answer.ended,
        answer.ending,
        answer.status,
        answer.request_id,
        wanted.is_false(answer),
        answer.status == _TOO_MANY and b"retry-after" in answer.headers,
    )


def _by_chance(rng: random.Random, share: float) -> bool:
    return rng.random() < share


_Wish = Callable[[random.Random, tuple[str, ...]], Ask]


def _usual(
    rng: random.Random,
    providers: tuple[str, ...],
    behaviours: tuple[str, ...],
    manner: Manner = POLITE,
    *,
    streams: bool | None = None,
) -> Ask:
    behaviour = rng.choice(behaviours)
    return Ask(
        f"{rng.choice(providers)}.{behaviour}",
        behaviour,
        marker(rng),
        USUAL,
        MESSAGES if _by_chance(rng, 0.2) else CHAT,
        _by_chance(rng, 0.5) if streams is None else streams,
        manner,
    )


def _good(rng: random.Random, providers: tuple[str, ...]) -> Ask:
    return _usual(rng, providers, WELL)


def _bad(rng: random.Random, providers: tuple[str, ...]) -> Ask:
    return _usual(rng, providers, BROKEN)


def _auto(rng: random.Random, providers: tuple[str, ...]) -> Ask:  # noqa: ARG001 - any of them
    return Ask(AUTO, AUTO, marker(rng), USUAL, streams=_by_chance(rng, 0.5))


def _half_sent(rng: random.Random, providers: tuple[str, ...]) -> Ask:
    manner = Manner(sends=rng.random(), leaves_after=rng.random(), resets=_by_chance(rng, 0.5))
    return _usual(rng, providers, WELL, manner)


def _impatient(rng: random.Random, providers: tuple[str, ...]) -> Ask:
    manner = Manner(leaves_after=0.2 * rng.random(), resets=_by_chance(rng, 0.5))
    return _usual(rng, providers, (*WELL, "stall"), manner)


def _leaves_in_stream(rng: random.Random, providers: tuple[str, ...]) -> Ask:
    manner = Manner(leaves_after_bytes=rng.randrange(1, 5000), resets=_by_chance(rng, 0.5))
    return _usual(rng, providers, (SLOW,), manner, streams=True)


def _reads_slowly(rng: random.Random, providers: tuple[str, ...]) -> Ask:
    patience = rng.choice((0.0, 1.0, 3.0))
    manner = Manner(pause=rng.choice((0.005, 0.02, 0.1)), leaves_after=patience)
    return _usual(rng, providers, (BIG,), manner, streams=True)


def _metered(rng: random.Random, providers: tuple[str, ...]) -> Ask:  # noqa: ARG001 - one meter
    behaviour = rng.choice(METERED)
    streams = _by_chance(rng, 0.5)
    leaves = streams and _by_chance(rng, 0.3)
    manner = Manner(leaves_after_bytes=rng.randrange(1, 4000)) if leaves else POLITE
    return Ask(f"meter.{behaviour}", behaviour, marker(rng), METER, streams=streams, manner=manner)


_SHARES: Final[tuple[tuple[float, _Wish], ...]] = (
    (50, _good),
    (12, _auto),
    (12, _bad),
    (3, _half_sent),
    (5, _impatient),
    (7, _leaves_in_stream),
    (0.3, _reads_slowly),
    (10, _metered),
)
"""How often each is wished for, in per cent."""

_WISHES: Final = [wish for _, wish in _SHARES]
