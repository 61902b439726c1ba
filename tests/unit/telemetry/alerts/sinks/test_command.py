"""A command that really runs."""

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crossmodel.domain.alerts import Notification, Severity
from crossmodel.errors import ConfigurationError
from crossmodel.telemetry.alerts.sink import SinkError
from crossmodel.telemetry.alerts.sinks import CommandSink

NOTE = Notification("ntf_1", datetime(2026, 1, 1, tzinfo=UTC), Severity.CRITICAL, "t", b'{"a":1}')

WRITE = """
import json, os, sys
said = {"stdin": sys.stdin.read(), "argv": sys.argv[2:], "env": dict(os.environ)}
open(sys.argv[1], "w").write(json.dumps(said))
"""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_it_gets_the_notification_and_nobodys_keys(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    CommandSink("c", [sys.executable, "-c", WRITE, str(tmp_path / "out"), "$(id)", "; ls"]).deliver(
        NOTE
    )
    said = json.loads((tmp_path / "out").read_text())
    assert said["stdin"] == '{"a":1}'
    assert said["argv"] == ["$(id)", "; ls"]  # no shell has read them
    assert said["env"]["CROSSMODEL_ALERT_ID"] == "ntf_1"
    assert "sk-secret" not in said["env"].values()


def test_a_failure_is_told_by_its_code():
    with pytest.raises(SinkError, match="exit code 3"):
        CommandSink("c", [sys.executable, "-c", "raise SystemExit(3)"]).deliver(NOTE)


def test_what_does_not_exist_is_a_failure():
    with pytest.raises(SinkError, match="FileNotFoundError"):
        CommandSink("c", ["/no/such/program"]).deliver(NOTE)


FORK = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize(("sleeps", "fails"), [("60", True), ("0", False)])
def test_all_that_it_has_started_ends_with_it(tmp_path, sleeps, fails):
    pid_file = tmp_path / "pid"
    made = CommandSink(
        "c", [sys.executable, "-c", FORK, str(pid_file), sleeps], time_limit_seconds=3
    )
    began = time.monotonic()
    if fails:
        with pytest.raises(SinkError, match="more than 3 s"):
            made.deliver(NOTE)
    else:
        made.deliver(NOTE)
    assert time.monotonic() - began < 20
    child = int(pid_file.read_text())
    end = time.monotonic() + 5
    while is_alive(child):
        assert time.monotonic() < end, "it lives on"
        time.sleep(0.01)


def test_one_that_does_not_read_is_no_trouble():
    big = Notification("n", NOTE.created_at, Severity.INFO, "t", b"x" * 10_000_000)
    CommandSink("c", [sys.executable, "-c", "pass"]).deliver(big)


@pytest.mark.parametrize("command", [[], [""], "rm -rf /", ["a\0b"]])
def test_what_is_no_command_is_refused(command):
    with pytest.raises(ConfigurationError, match="command"):
        CommandSink("c", command)
