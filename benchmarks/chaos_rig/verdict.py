"""What must hold in the end, and whether it does."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from gateway_peers.processes import rss_bytes

from chaos_rig.asks import METERED_TOKENS, Ask
from chaos_rig.client import Ending
from chaos_rig.crowd import DEADLINE_SECONDS, Crowd, Told
from chaos_rig.rig import ASKED, FLOOD, INPUT_PRICE, METER, OUTPUT_PRICE, USUAL, Rig

LOST_SECONDS: Final = 0.25
"""Answers that ended so shortly before a kill may be missing from the log: a record outlives its
process some milliseconds after it was handed over, on a machine that has time for it."""

GROWTH_BYTES: Final = 64 * 2**20
"""How much more the gateway may hold in the end, at rest, than when it was warm."""

QUIET_SECONDS: Final = 10.0
"""How long after the last answer everything must be at rest."""

Value = TypeVar("Value")

READY_WITHIN_SECONDS: Final = 10.0

_MIB: Final = 2**20
_MILLION: Final = 1e6
_OK: Final = 200


@dataclass(slots=True)
class Verdict:
    """What was checked: what it was, what was found, whether that is right."""

    rows: list[tuple[str, str, bool]] = field(default_factory=list)

    def check(self, what: str, found: str, holds: bool) -> None:
        """One more."""
        self.rows.append((what, found, holds))

    @property
    def holds(self) -> bool:
        """Whether all of it is right."""
        return all(holds for _, _, holds in self.rows)

    def text(self) -> str:
        """One line each."""
        return "\n".join(
            f"{'ok  ' if holds else 'FAIL'} {what}: {found}" for what, found, holds in self.rows
        )


async def judge(rig: Rig, crowd: Crowd) -> Verdict:
    """Looks at everything. The gateway is drained on the way, so it comes last."""
    verdict = Verdict()
    _answers(verdict, crowd)
    await _works_again(verdict, crowd)
    await asyncio.to_thread(_rest, verdict, rig)
    _limits(verdict, crowd.told)
    await asyncio.to_thread(_budget, verdict, rig, crowd.told)
    await asyncio.to_thread(_log, verdict, rig, crowd.told)
    return verdict


def _answers(verdict: Verdict, crowd: Crowd) -> None:
    told = crowd.told
    endings = Counter(each.ending for each in told) + crowd.garbage
    hung = endings[Ending.HUNG]
    ended = ", ".join(f"{count} {ending}" for ending, count in sorted(endings.items()))
    verdict.check(
        f"every request of {len(told) + crowd.garbage.total()} ended within {DEADLINE_SECONDS:g} s",
        ended,
        hung == 0,
    )
    false = Counter(each.behaviour for each in told if each.is_false)
    verdict.check(
        "no answer passed for complete that was not, or was somebody else's",
        f"{false.total()} did {dict(false) or ''}".rstrip(),
        not false,
    )
    accepted = crowd.garbage[Ending.WHOLE]
    verdict.check("bytes that are no request were refused", f"{accepted} were not", accepted == 0)
    good = sum(each.ending is Ending.WHOLE for each in told)
    verdict.check("answers were given", f"{good} whole", good > 0)


async def _works_again(verdict: Verdict, crowd: Crowd) -> None:
    """Circuits close again once the providers are well."""
    left = set(ASKED)
    until = time.monotonic() + QUIET_SECONDS + 60
    number = 0
    while left and time.monotonic() < until:
        for name in sorted(left):
            number += 1
            told = await crowd.one(Ask(f"{name}.text", "text", f"again{number}", USUAL))
            if told.ending is Ending.WHOLE:
                left.discard(name)
        await asyncio.sleep(0.2)
    found = f"not {', '.join(sorted(left))}" if left else "they do"
    verdict.check("all providers are asked again", found, not left)


def _rest(verdict: Verdict, rig: Rig) -> None:
    """Nothing is left of what is over."""
    ended = len(rig.ended_by_itself)
    verdict.check("the gateway never ended by itself", "\n".join(rig.ended_by_itself), ended == 0)
    in_flight = _within(QUIET_SECONDS, rig.in_flight, lambda value: value == 0)
    verdict.check("requests in flight by /metrics", f"{in_flight}", in_flight == 0)
    upstreams = [*rig.providers.values(), rig.meter]
    busy = _within(
        QUIET_SECONDS,
        lambda: sum(upstream.seen(0)["in_flight"] for upstream in upstreams),
        lambda value: value == 0,
    )
    verdict.check("requests in flight at the providers", f"{busy}", busy == 0)
    warm = rig.rss_when_warm
    now = _within(
        QUIET_SECONDS,
        lambda: rss_bytes(rig.gateway.pid),
        lambda value: value <= warm + GROWTH_BYTES,
    )
    verdict.check(
        f"memory is at most {GROWTH_BYTES // _MIB} MiB above what it was when warm",
        f"{warm / _MIB:.0f} MiB then, {now / _MIB:.0f} at the end",
        now <= warm + GROWTH_BYTES,
    )
    slowest = max(rig.starts)
    verdict.check(
        f"{len(rig.starts)} starts, after kills too, were ready within {READY_WITHIN_SECONDS:g} s",
        f"the slowest took {slowest:.1f} s",
        slowest <= READY_WITHIN_SECONDS,
    )


def _limits(verdict: Verdict, told: Iterable[Told]) -> None:
    """Floods are turned away with a word on when to come back."""
    flooded = [each for each in told if each.key == FLOOD]
    refused = [each for each in flooded if each.has_retry_after]
    verdict.check(
        "floods are turned away with Retry-After",
        f"{len(refused)} of {len(flooded)} requests",
        bool(refused) or not flooded,
    )


def _budget(verdict: Verdict, rig: Rig, told: Iterable[Told]) -> None:
    """The provider counted no more than the budget, but for what died with the gateway."""
    records = rig.meter.seen()["requests"]
    spent = sum(map(_cost, records))
    excused = sum(_cost(record) for record in records if _was_taken(record, rig.kills))
    broken = sum(_cost(record) for record in records if record["outcome"] != "complete")
    refused = sum(each.key == METER and each.status in {402, 429} for each in told)
    verdict.check(
        "the budget of a key was not overspent",
        f"{spent:.4f} of {rig.budget:g} USD over {len(records)} requests, {refused} refused; "
        f"{broken:.4f} USD of it for answers that did not arrive whole, "
        f"{excused:.4f} USD under way when the gateway was killed",
        spent <= rig.budget + excused + 1e-9,
    )
    verdict.check("the budget was used up", f"{refused} requests were refused", refused > 0)


def _cost(record: dict[str, Any]) -> float:
    """USD of what a provider would bill: a stream that broke off as far as it was written."""
    if record["status"] != _OK:
        return 0.0
    asked = json.loads(record["body"])
    words = sum(len(f"{each['role']}: {each['content']}".split()) for each in asked["messages"])
    written = METERED_TOKENS
    if asked.get("stream") and record["outcome"] != "complete":
        written = min(written, max(0, record["events"] - 1))  # the first event has no text
    return (words * INPUT_PRICE + written * OUTPUT_PRICE) / _MILLION


def _was_taken(record: dict[str, Any], kills: Iterable[float]) -> bool:
    ended = record["ended_at"] or time.monotonic()
    return any(record["arrived_at"] <= kill and ended >= kill - LOST_SECONDS for kill in kills)


def _log(verdict: Verdict, rig: Rig, told: Iterable[Told]) -> None:
    """The log has what was answered, and verifies."""
    code = rig.drain()
    verdict.check("the gateway ends in order when it is asked to", f"exit code {code}", code == 0)
    with closing(sqlite3.connect(f"file:{rig.store}/crossmodel.db?mode=ro", uri=True)) as store:
        recorded = {row[0] for row in store.execute("SELECT request_id FROM outcomes")}
    answered = [each for each in told if each.ending is Ending.WHOLE and each.status == _OK]
    nameless = sum(not each.request_id for each in answered)
    verdict.check("every answer names its request", f"{nameless} do not", nameless == 0)
    missing = [each for each in answered if each.request_id and each.request_id not in recorded]
    excused = [each for each in missing if _ended_at_a_kill(each, rig.kills)]
    verdict.check(
        f"every answer is on the record, but for the last {LOST_SECONDS:g} s before a kill",
        f"{len(missing)} of {len(answered)} are missing, {len(excused)} of them so; "
        f"{len(rig.kills)} kills",
        len(missing) == len(excused),
    )
    command = [sys.executable, "-m", "crossmodel", "verify", "--json", "--config", str(rig.config)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - ours
    said = done.stdout.strip() or done.stderr.strip()
    verdict.check("the log verifies", _short(said), done.returncode == 0)


def _ended_at_a_kill(told: Told, kills: Iterable[float]) -> bool:
    return any(kill - LOST_SECONDS <= told.ended and told.began <= kill for kill in kills)


def _short(said: str) -> str:
    try:
        report = json.loads(said)
    except ValueError:
        return said[-500:]
    return f"{report.get('verdict')}, {report.get('records')} records"


def _within(seconds: float, look: Callable[[], Value], holds: Callable[[Value], bool]) -> Value:
    """What is seen as soon as it holds, or at the end of that time."""
    until = time.monotonic() + seconds
    while not holds(value := look()) and time.monotonic() < until:
        time.sleep(0.1)
    return value
