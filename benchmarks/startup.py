"""How long a start takes and how much memory it leaves behind: imports, commands, engine, gateway.

``make bench`` runs it and writes the table ``benchmarks/startup.md``. Each row is a process of its
own, from exec to its end or, for the gateway, to its first answer of a small upstream. Rows take
turns, so that they can be compared on a noisy machine too. With ``--before SRC``, the ``src`` of
another checkout takes turns as well.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

ROUNDS = 5
WAIT_SECONDS = 30.0
SOURCE = Path(__file__).resolve().parents[1] / "src"
TABLE = Path(__file__).with_suffix(".md")

KEY = "cm-a-key-of-the-benchmark"
HIGH_WATER = "print(*(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')))"
OPEN = """
import asyncio, sys
from crossmodel import CrossModel
async def main():
    async with CrossModel.open(sys.argv[1]) as cm:
        cm.select("coding")
        {high_water}
asyncio.run(main())
"""
SETTINGS = """
[gateway]
listen = "127.0.0.1:{listen}"
control = "127.0.0.1:{control}"
[store]
url = "sqlite:///{folder}/s.db"
[witness]
key_dir = "{folder}/keys"
[[providers]]
id = "upstream"
kind = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
[[models]]
id = "ok"
provider = "upstream"
capabilities = {{ coding = 0.6 }}
[[keys]]
name = "bench"
key_env = "CROSSMODEL_BENCH_KEY"
"""


class Start(NamedTuple):
    """One start: seconds from exec on, those of the processor, and the most memory held, in MB."""

    seconds: float
    processor_seconds: float
    megabytes: float


Measured = Callable[[Path, Path], Start]
"""Starts what a row is about: with the sources of a checkout, in a folder of its own."""


def run(*arguments: str, source: Path, folder: Path) -> Start:
    """A process of Python, to its end; it prints its high-water mark, or the system tells it."""
    settled = [each.format(folder=folder, high_water=HIGH_WATER) for each in arguments]
    started = time.perf_counter()
    process = _spawn(settled, source, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read().split()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"python {' '.join(settled)} ended with {process.returncode}")
    own = len(said) == 1 and said[0].isdigit()
    kilobytes = int(said[0]) if own else usage.ru_maxrss
    return Start(seconds, usage.ru_utime + usage.ru_stime, kilobytes * 1024 / 1e6)


def first(measured: Measured, source: Path, folder: Path) -> Start:
    """The same with an empty folder: a new store, and new keys."""
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        new = Path(empty)
        new.joinpath("crossmodel.toml").write_text(_settings(new, 0))
        return measured(source, new)


def serve(source: Path, folder: Path) -> Start:
    """``crossmodel serve`` up to its first answer with status 200."""
    with upstream() as port, tempfile.TemporaryDirectory(dir=folder) as empty:
        settings = Path(empty) / "crossmodel.toml"
        settings.write_text(_settings(Path(empty), port))
        address = settings.read_text().split('listen = "')[1].split('"')[0]
        started = time.perf_counter()
        process = _spawn(["-m", "crossmodel", "serve", "--config", str(settings)], source)
        try:
            while not _answers(address):
                if process.poll() is not None or time.perf_counter() - started > WAIT_SECONDS:
                    raise RuntimeError("crossmodel serve did not answer")
                time.sleep(0.002)
            seconds = time.perf_counter() - started
            status = Path(f"/proc/{process.pid}/status").read_text()
            kilobytes = int(status.split("VmHWM:")[1].split()[0])
            ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            used = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
            return Start(seconds, used, kilobytes * 1024 / 1e6)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(WAIT_SECONDS)


@contextmanager
def upstream() -> Iterator[int]:
    """A server of chat completions on a port of its own."""
    answer = json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "ok",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Yes."},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
    ).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing: the table is the output."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _answers(address: str) -> bool:
    body = json.dumps({"model": "ok", "messages": [{"role": "user", "content": "Yes?"}]})
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    connection = http.client.HTTPConnection(address, timeout=WAIT_SECONDS)
    try:
        connection.request("POST", "/v1/chat/completions", body, headers)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _settings(folder: Path, port: int) -> str:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        listen, control = one.getsockname()[1], other.getsockname()[1]
    return SETTINGS.format(folder=folder, listen=listen, control=control, upstream=port)


def _spawn(
    arguments: list[str], source: Path, stdout: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(source), "CROSSMODEL_BENCH_KEY": KEY}
    return subprocess.Popen(  # noqa: S603 - our own arguments
        [sys.executable, *arguments], env=environment, stdout=stdout
    )


def rows(source: Path) -> dict[str, Measured]:
    """What is measured, by its name; the gateway where these sources have one."""

    def ran(*arguments: str) -> Measured:
        return lambda source, folder: run(*arguments, source=source, folder=folder)

    opened = ran("-c", OPEN.format(high_water=HIGH_WATER), "{folder}/crossmodel.toml")
    found: dict[str, Measured] = {
        "python -c pass": ran("-c", HIGH_WATER),
        "import crossmodel": ran("-c", f"import crossmodel; {HIGH_WATER}"),
        "crossmodel --version": ran("-m", "crossmodel", "--version"),
        "crossmodel --help": ran("-m", "crossmodel", "--help"),
        "crossmodel select": ran(
            "-m", "crossmodel", "select", "--capability", "coding",
            "--config", "{folder}/crossmodel.toml",
        ),
        "the engine opened, a new store and new keys": partial(first, opened),
        "the engine opened": opened,
    }  # fmt: skip
    has_gateway = "serve" in _help(source)
    return found | ({"crossmodel serve, to the first answer": serve} if has_gateway else {})


def _help(source: Path) -> list[str]:
    process = _spawn(["-m", "crossmodel", "--help"], source, stdout=subprocess.PIPE)
    return process.communicate()[0].decode().split()


def measure(before: Path | None = None) -> str:
    """Start everything in turns; the table."""
    sources = [SOURCE] if before is None else [before, SOURCE]
    starts: dict[tuple[str, Path], list[Start]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.joinpath("crossmodel.toml").write_text(_settings(folder, 0))
        found = {source: rows(source) for source in sources}
        for _ in range(ROUNDS):
            for row in found[SOURCE]:
                for source in sources:
                    if row in found[source]:
                        start = found[source][row](source, folder)
                        starts.setdefault((row, source), []).append(start)
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    columns = ["s", "CPU s", "MB"]
    if before is not None:
        columns = [f"{name}{when}" for name in columns for when in (" before", "")]
    lines = [
        "# A start",
        "",
        f"Medians of {ROUNDS} processes each, in turns; {machine}, {os.cpu_count()} processors,",
        "other work beside. MB are the most that the process held, shared libraries included.",
        "",
        f"| what | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    for row in found[SOURCE]:
        each = [starts.get((row, source)) for source in sources]
        cells = [_median(some, part) for part in range(3) for some in each]
        lines.append(f"| {' | '.join([row, *cells])} |")
    return "\n".join(lines) + "\n"


def _median(starts: list[Start] | None, part: int) -> str:
    if not starts:
        return "none"
    form = "{:.0f}" if Start._fields[part] == "megabytes" else "{:.2f}"
    return form.format(statistics.median(start[part] for start in starts))


def main() -> None:
    """Measure, print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="the src folder of another checkout")
    table = measure(parser.parse_args().before)
    TABLE.write_text(table)
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
