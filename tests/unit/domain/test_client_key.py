"""Client keys are checked when they are made, and never show what they are made of."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.client_key import ClientKey, digest_of, is_auto
from crossmodel.errors import InvalidInputError

DIGEST = digest_of(b"a clear key")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "name"),
        ({"name": " ci"}, "name must be printable"),
        ({"name": "c\ni"}, "name must be printable"),
        ({"name": "c\x00i"}, "name must be printable"),
        ({"name": "\u202eci"}, "name must be printable"),
        ({"name": "\ud800"}, "name must be printable"),
        ({"name": "x" * 201}, "name must have at most 200 characters, not 201"),
        ({"name": 7}, "name"),
        ({"digest": "a clear key"}, "digest must be a SHA-256"),
        ({"digest": DIGEST.upper()}, "digest"),
        ({"digest": None}, "digest"),
        ({"tenant": ""}, "tenant"),
        ({"models": "m"}, "models must be a list"),
        ({"models": ("m", "")}, "models"),
        ({"models": ("m", "m")}, "models has 'm' twice"),
        ({"requests_per_minute": 0}, "requests_per_minute must be a whole number from 1"),
        ({"requests_per_minute": 1.5}, "requests_per_minute"),
        ({"requests_per_minute": True}, "requests_per_minute"),
        ({"tokens_per_minute": 10**400}, "tokens_per_minute"),
        ({"concurrent": -1}, "concurrent"),
        ({"concurrent": math.nan}, "concurrent"),
        ({"burst": 0, "requests_per_minute": 1}, "burst"),
        ({"burst": 5}, "burst means nothing without requests_per_minute"),
        ({"daily_budget": -0.01}, "daily_budget"),
        ({"daily_budget": math.nan}, "daily_budget is NaN"),
        ({"monthly_budget": math.inf}, "monthly_budget"),
        ({"monthly_budget": "1"}, "monthly_budget must be a number"),
        ({"expires_at": datetime(2026, 1, 1)}, "expires_at has no time zone"),  # noqa: DTZ001 - the point
    ],
)
def test_what_is_wrong_is_named(changes, message):
    with pytest.raises(InvalidInputError, match=f"^{message}"):
        ClientKey(**{"name": "ci", "digest": DIGEST} | changes)


def test_a_wrong_digest_is_not_shown_since_it_may_be_the_key():
    with pytest.raises(InvalidInputError) as caught:
        ClientKey("ci", "sk-the-clear-key-by-mistake")
    assert "sk-the" not in str(caught.value)


def test_the_digest_is_not_shown():
    assert DIGEST[:8] not in repr(ClientKey("ci", DIGEST))


def test_nothing_said_means_no_limit():
    key = ClientKey("ci", DIGEST)
    assert (key.tenant, key.budgets) == ("default", {})
    assert key.allows("anything")
    assert key.is_valid(datetime.max.replace(tzinfo=UTC))


def test_models_are_what_may_be_named_and_auto_may_always():
    key = ClientKey("ci", DIGEST, models=("small", "large"))
    assert [key.allows(model) for model in ("small", "auto", "auto:best")] == [True] * 3
    refused = ("medium", "Small", "small ", "", "autopilot", "automodel:x", "small,large", "*")
    assert not any(key.allows(model) for model in refused)
    assert not is_auto("autopilot")


def test_it_expires_and_is_revoked_at_its_moment_wherever_that_is():
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    there = timezone(timedelta(hours=5))
    key = ClientKey("ci", DIGEST, expires_at=noon.astimezone(there))
    assert key.expires_at.tzinfo is UTC
    assert key.is_valid(noon - timedelta(microseconds=1))
    assert not key.is_valid(noon)
    gone = ClientKey("ci", DIGEST, revoked_at=noon)
    assert (gone.is_valid(noon - timedelta(1)), gone.is_valid(noon)) == (True, False)


@given(st.text(max_size=250))
def test_any_text_is_a_name_or_refused(name):
    try:
        key = ClientKey(name, DIGEST, tenant=name)
    except InvalidInputError as error:
        str(error).encode()  # may be logged whatever the name
    else:
        assert key.name.encode().decode() == name
