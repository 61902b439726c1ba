"""Trying again: what a protocol or a token counter from outside may fail at in passing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import stamina

from crossmodel.domain.transfer_config import RetryConfig
from crossmodel.errors import (
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    ProviderError,
    TransferError,
)

FAILURES = (TransferError, ProviderError, OSError)
"""What code from outside raises when the world fails it, and not the caller."""

_NEVER = (ConfigurationError, InvalidInputError, NotFoundError)

Result = TypeVar("Result")


class GaveUpError(TransferError):
    """Every attempt failed; ``attempts`` says how many, the cause is that of the last."""

    def __init__(self, attempts: int) -> None:
        times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        super().__init__(f"gave up after {times}", retryable=False)
        self.attempts = attempts


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed later, as far as its error tells."""
    if isinstance(error, _NEVER):
        return False
    if isinstance(error, TransferError | ProviderError):
        return error.retryable
    return isinstance(error, OSError)


def retried(call: Callable[[], Result], config: RetryConfig) -> Result:
    """What ``call`` returns, tried again with exponential back-off while it fails in passing.

    Raises:
        GaveUpError: if the last attempt failed in passing as well.
    """
    attempts = 0
    try:
        for attempt in stamina.retry_context(
            on=is_transient,
            attempts=config.attempts,
            timeout=config.timeout_seconds if math.isfinite(config.timeout_seconds) else None,
            wait_initial=config.wait_initial_seconds,
            wait_max=config.wait_max_seconds,
            wait_jitter=config.wait_initial_seconds,
        ):
            with attempt:
                attempts = attempt.num
                return call()
    except FAILURES as error:
        if not is_transient(error):
            raise
        raise GaveUpError(attempts) from error
    raise AssertionError("the last attempt returns or raises")
