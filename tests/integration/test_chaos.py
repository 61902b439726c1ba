"""The chaos run: its clients tell every ending apart, its checks can fail, and a short one passes."""

import importlib
import random
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def rig(monkeypatch):
    """The modules of the chaos run, by name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return lambda name: importlib.import_module(f"chaos_rig.{name}")


@pytest.fixture
def wants(rig):
    """Makes a request for a behaviour, straight to the upstream."""
    asks = rig("asks")

    def make(behaviour, **more):
        word = asks.marker(random.Random(7))
        return asks.Ask(behaviour, behaviour, word, "sk-none", **more)

    return make


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("streams", [False, True])
async def test_what_is_whole_passes_for_whole(rig, wants, upstream, path, streams):
    client, asks = rig("client"), rig("asks")
    for behaviour in (*asks.WELL, asks.BIG):
        wanted = wants(behaviour, path=path, streams=streams)
        answer = await client.ask(upstream.port, wanted.request, 5.0)
        if "flaky" in behaviour:
            assert answer.ending is client.Ending.ERROR
            answer = await client.ask(upstream.port, wanted.request, 5.0)
        elif behaviour == "text+close":  # no length: the gateway gives it one
            assert answer.ending is client.Ending.CUT
            continue
        assert answer.ending is client.Ending.WHOLE, behaviour
        assert not wanted.is_false(answer), behaviour


@pytest.mark.parametrize("streams", [False, True])
async def test_what_is_broken_never_passes_for_whole(rig, wants, upstream, streams):
    client, asks = rig("client"), rig("asks")
    for behaviour in asks.BROKEN:
        wanted = wants(behaviour, streams=streams)
        answer = await client.ask(upstream.port, wanted.request, 0.3)
        expected = (
            {client.Ending.HUNG}
            if "stall" in behaviour
            else {client.Ending.ERROR}
            if "status" in behaviour or "retry" in behaviour
            else {client.Ending.CUT, client.Ending.UNREACHED}
        )
        assert answer.ending in expected, behaviour
        assert not wanted.is_false(answer), behaviour


@pytest.mark.parametrize("streams", [False, True])
async def test_an_answer_that_only_looks_whole_is_found_out(rig, wants, upstream, streams):
    client = rig("client")
    wanted = wants("long-40", streams=streams)
    answer = await client.ask(upstream.port, wanted.request, 5.0)
    assert not wanted.is_false(answer)
    whole = bytes(answer.body)
    answer.body[:] = whole[: len(whole) // 2]  # the end of the message came all the same
    assert wanted.is_false(answer)
    answer.body[:] = whole.replace(b"w39 ", b"")
    assert wanted.is_false(answer)
    answer.body[:] = whole
    assert wants("long-40+drop-5", streams=streams).is_false(answer)
    assert wants("text", streams=streams).is_false(answer)  # it is somebody else's


async def test_clients_leave_when_they_mean_to(rig, wants, upstream):
    client = rig("client")
    for manner in (
        client.Manner(sends=0.5, leaves_after=0.05),
        client.Manner(leaves_after=0.05, resets=True),
        client.Manner(leaves_after_bytes=500),
    ):
        wanted = wants("long-400+slow-20", streams=True, manner=manner)
        answer = await client.ask(upstream.port, wanted.request, 5.0, manner)
        assert answer.ending is client.Ending.LEFT
        assert answer.ended - answer.began < 1.0
    upstream.idle()


async def test_a_slow_reader_gets_all_of_it(rig, wants, upstream):
    client = rig("client")
    wanted = wants("big", streams=True)
    answer = await client.ask(upstream.port, wanted.request, 10.0, client.Manner(pause=0.005))
    assert answer.ending is client.Ending.WHOLE
    assert not wanted.is_false(answer)
    assert answer.ended - answer.began > 0.1  # at least 20 pieces


async def test_nobody_there_is_told_from_hung(rig, wants):
    client = rig("client")
    free = importlib.import_module("gateway_peers.processes").free_port()
    answer = await client.ask(free, wants("text").request, 1.0)
    assert answer.ending is client.Ending.UNREACHED


async def test_the_provider_counts_what_the_budget_is_held_against(rig, wants, upstream):
    client, asks, verdict = rig("client"), rig("asks"), rig("verdict")
    price = verdict.OUTPUT_PRICE / 1e6
    for behaviour in asks.METERED:
        wanted = wants(behaviour, streams=True)
        await client.ask(upstream.port, wanted.request, 5.0)
        cost = verdict._cost(upstream.last())
        words = len(f"user: Please say {wanted.marker} once more.".split())
        written = (cost - words * verdict.INPUT_PRICE / 1e6) / price
        assert written == pytest.approx(7 if "drop" in behaviour else asks.METERED_TOKENS)


@pytest.mark.parametrize("mounts", [True, False])
def test_the_disk_is_full_and_free_again(rig, tmp_path, mounts, monkeypatch):
    disks = rig("disk")
    if not mounts:
        monkeypatch.setattr(disks, "_mount", lambda *_: False)
    with disks.disk(tmp_path) as disk:
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path / "file")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

        def writes():
            writer.stdin.write("\n")
            writer.stdin.flush()
            return writer.stdout.readline().strip()

        try:
            assert writes() == "written"
            disk.fill([writer.pid])
            assert writes() in {"ENOSPC", "EFBIG"}
            disk.free([writer.pid])
            assert writes() == "written"
        finally:
            writer.kill()
            writer.communicate()


_WRITER = """
import errno, os, sys
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
for line in sys.stdin:
    try:
        os.write(file, bytes(1 << 20))
        print("written", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
"""


@pytest.mark.slow
def test_a_short_run_ends_well():
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "chaos.py", "--minutes", "0.3", "--clients", "200"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
