"""``crossmodel extract --jsonl``: many rows, by processes, interrupted and gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RULE = "Release tags of team {n} must start with rel-{n}- and end with the year.\n"


def rows(count, size=3):
    return [
        {
            "id": f"r{n}",
            "source_model": "big",
            "output": "\n".join(RULE.format(n=n * 100 + k) for k in range(size)),
        }
        for n in range(count)
    ]


def write(path, listed):
    path.write_text("".join(json.dumps(row) + "\n" for row in listed), encoding="utf-8")


def command(tmp_path, *options):
    return [
        sys.executable, "-m", "crossmodel", "extract", "--jsonl", str(tmp_path / "in.jsonl"),
        "--out", str(tmp_path / "out.jsonl"), *options,
    ]  # fmt: skip


def run(tmp_path, *options):
    return subprocess.run(
        command(tmp_path, *options), capture_output=True, text=True, timeout=120, check=False
    )


def out(tmp_path):
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


def leftovers(tmp_path):
    return [file.name for file in tmp_path.iterdir() if file.name.startswith(".")]


@pytest.mark.slow
def test_processes_write_the_rows_of_one_in_order(tmp_path):
    listed = rows(300)
    listed[7]["output"] = ""
    listed[9] = {"id": "no answer"}
    write(tmp_path / "in.jsonl", listed)
    alone = run(tmp_path, "--workers", "1")
    assert alone.returncode != 0
    assert "skipped in.jsonl:10" in alone.stderr
    first = (tmp_path / "out.jsonl").read_bytes()
    several = run(tmp_path, "--workers", "3")
    assert (several.returncode, several.stderr) == (alone.returncode, alone.stderr)
    assert (tmp_path / "out.jsonl").read_bytes() == first
    found = out(tmp_path)
    assert [row["id"] for row in found] == [row["id"] for row in listed if row.get("output")]
    assert all(len(row["insights"]) == 3 for row in found)
    assert not leftovers(tmp_path)


def kill_in_the_middle(tmp_path, *options):
    process = subprocess.Popen(command(tmp_path, *options), stderr=subprocess.DEVNULL)
    part = tmp_path / ".out.jsonl.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 20_000):
        assert time.monotonic() < deadline
        assert process.poll() is None, "it was done before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return part.read_bytes().count(b"\n")


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_killed_run_goes_on_where_it_was(tmp_path, workers):
    write(tmp_path / "in.jsonl", rows(4000))
    done = kill_in_the_middle(tmp_path, "--workers", workers)
    assert 0 < done < 4000
    assert not (tmp_path / "out.jsonl").exists()
    again = run(tmp_path, "--workers", workers)
    assert again.returncode == 0, again.stderr
    assert f"{done} answers were done before" in again.stderr
    assert [row["id"] for row in out(tmp_path)] == [f"r{n}" for n in range(4000)]
    resumed = (tmp_path / "out.jsonl").read_bytes()
    (tmp_path / "out.jsonl").unlink()
    assert run(tmp_path, "--workers", workers).returncode == 0
    assert (tmp_path / "out.jsonl").read_bytes() == resumed
    assert not leftovers(tmp_path)


@pytest.mark.slow
def test_what_changed_since_is_done_again(tmp_path):
    listed = rows(4000)
    write(tmp_path / "in.jsonl", listed)
    done = kill_in_the_middle(tmp_path)
    listed[done // 2]["output"] = RULE.format(n="new")
    write(tmp_path / "in.jsonl", listed)
    again = run(tmp_path)
    assert f"{done // 2} answers were done before" in again.stderr
    found = out(tmp_path)
    assert len(found) == 4000
    assert "rel-new-" in found[done // 2]["insights"][0]["content"]


@pytest.mark.slow
def test_workers_die_with_their_parent_and_a_target_has_one_writer(tmp_path):
    write(tmp_path / "in.jsonl", rows(20_000))
    process = subprocess.Popen(command(tmp_path, "--workers", "2"), stderr=subprocess.DEVNULL)
    part = tmp_path / ".out.jsonl.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    second = run(tmp_path)
    assert second.returncode != 0
    assert "another run is writing" in second.stderr
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(children) == 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)
