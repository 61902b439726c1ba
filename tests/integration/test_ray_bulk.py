"""Bulk work on Ray Data: the same bytes as on one process, whatever is killed meanwhile."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest
from ray_cluster import kill_one, local_ray, settings_in
from typer.testing import CliRunner

from crossmodel.cli import extract_spread
from crossmodel.cli.app import app
from crossmodel.errors import CrossModelError, InvalidInputError, StoreConflictError
from crossmodel.settings import load_settings
from crossmodel.store import open_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # Ray warns of its own future
]

EXAMPLES = Path(__file__).parents[2] / "examples"
RULE = "Release tags of team {n} must start with rel-{n}- and end with the year.\n"


@pytest.fixture(scope="module", autouse=True)
def ray_cluster():
    with warnings.catch_warnings(), local_ray():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def spread(ray_cluster):
    from crossmodel.deployment.ray.spreading import spreading

    with spreading() as shared:
        yield shared


def run(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)


def log(path, count, size=3):
    """A log of answers, some lines of which nobody can read."""
    with path.open("wb") as file:
        for n in range(count):
            output = "".join(RULE.format(n=n * 100 + k) for k in range(size))
            row = {"id": f"r{n}", "source_model": "big", "output": output}
            file.write(json.dumps(row).encode() + b"\n")
            if n % 500 == 7:
                file.write(b'{"id": "no answer"}\n{broken\n\n{"output": "caf\xe9"}\n')
    return path


def small_shards(monkeypatch, size=64 * 1024):
    cut = extract_spread.cut
    monkeypatch.setattr(extract_spread, "cut", lambda files, spread: cut(files, spread, size))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A log, and the rows that one process makes of it, once for all tests."""
    folder = tmp_path_factory.mktemp("alone")
    source, out = log(folder / "in.jsonl", 4000), folder / "out.jsonl"
    result = run("extract", "--jsonl", source, "--out", out, "--workers", 1)
    assert result.exit_code == 1  # some lines are unreadable
    return source, out.read_bytes(), result.stderr


def test_rows_are_those_of_one_process_to_the_byte(tmp_path, alone):
    source, rows, said = alone
    result = run("extract", "--jsonl", source, "--out", tmp_path / "out", "--engine", "ray")
    assert (result.exit_code, result.stderr) == (1, said)
    assert (tmp_path / "out").read_bytes() == rows
    remote = run("extract", "--jsonl", source.as_uri(), "--out", tmp_path / "local")
    assert (remote.exit_code, remote.stderr) == (1, said)
    assert (tmp_path / "local").read_bytes() == rows
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_workers_that_are_killed_cost_time_and_nothing_else(tmp_path, alone, monkeypatch):
    source, rows, said = alone
    small_shards(monkeypatch)
    killed, over = [], threading.Event()

    def kill():
        while not over.wait(1.0) and len(killed) < 6:
            name = "ray::" if len(killed) % 2 else f"{sys.executable} -c from crossmodel.extr"
            if pid := kill_one(name, spare=("ServeController", "ServeReplica", "StatsActor")):
                killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        result = run("extract", "--jsonl", source, "--out", tmp_path / "out", "--engine", "ray")
    finally:
        over.set()
        killer.join()
    assert len(killed) >= 2
    assert (tmp_path / "out").read_bytes() == rows
    assert (result.exit_code, result.stderr) == (1, said)


