"""Retries: what fails in passing is tried again, what is wrong is said at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import stamina

from crossmodel import InsightTransfer, InsightTransferConfig, TransferTarget
from crossmodel.domain.insight import Insight
from crossmodel.domain.transfer_config import RetryConfig, TransferProtocolsConfig
from crossmodel.errors import (
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    ProviderAuthenticationError,
    ProviderConnectionError,
    ProviderRateLimitError,
    TransferError,
)

RULE = Insight("Codes end in -K7.", kind="rule", confidence_score=0.9, id="r")


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


class Flaky:
    """A writer, and a counter, that fails so many times before it works."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.error = error
        self.calls = 0

    def fail(self) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error

    def __call__(self, insights: Sequence[Insight]) -> str:
        self.fail()
        return " ".join(i.content for i in insights)

    def count(self, text: str) -> int:
        self.fail()
        return len(text)


def transfer_with(flaky: Flaky, attempts: int = 3) -> InsightTransfer:
    return InsightTransfer(
        InsightTransferConfig(
            transfer_protocols=TransferProtocolsConfig("mine", {"mine": flaky}),
            retries=RetryConfig(attempts=attempts),
        )
    )


TRANSIENT = [
    TransferError("not yet"),
    ProviderConnectionError("gone"),
    ProviderRateLimitError("slow down"),
    ConnectionResetError("reset"),
    TimeoutError("late"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_what_passes_is_tried_again(error: Exception) -> None:
    flaky = Flaky(2, error)
    result = transfer_with(flaky).transfer_insights("s", "m", [RULE])
    assert (result.success, result.error) == (True, None)
    assert flaky.calls == 3
    assert (result.source_model, result.target_model, result.protocol) == ("s", "m", "mine")


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_after_the_last_attempt_the_result_says_how_many_and_why(error: Exception) -> None:
    flaky = Flaky(99, error)
    result = transfer_with(flaky, attempts=4).transfer_insights("s", "m", [RULE])
    assert not result.success
    assert (
        result.error
        == f"transfer failed: gave up after 4 attempts: {type(error).__name__}: {error}"
    )
    assert (result.transferred_insights, result.transfer_quality_score) == ([], 0.0)
    assert (result.context, result.tokens, flaky.calls) == ("", 0, 4)
    assert (result.target_model, result.protocol) == ("m", "mine")
    result.to_dict()


def test_a_token_counter_is_tried_again_as_well() -> None:
    flaky = Flaky(1, OSError("busy"))
    transfer = InsightTransfer()
    transfer.register_target(TransferTarget("m", 500, count_tokens=flaky.count))
    assert transfer.transfer_insights("s", "m", [RULE]).success


@pytest.mark.parametrize(
    "error",
    [
        InvalidInputError("bad"),
        ConfigurationError("bad"),
        NotFoundError("bad"),
        ProviderAuthenticationError("bad key"),
        TransferError("never", retryable=False),
        RuntimeError("a bug"),
        KeyError("a bug"),
    ],
    ids=repr,
)
def test_what_is_wrong_is_raised_at_once(error: Exception) -> None:
    flaky = Flaky(99, error)
    with pytest.raises(type(error)) as caught:
        transfer_with(flaky).transfer_insights("s", "m", [RULE])
    assert caught.value is error
    assert flaky.calls == 1


def test_one_attempt_is_no_retry() -> None:
    flaky = Flaky(99, OSError("x"))
    result = transfer_with(flaky, attempts=1).transfer_insights("s", "m", [RULE])
    assert (flaky.calls, result.error) == (
        1,
        "transfer failed: gave up after 1 attempt: OSError: x",
    )


def test_a_caller_that_retries_itself_still_can() -> None:
    class Robust(InsightTransfer):
        pass

    robust = Robust(InsightTransferConfig(retries=RetryConfig(1)))
    flaky = Flaky(1, TransferError("x"))
    robust.register_protocol("standard", flaky)
    assert not robust.transfer_insights("s", "m", [RULE]).success
    assert robust.transfer_insights("s", "m", [RULE]).success


@pytest.mark.parametrize(
    "wrong",
    [{"attempts": 0}, {"wait_initial_seconds": -1.0}, {"timeout_seconds": 0.0},
     {"wait_max_seconds": float("nan")}, {"attempts": float("inf")}],
)  # fmt: skip
def test_settings_out_of_range_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        RetryConfig(**wrong)  # type: ignore[arg-type]
