"""Time that goes on when a test says so, and sinks that do what a test says."""

from datetime import UTC, datetime, timedelta

import pytest

from crossmodel.domain.alerts import Severity
from crossmodel.telemetry.alerts.sink import SinkError


class Clock:
    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now

    def go(self, seconds):
        self.now += timedelta(seconds=seconds)


class ScriptedSink:
    """Takes notifications while it is well."""

    def __init__(self, name="ops", least_severity=Severity.INFO, time_limit_seconds=5.0):
        self.name, self.least_severity = name, least_severity
        self.time_limit_seconds = time_limit_seconds
        self.taken, self.attempts, self.error = [], 0, None

    def deliver(self, notification):
        self.attempts += 1
        if self.error is not None:
            raise self.error
        self.taken.append(notification)

    @property
    def titles(self):
        return [each.title for each in self.taken]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sink():
    return ScriptedSink()


@pytest.fixture
def make_sink():
    return ScriptedSink


@pytest.fixture
def down():
    return SinkError("down")
