"""The gateway beside nginx, a minimal Python proxy and LiteLLM, on the same core in turns.

``python benchmarks/gateway.py`` writes ``benchmarks/gateway.md``. Each round starts every system
afresh in front of the same upstream, pinned to one core; load generator, upstream and what else
the gateway starts (the writer of its log) share another. Ratios are medians of the rounds' own.

``--load`` and ``--upstream`` (or ``GATEWAY_LOAD`` and ``GATEWAY_UPSTREAM``) name programs that take
the place of ``gateway_peers/load.py`` and ``upstream.py``: both say what is expected of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway_peers.measuring import MANY, STREAMS, Bench, Turn
from gateway_peers.processes import Cores
from gateway_peers.systems import HERE, System, systems

DIRECT: Final = "nothing between"
BASELINE: Final = "nginx"
FULL: Final = 0.9
"""A system that used less of its core was not what held the load back."""
DISTURBED: Final = 0.05
"""Whoever waited longer than this share of the time for its core did not have it to itself."""

HOW: Final = """\
Written by `benchmarks/gateway.py`: {rounds} rounds in turns, {seconds:g} s for each load, medians;
Python {python}, {system}, {processors} processors. Every system has one core to itself; the load
generator and the upstream ({tools}) and the writer of our log share another. CrossModel runs with a
client key, rate limits, budgets, selection, metrics and the witness log on."""
SHARED: Final = """\
Other work ran on the cores meanwhile: {rows} waited for theirs up to {share:.0%} of the time. The
time of core a request, and ratios of it, hold; requests/s and latency are worse than they would be
on a quiet machine."""
IDLE: Final = """\
\\* was not busy all the time: load generator and upstream were what held the load back. Its own
limit lies higher than its requests/s; its time of core a request says how much."""
MANY_HEAD: Final = (
    f"| {MANY} connections | requests/s | of nginx | core used | µs of core a request | of nginx |"
    " failures |"
)
LATENCY_HEAD: Final = (
    "| latency | added p50, µs | of nginx | added p99, µs |"
    f" {STREAMS} connections: streams/s | of nginx | first token p50, µs | p99, µs |"
)
COST_HEAD: Final = (
    "| one process | start to first answer, s | MiB after it | MiB after the load |"
    " its helpers, MiB | their core, µs a request |"
)

Figure = Callable[[Turn], float]


@dataclass(slots=True)
class Rounds:
    """What was measured, by row; a row has a turn for each round, in order."""

    rows: dict[str, list[Turn]]
    missing: dict[str, str]
    seconds: float
    tools: str = ""

    def median(self, row: str, figure: Figure) -> float:
        """The middle one of the rounds."""
        return statistics.median(map(figure, self.rows[row]))

    def ratio(self, row: str, figure: Figure, to: str = BASELINE) -> float | None:
        """The middle one of the ratios to another row in the same round; ``None`` without it."""
        if to not in self.rows:
            return None
        pairs = zip(self.rows[row], self.rows[to], strict=True)
        return statistics.median(figure(ours) / max(figure(theirs), 1e-9) for ours, theirs in pairs)

    def added(self, row: str, figure: Figure) -> float:
        """The middle one of the differences to nothing between, in the same round."""
        pairs = zip(self.rows[row], self.rows[DIRECT], strict=True)
        return statistics.median(figure(ours) - figure(direct) for ours, direct in pairs)


def run(bench: Bench, rounds: int, chosen: Sequence[System]) -> Rounds:
    """Everybody's turns; a system that fails in its first round is left out with its words."""
    found = Rounds(
        {DIRECT: []},
        {each.name: each.missing for each in chosen if each.missing},
        bench.seconds,
        ", ".join(dict.fromkeys(Path(tool[-1]).name for tool in (bench.load, bench.upstream))),
    )
    with bench.provider() as upstream:
        for number in range(rounds):
            _told(number, found, {DIRECT: bench.direct(upstream)})
            for system in chosen:
                if system.name in found.missing:
                    continue
                try:
                    measured = bench.turn(system, upstream)
                except RuntimeError as error:
                    if number:
                        raise
                    sys.stderr.write(f"{system.name}: {error}\n")
                    found.missing[system.name] = str(error).splitlines()[0]
                else:
                    _told(number, found, measured)
    return found


def _told(number: int, found: Rounds, measured: Mapping[str, Turn]) -> None:
    for name, turn in measured.items():
        found.rows.setdefault(name, []).append(turn)
        sys.stderr.write(
            f"round {number + 1}: {name}: {turn.many.rate:,.0f} requests/s, "
            f"{turn.streams.rate:,.0f} streams/s, {turn.failures} failures\n"
        )


