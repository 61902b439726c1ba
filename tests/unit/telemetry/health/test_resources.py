"""Processors, memory, disks, file descriptors and the event loop."""

import asyncio
import os
import resource
import threading
import time
from pathlib import Path

import pytest

from crossmodel import ResourceUtilizationHealthCheck
from crossmodel.domain.alerts import Severity
from crossmodel.errors import InvalidInputError
from crossmodel.telemetry.health import cgroup
from crossmodel.telemetry.health.loop_lag import LoopLag
from crossmodel.telemetry.health.usage import Usage


class Machine:
    """A machine that is as full as a test says."""

    def __init__(self, **shares):
        self.shares = {"cpu": 0.1, "memory": 0.1, "file_descriptors": 0.1, "disk": 0.1} | shares
        self.seconds = 60.0

    def cpu(self):
        return self.shares["cpu"], self.seconds

    def memory(self):
        return self.shares["memory"]

    def file_descriptors(self):
        return self.shares["file_descriptors"]

    def process_bytes(self):
        return 1_000_000

    def disk(self, _folder):
        return self.shares["disk"], 1_000_000


def found(machine, **more):
    result = ResourceUtilizationHealthCheck(usage=machine, **more).check()
    return result.is_healthy, [(each.subject, each.severity) for each in result.findings]


@pytest.mark.parametrize("name", ["memory", "file_descriptors", "disk"])
def test_without_them_requests_fail(name):
    healthy, findings = found(Machine(**{name: 0.97}))
    assert not healthy
    assert [severity for _, severity in findings] == [Severity.CRITICAL]
    assert findings[0][0].startswith(name)


def test_busy_processors_pass_by_themselves_so_they_are_a_warning():
    assert found(Machine(cpu=0.99)) == (True, [("cpu", Severity.WARNING)])


def test_a_moment_of_busy_processors_says_nothing():
    machine = Machine(cpu=1.0)
    machine.seconds = 0.1
    assert found(machine) == (True, [])


def test_what_is_not_known_is_not_judged():
    assert found(Machine(file_descriptors=None)) == (True, [])


def test_a_limit_of_one_is_none():
    assert found(Machine(memory=1.0, disk=1.0), max_memory=1.0, max_disk=1.0) == (True, [])


def test_a_figure_at_its_limit_does_not_come_and_go():
    machine = Machine()
    check = ResourceUtilizationHealthCheck(usage=machine, max_memory=0.9)
    seen = []
    for share in (0.89, 0.91, 0.895, 0.885, 0.91, 0.87, 0.89):
        machine.shares["memory"] = share
        seen.append(check.check().is_healthy)
    assert seen == [True, False, False, False, False, True, True]


def test_a_loop_that_is_late_is_a_warning():
    assert found(Machine(), loop_lag=lambda: 900.0) == (True, [("loop_lag", Severity.WARNING)])


@pytest.mark.parametrize("more", [
    {"max_cpu": 0}, {"max_memory": 1.1}, {"max_disk": float("nan")}, {"max_loop_lag_ms": 0},
])  # fmt: skip
def test_limits_that_cannot_be_are_refused(more):
    with pytest.raises(InvalidInputError, match=next(iter(more))):
        ResourceUtilizationHealthCheck(**more)


def test_this_machine_is_really_looked_at(tmp_path):
    usage = Usage()
    usage.cpu()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
    share, seconds = usage.cpu()
    assert 0.05 < share <= 1
    assert seconds >= 0.5
    assert 0 < usage.memory() <= 1
    assert usage.process_bytes() > 1_000_000
    share, free = usage.disk(tmp_path)
    assert 0 <= share <= 1
    assert free == pytest.approx(
        os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize, rel=0.1
    )


def test_open_files_count_against_the_limit(tmp_path):
    usage = Usage()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    files = []
    try:
        before = usage.file_descriptors()
        files = [(tmp_path / "f").open("w") for _ in range(200)]
        assert usage.file_descriptors() - before == pytest.approx(200 / 1024)
    finally:
        for each in files:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.fixture
def tree(tmp_path):
    """A control group of a container within one of a service."""
    root = tmp_path / "cgroup"
    write(root, cgroup__controllers="cpu memory\n")
    outer, inner = root / "service", root / "service" / "box"
    write(outer, memory__max="1000\n", memory__current="500\n", cpu__max="200000 100000\n",
          cpu__stat="usage_usec 5000000\nuser_usec 1\n")  # fmt: skip
    write(inner, memory__max="400\n", memory__current="390\n", memory__stat="anon 1\ninactive_file 90\n",
          cpu__max="50000 100000\n", cpu__stat="usage_usec 1500000\n")  # fmt: skip
    own = tmp_path / "own"
    own.write_text("0::/service/box\n")
    return root, own, inner, outer


def test_the_nearest_limit_counts_without_files_that_can_be_read_again(tree):
    root, own, inner, outer = tree
    groups = cgroup.groups(root, own)
    assert groups == [inner, outer, root]
    assert cgroup.memory(groups) == cgroup.MemoryUse(300, 400)
    (outer / "memory.current").write_text("900\n")
    assert cgroup.memory(groups) == cgroup.MemoryUse(900, 1000)
    assert cgroup.cpu_limit(groups) == (inner, 0.5)
    assert cgroup.cpu_seconds(inner) == 1.5


@pytest.mark.parametrize("text", ["max\n", "", "junk", "-1", "\xff", "0"])
def test_what_is_no_limit_is_none(tree, text):
    root, own, inner, outer = tree
    for group in (inner, outer):
        (group / "memory.max").write_text(text)
        (group / "cpu.max").write_text(f"{text} 100000")
    groups = cgroup.groups(root, own)
    assert cgroup.memory(groups) is None
    limit = cgroup.cpu_limit(groups)
    assert limit is None or limit[1] == 0


@pytest.mark.parametrize("text", ["", "1:name=systemd:/\n", "0::relative\n"])
def test_without_control_groups_of_version_two_there_are_none(tree, text):
    root, own, *_ = tree
    own.write_text(text)
    assert cgroup.groups(root, own) == []
    assert cgroup.groups(root, own.with_name("missing")) == []


def test_the_share_of_processors_is_that_of_what_a_container_may_use(tree, monkeypatch):
    root, own, inner, _ = tree
    groups = cgroup.groups(root, own)
    monkeypatch.setattr(cgroup, "groups", lambda: groups)
    now = [100.0]
    monkeypatch.setattr("crossmodel.telemetry.health.usage.time.monotonic", lambda: now[0])
    usage = Usage()
    now[0] += 10
    (inner / "cpu.stat").write_text("usage_usec 5500000\n")  # 4 s within 10 s, of half a processor
    assert usage.cpu() == (pytest.approx(0.8), 10.0)
    assert usage.memory() >= 0.75


async def test_a_loop_that_was_blocked_says_so():
    lag = LoopLag(asyncio.get_running_loop())
    lag.start()
    await asyncio.sleep(0.3)
    before = lag()
    time.sleep(0.8)
    seen = []
    reader = threading.Thread(target=lambda: seen.append(lag()))
    reader.start()
    reader.join()
    assert seen[0] > 400  # though the timer has not come yet
    await asyncio.sleep(0.3)
    assert lag() > max(400, before)
    lag.stop()
    lag.stop()


def test_a_folder_that_is_gone_is_an_error_of_the_check():
    with pytest.raises(OSError, match="nowhere"):
        ResourceUtilizationHealthCheck(folders=[Path("/nowhere")]).check()
