"""What the gateway of the tests is set to: a model for each behaviour, in both dialects; keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from upstreams import Upstream

OPENAI_KEY = "sk-of-the-openai-provider-0123456789"
ANTHROPIC_KEY = "sk-ant-of-the-anthropic-provider-0123456789"

ANSWERS = [
    "text", "tools", "image", "echo", "big", "unicode", "json", "refusal", "repeat", "long-50",
    "text+reasoning", "text+cached", "text+tools", "text+unknown", "tools+unknown",
    "text+no-usage",
]  # fmt: skip
TRAVELS = [
    "split-1", "split-7", "one-write", "chunk-ext", "close", "slow-1", "first-20", "crlf", "cr",
    "keepalive-2", "gzip", "100", "split-5+crlf+chunk-ext", "one-write+close+cr",
]  # fmt: skip
FAULTS = [
    "status-302", "status-400", "status-401", "status-403", "status-404", "status-500",
    "status-502", "status-503", "status-529", "status-401+telltale", "status-400+telltale",
    "retry-after-7", "retry-date-30", "status-503+retry-after-7", "garbage", "badjson", "short",
    "refuse-1", "drop-0", "drop-3", "text+drop-999", "cut-3", "stall", "stall-3", "error-event", "no-done",
    "split-1+drop-4", "long-2000+slow-20", "unicode+split-1+drop-9",
]  # fmt: skip
CLAUDE = "claude/"
"""Ids that begin so are models of the provider that speaks Anthropic's dialect."""

KEYS: list[dict[str, Any]] = [
    {"name": "all"},
    {"name": "chooser", "models": ["text@cheap", "text@best", "claude/text@middle"]},
    {"name": "expired", "expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
    {"name": "slow", "requests_per_minute": 1, "burst": 1},
    {"name": "wordy", "tokens_per_minute": 30},
    {"name": "poor", "daily_budget": 0.000_001},
    {"name": "alone", "concurrent": 1},
    {"name": "school", "tenant": "school"},
]
CLIENT_KEYS = {key["name"]: f"cmk-of-the-tests-{key['name']}-0123456789" for key in KEYS}
ENVIRONMENT = {
    "TEST_OPENAI_KEY": OPENAI_KEY,
    "TEST_ANTHROPIC_KEY": ANTHROPIC_KEY,
    **{f"TEST_KEY_{name.upper()}": clear for name, clear in CLIENT_KEYS.items()},
}


def providers(upstream: Upstream) -> list[dict[str, Any]]:
    """The upstream as two providers, and once more as one that is given little time."""
    chat = {"kind": "openai", "base_url": upstream.v1, "api_key_env": "TEST_OPENAI_KEY"}
    claude = {"kind": "anthropic", "base_url": upstream.url, "api_key_env": "TEST_ANTHROPIC_KEY"}
    return [
        {"id": "chat", **chat},
        {"id": "claude", **claude},
        {"id": "hasty-chat", "timeout_seconds": 1, **chat},
        {"id": "hasty-claude", "timeout_seconds": 1, **claude},
    ]


def keys() -> list[dict[str, Any]]:
    """The client keys as settings have them."""
    return [{**key, "key_env": f"TEST_KEY_{key['name'].upper()}"} for key in KEYS]


def models() -> list[dict[str, Any]]:
    """Two models for each behaviour, and some whose figures matter."""
    names = [*ANSWERS, *(f"text+{each}" for each in TRAVELS), *FAULTS, "tools+split-1"]
    rows = [
        {"id": f"{prefix}{name}", "name": name, "provider": provider, "input_price": 3.0,
         "output_price": 15.0}
        for name in names
        for prefix, provider in (("", "chat"), (CLAUDE, "claude"))
    ]  # fmt: skip
    rows += [
        {"id": "text@cheap", "provider": "chat", "quality": 0.4, "input_price": 0.1},
        {"id": "text@best", "provider": "chat", "quality": 0.78, "input_price": 50.0},
        {"id": "claude/text@middle", "name": "text", "provider": "claude", "quality": 0.6,
         "input_price": 5.0},
        {"id": "repeat@teacher", "provider": "chat", "quality": 0.95, "input_price": 10.0},
        {"id": "claude/repeat@teacher", "name": "repeat@teacher", "provider": "claude",
         "quality": 0.95, "input_price": 10.0},
        {"id": "text@pupil", "provider": "chat", "quality": 0.3},
        {"id": "claude/text@pupil", "name": "text@pupil", "provider": "claude", "quality": 0.3},
        {"id": "stall@hasty", "provider": "hasty-chat"},
        {"id": "stall-3@hasty", "provider": "hasty-chat"},
        {"id": "claude/stall@hasty", "name": "stall", "provider": "hasty-claude"},
        {"id": "claude/stall-3@hasty", "name": "stall-3", "provider": "hasty-claude"},
    ]  # fmt: skip
    return rows


def main_settings(upstream: Upstream) -> dict[str, Any]:
    """One try for each request, and no circuit opens: what the upstream does is what clients get."""
    return {
        "providers": providers(upstream),
        "models": models(),
        "keys": keys(),
        "insight_transfer": {"uplift": {"enable": False}},
        "load_balancer": {
            "max_attempts": 1,
            "circuit_breaker_enabled": False,
            "max_hold_seconds": 0.001,
        },
    }