def report(found: Rounds) -> str:
    """All of it in Markdown."""
    lines = [
        "# The gateway beside others",
        "",
        HOW.format(
            rounds=len(found.rows[DIRECT]),
            seconds=found.seconds,
            python=platform.python_version(),
            system=f"{platform.system()} {platform.machine()}",
            processors=os.cpu_count(),
            tools=found.tools,
        ),
        "",
        *_throughput(found),
        "",
        *_latency(found),
        "",
        *_cost(found),
        "",
    ]
    if found.missing:
        left = [f"{name} ({why})" for name, why in found.missing.items()]
        lines += [f"Not measured: {'; '.join(left)}.", ""]
    return "\n".join(lines)


def _throughput(found: Rounds) -> list[str]:
    lines = [
        MANY_HEAD,
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    idle = False
    for row in found.rows:
        busy = found.median(row, lambda turn: turn.busy)
        wanted = found.median(row, lambda turn: turn.busy + turn.waited)
        mark = "*" if row != DIRECT and wanted < FULL else ""
        idle = idle or bool(mark)
        lines.append(
            f"| {row}{mark} | {found.median(row, _rate):,.0f} | {_times(found.ratio(row, _rate))} |"
            f" {_share(busy)} | {_number(found.median(row, _cpu))} |"
            f" {_times(found.ratio(row, _cpu)) if row != DIRECT else '-'} |"
            f" {sum(turn.failures for turn in found.rows[row])} |"
        )
    if idle:
        lines += ["", IDLE]
    waited = {
        row: share
        for row in found.rows
        if (share := found.median(row, lambda turn: turn.waited)) > DISTURBED
    }
    if waited:
        lines += ["", SHARED.format(rows=", ".join(waited), share=max(waited.values()))]
    return lines


def _latency(found: Rounds) -> list[str]:
    lines = [
        LATENCY_HEAD,
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    base = found.added(BASELINE, _p50) if BASELINE in found.rows else None
    for row in found.rows:
        added = found.added(row, _p50)
        lines.append(
            f"| {row} | {_number(added)} |"
            f" {_times(added / base) if base and row != DIRECT else '-'} |"
            f" {_number(found.added(row, _p99))} |"
            f" {found.median(row, _streams):,.0f} | {_times(found.ratio(row, _streams))} |"
            f" {found.median(row, lambda turn: turn.streams.first_byte[0]):,.0f} |"
            f" {found.median(row, lambda turn: turn.streams.first_byte[1]):,.0f} |"
        )
    return lines


def _cost(found: Rounds) -> list[str]:
    lines = [
        COST_HEAD,
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row} | {found.median(row, lambda turn: turn.start):.2f} |"
        f" {found.median(row, lambda turn: turn.memory[0]):.0f} |"
        f" {found.median(row, lambda turn: turn.memory[1]):.0f} |"
        f" {_number(found.median(row, lambda turn: turn.memory_of_helpers[1]))} |"
        f" {_number(found.median(row, lambda turn: turn.helpers))} |"
        for row in found.rows
        if row != DIRECT
    ]
    return lines


def _rate(turn: Turn) -> float:
    return turn.many.rate


def _cpu(turn: Turn) -> float:
    return turn.cpu


def _p50(turn: Turn) -> float:
    return turn.one.whole[0]


def _p99(turn: Turn) -> float:
    return turn.one.whole[1]


def _streams(turn: Turn) -> float:
    return turn.streams.rate


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.3g}"


def _number(value: float) -> str:
    return f"{value:,.1f}" if value else "-"


def _share(value: float) -> str:
    return f"{min(value, 1.0):.0%}" if value else "-"


def main() -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each load of each turn")
    parser.add_argument("--load", default=os.environ.get("GATEWAY_LOAD"), help="a program")
    parser.add_argument("--upstream", default=os.environ.get("GATEWAY_UPSTREAM"), help="a program")
    parser.add_argument("--only", action="append", help="a system's name; may be repeated")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(
            [given.load] if given.load else [sys.executable, str(HERE / "load.py")],
            [given.upstream] if given.upstream else [sys.executable, str(HERE / "upstream.py")],
            Cores.of_this_machine(),
            given.seconds,
            Path(folder),
        )
        chosen = [each for each in systems() if not given.only or each.name in given.only]
        text = report(run(bench, given.rounds, chosen))
    given.out.write_text(text, "utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
