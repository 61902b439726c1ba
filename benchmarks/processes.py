"""Requests a second through one, two and more gateway processes on one port.

``python benchmarks/processes.py`` writes ``benchmarks/processes.md``. Everything shares the
machine: gateways, load generator, upstream and the writer of the log. So what grows with processes
is told beside what it costs: the core time of a request, and how evenly they share the load.
``--load`` and ``--upstream`` are as in ``gateway.py``.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway_peers.measuring import Bench, body
from gateway_peers.processes import ANYWHERE, Cores, Spent, rss_bytes
from gateway_peers.systems import HERE, KEY, MODEL, CrossModelGateway

from crossmodel import CrossModelConsciousnessDeployment, DeploymentConfig

CONNECTIONS: Final = 64
HOW: Final = """\
Written by `benchmarks/processes.py`: {rounds} rounds of {seconds:g} s in turns, medians;
{connections} connections; Python {python}, {processors} processors, which gateways, load generator,
upstream and the writer of the log share."""
HEAD: Final = (
    "| gateways | requests/s | of one | µs of core a request | of it the gateways' |"
    " busiest / idlest | MiB each | failures |"
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one load measured: rates a second, times in microseconds, memory in MiB."""

    rate: float
    machine: float
    gateways: float
    uneven: float
    memory: float
    failures: int


def measure(bench: Bench, upstream: int, instances: int) -> Turn:
    """One deployment of so many gateways under one load."""
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    start = CrossModelGateway("CrossModel", {MODEL: ""}).start(0, upstream, folder)
    config = Path(start.command[-1])
    os.environ |= start.env
    deployment = CrossModelConsciousnessDeployment(
        DeploymentConfig(instances=instances, listen="127.0.0.1:0", config_path=str(config))
    )
    result = deployment.deploy()
    if not result.success:
        raise RuntimeError(result.error)
    try:
        status = deployment.status()
        port = int(status.url.rpartition(":")[2])
        pids = [each.pid for each in status.instances]
        bench.ask(port, body(MODEL), CONNECTIONS, 1.0)
        spent, busy, began = [Spent.of(pid).used for pid in pids], _busy(), time.perf_counter()
        load = bench.ask(port, body(MODEL), CONNECTIONS, bench.seconds)
        wall = time.perf_counter() - began
        used = [Spent.of(pid).used - before for pid, before in zip(pids, spent, strict=True)]
        asked = load.rate * wall
        return Turn(
            load.rate,
            (_busy() - busy) / asked * 1e6,
            sum(used) / asked * 1e6,
            max(used) / max(min(used), 1e-9),
            sum(map(rss_bytes, pids)) / len(pids) / 1024**2,
            load.failures,
        )
    finally:
        deployment.undeploy()


def _busy() -> float:
    """Seconds of core that the machine has used since it started."""
    fields = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:]
    user, nice, system, _idle, _wait, *rest = map(int, fields)
    return (user + nice + system + sum(rest[:2])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--gateways", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--load", default=os.environ.get("GATEWAY_LOAD"))
    parser.add_argument("--upstream", default=os.environ.get("GATEWAY_UPSTREAM"))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crossmodel-bench-") as name:
        bench = Bench(
            [asked.load] if asked.load else [sys.executable, str(HERE / "load.py")],
            [asked.upstream] if asked.upstream else [sys.executable, str(HERE / "upstream.py")],
            Cores(ANYWHERE, ANYWHERE),
            asked.seconds,
            Path(name),
        )
        os.environ["BENCH_KEY"] = KEY
        found: dict[int, list[Turn]] = {count: [] for count in asked.gateways}
        with bench.provider() as upstream:
            for _ in range(asked.rounds):
                for count in asked.gateways:
                    found[count].append(measure(bench, upstream, count))
                    sys.stderr.write(f"{count}: {found[count][-1]}\n")
    how = HOW.format(
        rounds=asked.rounds,
        seconds=asked.seconds,
        connections=CONNECTIONS,
        python=platform.python_version(),
        processors=os.cpu_count(),
    )
    asked.out.write_text(f"# Processes on one port\n\n{how}\n\n{_table(found)}\n", "utf-8")


def _table(found: dict[int, list[Turn]]) -> str:
    lines = [HEAD, "|---:|---:|---:|---:|---:|---:|---:|---:|"]
    one = found[min(found)]
    for count, turns in found.items():
        ratio = statistics.median(t.rate / o.rate for t, o in zip(turns, one, strict=True))

        def median(name: str, turns: list[Turn] = turns) -> float:
            return statistics.median(getattr(turn, name) for turn in turns)

        lines.append(
            f"| {count} | {median('rate'):,.0f} | {ratio:.2f} | {median('machine'):.0f} "
            f"| {median('gateways'):.0f} | {median('uneven'):.2f} | {median('memory'):.0f} "
            f"| {sum(turn.failures for turn in turns)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
