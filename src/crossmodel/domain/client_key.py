"""Who may ask the gateway, for what, how often and for how much."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from crossmodel.domain import checks
from crossmodel.domain.period import as_utc, utc_now
from crossmodel.domain.records import DEFAULT_TENANT
from crossmodel.errors import InvalidInputError

MOST_IN_A_NAME: Final = 200
"""Characters that a key's or tenant's name may have: it stands in logs, metrics and addresses."""

MOST_PER_MINUTE: Final = 10**12
"""Far more than anybody asks for, and still a whole number to every database."""

AUTO: Final = "auto"
"""The name by which no model is asked for, but whichever is best; also with ``:`` and a wish."""

_DIGEST_LENGTH: Final = 64
_HEX: Final = frozenset("0123456789abcdef")


def digest_of(clear: bytes) -> str:
    """SHA-256 of a clear key, in hex: all that is ever kept of it.

    A fast hash will do, since keys that we make have 256 random bits: nobody guesses those. One
    that a person thought up is as weak as it is short.
    """
    return hashlib.sha256(clear).hexdigest()


@dataclass(frozen=True, slots=True)
class ClientKey:
    """One client's key, without the key itself. ``None`` stands for no limit.

    Attributes:
        name: what it is called by people, budgets and metrics; unique, and never used again.
        digest: see :func:`digest_of`.
        tenant: whose insights, answers and budgets its requests have to do with.
        models: ids of the models that it may use; empty for all. ``auto`` may always be asked for,
            and chooses among these.
        requests_per_minute: how often it may ask, on average; at least 1.
        tokens_per_minute: tokens that its requests and their answers may have, on average.
        burst: requests that it may make at once after a pause; as many as in a minute if ``None``.
        concurrent: requests that it may have in flight.
        daily_budget: USD per day in UTC.
        monthly_budget: USD per calendar month in UTC.
        expires_at: from when on it is refused; with a time zone.
        created_at: when it was made.
        revoked_at: from when on it is refused for good.

    Raises:
        InvalidInputError: naming the field that is wrong.
    """

    name: str
    digest: str = field(repr=False)
    tenant: str = DEFAULT_TENANT
    models: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    burst: int | None = None
    concurrent: int | None = None
    daily_budget: float | None = None
    monthly_budget: float | None = None
    expires_at: datetime | None = None
    created_at: datetime = field(default_factory=utc_now)
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        digest: Any = self.digest  # not shown if it is wrong: it may be a clear key
        is_hex = isinstance(digest, str) and _HEX.issuperset(digest)
        if not is_hex or len(digest) != _DIGEST_LENGTH:
            raise InvalidInputError("digest must be a SHA-256 in lower-case hex, 64 digits")
        check_scopes(self)
        checks.text("tenant", self.tenant)
        for name in ("expires_at", "created_at", "revoked_at"):
            if (moment := getattr(self, name)) is not None:
                object.__setattr__(self, name, as_utc(moment))

    @property
    def budgets(self) -> dict[str, float]:
        """Those of the budgets that it has, in USD, by the names that budgets go by."""
        named = {"daily_budget": self.daily_budget, "monthly_budget": self.monthly_budget}
        return {name: usd for name, usd in named.items() if usd is not None}

    def allows(self, model: str) -> bool:
        """Whether a request may name this model."""
        return not self.models or model in self.models or is_auto(model)

    def is_valid(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired at that moment."""
        if self.revoked_at is not None and self.revoked_at <= now:
            return False
        return self.expires_at is None or now < self.expires_at


def is_auto(model: str) -> bool:
    """Whether a name asks for the best model, and for none in particular."""
    return model == AUTO or model.startswith("auto:")


def check_scopes(key: Any) -> None:
    """Check what keys in settings and keys in the store have in common.

    Args:
        key: anything with the attributes of a :class:`ClientKey` from ``tenant`` to ``expires_at``,
            and a ``name``. The tenant may be empty, for settings, where that is the default one.

    Raises:
        InvalidInputError: naming the field that is wrong.
    """
    check_name("name", key.name)
    if key.tenant:
        check_name("tenant", key.tenant)
    if not isinstance(key.models, tuple):
        raise InvalidInputError("models must be a list of ids of models")
    for model in key.models:
        checks.text("models", model)
    _check_distinct("models", key.models)
    for name in ("requests_per_minute", "tokens_per_minute", "burst", "concurrent"):
        if (most := getattr(key, name)) is not None:
            _check_count(name, most)
    if key.burst is not None and key.requests_per_minute is None:
        raise InvalidInputError("burst means nothing without requests_per_minute: set that too")
    for name in ("daily_budget", "monthly_budget"):
        if (usd := getattr(key, name)) is not None:
            checks.not_negative(name, usd)
    if key.expires_at is not None and key.expires_at.tzinfo is None:
        raise InvalidInputError("expires_at has no time zone: give it one, as 2031-05-01T00:00:00Z")


def check_name(field_name: str, value: object) -> str:
    """A name that can be shown anywhere: printable, in any language, and not too long.

    Raises:
        InvalidInputError: naming ``field_name``.
    """
    name = checks.text(field_name, value)
    if len(name) > MOST_IN_A_NAME:
        raise InvalidInputError(
            f"{field_name} must have at most {MOST_IN_A_NAME} characters, not {len(name)}"
        )
    if not name.isprintable() or name != name.strip():
        raise InvalidInputError(
            f"{field_name} must be printable, without spaces around it, not {name!r}"
        )
    return name


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_PER_MINUTE:
        raise InvalidInputError(f"{name} must be a whole number from 1 to {MOST_PER_MINUTE:,}")


def _check_distinct(name: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise InvalidInputError(f"{name} has {value!r} twice")
        seen.add(value)