def test_a_run_that_was_killed_on_one_process_goes_on_on_ray(tmp_path, alone, monkeypatch):
    source, rows, _ = alone
    small_shards(monkeypatch)
    out, part = tmp_path / "out", tmp_path / ".out.part"
    command = ["extract", "--jsonl", str(source), "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "crossmodel", *command, "--workers", "1"], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 1_000_000):
        assert time.monotonic() < deadline
        assert process.poll() is None, "it was done before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = part.read_bytes().count(b"\n")
    assert 0 < done < 4000
    result = run(*command, "--engine", "ray")
    assert f"{done} answers were done before" in result.stderr
    assert result.stderr.count("skipped") == 24  # those of the parts that were done as well
    assert out.read_bytes() == rows


async def kept(settings):
    """What a store holds: insights, records, sums of traffic, and marks of this work."""
    store = await open_store(settings.store.url)
    try:
        return await store.read(
            lambda tx: (
                sorted((i.id, i.content, i.links) for i in tx.list_insights("default", limit=9999)),
                tx.log_size(),
            )
        )
    finally:
        await store.close()


class InterruptedRunError(Exception):
    """A run that ends where a test wants it to."""


async def test_a_store_gets_each_insight_once_however_often_the_run_is_interrupted(
    tmp_path, monkeypatch, spread
):
    small_shards(monkeypatch, 20_000)
    source = log(tmp_path / "in.jsonl", 300)
    one, other = settings_in(tmp_path / "one", "big"), settings_in(tmp_path / "other", "big")
    assert (await asyncio.to_thread(run, "extract", source, "-c", one)).exit_code == 1

    def broken_off(after):
        def few(work, items):
            for position, made in enumerate(spread(work, items)):
                if position == after and work.__name__ == "insights":
                    raise InterruptedRunError
                yield made

        return few

    settings = load_settings(other)
    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            await extract_spread.learn([str(source)], "unknown", settings, broken_off(2))
    done = await extract_spread.learn([str(source)], "unknown", settings, spread)
    assert done.resumed == 4
    assert done.shards > 4
    assert done.witnessed == done.insights > 0
    assert await kept(settings) == await kept(load_settings(one))
    again = await extract_spread.learn([str(source)], "unknown", settings, spread)
    assert (again.resumed, again.answers, again.witnessed) == (0, 300, 0)
    assert await kept(settings) == await kept(load_settings(one))


async def test_two_runs_of_the_same_do_not_count_twice(tmp_path, monkeypatch, spread):
    small_shards(monkeypatch, 20_000)
    source = log(tmp_path / "in.jsonl", 100)
    settings = load_settings(settings_in(tmp_path / "state", "big"))

    def overtaken(work, items):
        for position, made in enumerate(map(work, items)):
            if position == 1 and work.__name__ == "insights":
                other = threading.Thread(target=lambda: first.append(again()))
                other.start()
                other.join()
            yield made

    first = []

    def again():
        return asyncio.run(extract_spread.learn([str(source)], "unknown", settings, map))

    with pytest.raises(StoreConflictError, match="another run"):
        await extract_spread.learn([str(source)], "unknown", settings, overtaken)
    assert first[0].resumed == 1
    assert first[0].witnessed == first[0].insights


def test_a_router_is_the_same_to_the_byte_from_one_file_and_from_a_folder(tmp_path):
    with (EXAMPLES / "outcomes.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    folder = tmp_path / "outcomes"
    folder.mkdir()
    for number in range(4):
        part = rows[1 + number * len(rows) // 4 : 1 + (number + 1) * len(rows) // 4]
        with (folder / f"{number}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([rows[0], *part])
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    whole = run("train-router", EXAMPLES / "outcomes.csv", "--out", one, "--json")
    spread = run("train-router", folder, "--out", other, "--engine", "ray", "--json")
    assert (whole.exit_code, spread.exit_code) == (0, 0)
    assert other.read_bytes() == one.read_bytes()
    assert spread.stdout == whole.stdout.replace("one.npz", "other.npz")


def test_figures_of_selection_are_the_same(tmp_path):
    command = ("eval", "selection", "--data", EXAMPLES / "outcomes.csv", "--label-curve", "--json")
    local, spread = run(*command), run(*command, "--engine", "ray")
    assert (local.exit_code, spread.exit_code) == (0, 0)
    assert without_times(json.loads(spread.stdout)) == without_times(json.loads(local.stdout))


def test_figures_of_extraction_are_the_same(tmp_path):
    command = ("eval", "extraction", "--data", EXAMPLES / "answers.jsonl", "--json", "--items")
    local = run(*command, tmp_path / "local")
    spread = run(*command, tmp_path / "ray", "--engine", "ray")
    assert (local.exit_code, spread.exit_code) == (0, 0)
    assert without_times(json.loads(spread.stdout)) == without_times(json.loads(local.stdout))
    assert (tmp_path / "ray").read_bytes() == (tmp_path / "local").read_bytes()


def without_times(report):
    """All figures but those of a clock."""
    if isinstance(report, dict):
        return {
            key: without_times(value)
            for key, value in report.items()
            if key not in {"ms", "throughput"}
        }
    return [without_times(each) for each in report] if isinstance(report, list) else report


def test_what_the_work_raises_is_raised_and_what_it_returns_comes_in_order(spread):
    assert list(spread(str, [])) == []
    assert list(spread(slow_first, range(5))) == list(range(5))
    with pytest.raises(InvalidInputError, match="not 3"):
        list(spread(refuse, [1, 3]))
    with pytest.raises(CrossModelError, match="ZeroDivisionError: integer division"):
        list(spread(lambda number: 1 // number, [1, 0]))


def slow_first(number):
    time.sleep(1.0 if number == 0 else 0)
    return number


def refuse(number):
    if number == 3:
        raise InvalidInputError("not 3")
    return number


def test_no_more_is_done_than_there_is_room_for(tmp_path, spread):
    megabytes = 8
    items = [(str(tmp_path / f"{n}"), megabytes) for n in range(80)]
    results = iter(spread(heavy, items))
    first = next(results)
    time.sleep(6)
    begun = len(list(tmp_path.iterdir()))
    assert begun < len(items), "all was done before anybody had taken it"
    assert len(first) == megabytes << 20
    assert sum(map(len, results)) == (len(items) - 1) * (megabytes << 20)


def heavy(item):
    path, megabytes = item
    Path(path).touch()
    return os.urandom(megabytes << 20)


def test_an_assistant_stays_on_one_machine(tmp_path):
    result = CliRunner().invoke(
        app, ["extract", "--jsonl", "in", "--out", "o", "--assisted", "smollm2", "--engine", "ray"]
    )
    assert isinstance(result.exception, InvalidInputError)
    assert "one machine" in str(result.exception)
