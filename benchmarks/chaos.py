"""A gateway with a thousand clients and everything failing around it: in the end it must be well.

``python benchmarks/chaos.py [--minutes 10] [--seed N]`` runs a real ``crossmodel serve`` with three
providers that are killed, frozen and spoilt, beside a fourth that counts what it is asked for. The
gateway itself is killed too, floods come, the disk fills up, clients leave at any moment, read
slowly or send garbage. It prints what was checked, and exits with 1 if anything does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import uvloop
from chaos_rig.asks import Ask
from chaos_rig.client import Ending
from chaos_rig.crowd import Crowd
from chaos_rig.disk import disk
from chaos_rig.faults import Director
from chaos_rig.rig import ASKED, USUAL, Rig
from chaos_rig.verdict import Verdict, judge

FILES: Final = 16_384
"""File descriptors that a thousand clients and their floods may need."""

BUDGET_PER_CLIENT_MINUTE: Final = 0.001
MOST_BUDGET: Final = 1.0
"""USD: little enough to be used up halfway at the latest, and asked for until the end."""


async def warm_up(rig: Rig, crowd: Crowd) -> None:
    """Each provider answers once, before anything fails: memory is compared with what is held then.

    Raises:
        RuntimeError: if one of them does not.
    """
    await asyncio.to_thread(rig.settle)  # what learns is loaded after the first answers can be had
    for name in ASKED:
        told = await crowd.one(Ask(f"{name}.text", "text", f"warm{name}", USUAL))
        if told.ending is not Ending.WHOLE:
            raise RuntimeError(f"the answer of {name} was not whole before anything failed: {told}")
    rig.rss_when_warm = await asyncio.to_thread(rig.settle)


async def run(minutes: float, seed: int, clients: int) -> Verdict:
    """The whole of it."""
    rng = random.Random(seed)  # noqa: S311 - the same chance for the same seed
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        store = folder / "store"
        store.mkdir()
        with disk(store) as small:
            budget = min(MOST_BUDGET, BUDGET_PER_CLIENT_MINUTE * clients * minutes)
            rig = Rig(folder, store, budget)
            try:
                await asyncio.to_thread(rig.start)
                crowd = Crowd(rig.listen, seed, ASKED, clients)
                await warm_up(rig, crowd)
                director = Director(rig, crowd, small, rng)
                until = time.monotonic() + 60 * minutes
                async with asyncio.TaskGroup() as group:
                    group.create_task(director.direct(until))
                    group.create_task(crowd.live(until))
                faults = ", ".join(f"{name} {n}" for name, n in sorted(director.dealt.items()))
                sys.stdout.write(f"faults: {faults}; a full disk is {small.how}\n")
                return await judge(rig, crowd)
            finally:
                await asyncio.to_thread(rig.stop)


def main() -> int:
    """Runs, prints, and says by the exit code whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--clients", type=int, default=1000)
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    sys.stdout.write(f"seed {given.seed}, {given.minutes:g} minutes, {given.clients} clients\n")
    sys.stdout.flush()
    verdict = uvloop.run(run(given.minutes, given.seed, given.clients))
    sys.stdout.write(verdict.text() + "\n")
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
