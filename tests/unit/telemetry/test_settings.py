"""The sections ``[health]`` and ``[alerts]``, and what is built from them."""

import math

import pytest

from crossmodel import load_settings
from crossmodel.domain.alerts import Severity
from crossmodel.errors import ConfigurationError
from crossmodel.monitoring import alert_manager, alert_sinks, folder_of, health_checks
from crossmodel.telemetry.alerts.policy import AlertPolicy
from crossmodel.telemetry.alerts.sinks import CommandSink, LogSink, MailSink, WebhookSink
from crossmodel.telemetry.health.stored import StoreFigures

MAIL = {"name": "m", "kind": "email", "host": "h", "sender": "a@b.c", "recipients": ["a@b.c"]}
HOOK = {"name": "w", "kind": "webhook", "url": "https://h/x"}


def test_nothing_is_watched_and_nobody_told_unless_that_is_set():
    settings = load_settings({})
    assert not settings.health.enabled
    assert not settings.alerts.sinks
    assert {name: getattr(settings.alerts, name) for name in AlertPolicy.__slots__} == {
        name: getattr(AlertPolicy(), name) for name in AlertPolicy.__slots__
    }


def test_sinks_become_what_they_say(monkeypatch):
    monkeypatch.setenv("WHO", "me")
    rows = [
        {"name": "l", "kind": "log", "least_severity": "warning"},
        HOOK | {"timeout_seconds": 3},
        MAIL | {"username_env": "WHO", "password_env": "WHO", "tls": "tls"},
        {"name": "c", "kind": "command", "command": ["true"]},
    ]
    sinks = alert_sinks(load_settings({"alerts": {"sinks": rows}}).alerts.sinks)
    assert [type(each) for each in sinks] == [LogSink, WebhookSink, MailSink, CommandSink]
    assert sinks[0].least_severity is Severity.WARNING
    assert sinks[1].time_limit_seconds == 3
    assert sinks[2]._port == 465


def test_without_sinks_the_log_is_told():
    manager = alert_manager(load_settings({"alerts": {"instance": "here"}}), None)
    assert list(manager.delivery_counts) == ["log"]
    assert manager.instance == "here"


@pytest.mark.parametrize(("section", "says"), [
    ({"health": {"intervall_seconds": 1}}, r"health\.intervall_seconds: .*'interval_seconds'"),
    ({"health": {"interval_seconds": 0}}, r"health\.interval_seconds"),
    ({"health": {"interval_seconds": math.inf}}, r"health\.interval_seconds"),
    ({"health": {"time_limit_seconds": -1}}, r"health\.time_limit_seconds"),
    ({"health": {"max_error_rate": 1.1}}, r"health\.max_error_rate"),
    ({"health": {"max_disk": 0}}, r"health\.max_disk"),
    ({"health": {"max_memory": "nan"}}, r"health\.max_memory"),
    ({"health": {"minimum_requests": 0}}, r"health\.minimum_requests"),
    ({"health": {"required_models": ["smollm"]}}, r"health\.required_models\[0\].*'smollm2'"),
    ({"alerts": {"fire_after_checks": 0}}, r"alerts\.fire_after_checks"),
    ({"alerts": {"group_wait_seconds": math.inf}}, r"alerts\.group_wait_seconds"),
    ({"alerts": {"sinks": [{"name": "a"}]}}, r"alerts\.sinks\[0\]\.kind: it is missing"),
    ({"alerts": {"sinks": [{"name": "a", "kind": "pager"}]}}, r"alerts\.sinks\[0\]\.kind"),
    ({"alerts": {"sinks": [{"name": "a", "kind": "log", "levl": 1}]}}, r"alerts\.sinks\[0\]\.levl"),
    ({"alerts": {"sinks": [{"name": " ", "kind": "log"}]}}, r"alerts\.sinks\[0\]\.name"),
    ({"alerts": {"sinks": [{"name": "a", "kind": "webhook"}]}}, r"alerts\.sinks\[0\]\.url"),
    ({"alerts": {"sinks": [{"name": "a", "kind": "command"}]}}, r"alerts\.sinks\[0\]\.command"),
    ({"alerts": {"sinks": [MAIL | {"recipients": []}]}}, r"alerts\.sinks\[0\]\.recipients"),
    ({"alerts": {"sinks": [MAIL | {"port": 70000}]}}, r"alerts\.sinks\[0\]\.port"),
    ({"alerts": {"sinks": [MAIL | {"tls": "ssl"}]}}, r"alerts\.sinks\[0\]\.tls"),
    ({"alerts": {"sinks": [MAIL | {"username_env": "A"}]}}, r"alerts\.sinks\[0\]\.username_env"),
    ({"alerts": {"sinks": [HOOK | {"timeout_seconds": 0}]}}, r"alerts\.sinks\[0\]\.timeout_seconds"),
    ({"alerts": {"sinks": [HOOK, HOOK]}}, r"alerts\.sinks\[1\]\.name: 'w' is there twice"),
])  # fmt: skip
def test_what_cannot_be_is_refused_by_its_path(section, says):
    with pytest.raises(ConfigurationError, match=says):
        load_settings(section)


@pytest.mark.parametrize(("row", "path"), [
    (HOOK | {"secret_env": "NO_SUCH"}, r"sinks\[0\]\.secret_env"),
    (HOOK | {"secret_env": "WEAK"}, r"alerts\.sinks\[0\].*24 to 64 bytes"),
    (HOOK | {"url": "", "url_env": "NO_SUCH"}, r"sinks\[0\]\.url_env"),
    (HOOK | {"url": "ftp://x"}, r"alerts\.sinks\[0\]"),
    (MAIL | {"sender": "a@b.c\nBcc: d@e.f"}, r"alerts\.sinks\[0\]"),
    (MAIL | {"tls": "none", "username_env": "WEAK", "password_env": "WEAK"}, r"without TLS"),
])  # fmt: skip
def test_what_only_the_environment_shows_is_refused_too(monkeypatch, row, path):
    monkeypatch.setenv("WEAK", "hunter2")
    with pytest.raises(ConfigurationError, match=path) as caught:
        alert_sinks(load_settings({"alerts": {"sinks": [row]}}).alerts.sinks)
    assert "hunter2" not in str(caught.value)


def test_all_five_checks_are_built():
    made = health_checks(load_settings({}), probes={"smollm2": lambda: None}, store=StoreFigures)
    assert [each.name for each in made] == [
        "model_availability", "performance", "error_rate", "resource_utilization", "store",
    ]  # fmt: skip


@pytest.mark.parametrize(("url", "folder"), [
    ("sqlite:////var/lib/cm/s.db", "/var/lib/cm"), ("sqlite:///s.db", "."), ("sqlite:///:memory:", "."),
    ("postgresql://h/x", "."),
])  # fmt: skip
def test_the_disk_is_that_of_the_store(url, folder):
    assert str(folder_of(url)) == folder
