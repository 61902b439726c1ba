"""Quality: sound finds pass the default threshold, guesses do not. Screening: no false alarm."""

from __future__ import annotations

import math

import pytest

from crossmodel.domain.insight import Evidence, Insight, ValidationStatus
from crossmodel.transfer.quality import RELEVANCE, insight_quality, transfer_quality
from crossmodel.transfer.screening import reason_to_refuse

EVIDENCE = (Evidence(0, 4, "s"),)


def made(
    confidence: float, status: str = "pending", *, grounded: bool = False, **metadata: object
) -> Insight:
    return Insight(
        "some rule",
        confidence_score=confidence,
        validation_status=status,
        evidence=EVIDENCE if grounded else (),
        metadata=dict(metadata),
    )


@pytest.mark.parametrize(
    ("insight", "passes"),
    [
        (made(0.5, ValidationStatus.VALID, grounded=True), True),
        (made(0.4, ValidationStatus.VALID, grounded=True), False),
        (made(0.75), True),
        (made(0.65), False),
        (made(0.65, relevance=1.0), True),
        (made(0.0, ValidationStatus.VALID, grounded=True, relevance=1.0), False),
    ],
)
def test_the_default_threshold_parts_sound_finds_from_guesses(
    insight: Insight, passes: bool
) -> None:
    assert (insight_quality(insight) >= 0.7) is passes


def test_quality_is_the_doubt_that_the_checks_leave() -> None:
    checked = made(0.6, ValidationStatus.VALID, grounded=True, relevance=0.5)
    assert insight_quality(checked) == pytest.approx(1 - 0.4 * 0.7 * 0.8 * 0.9)
    assert insight_quality(made(1.0)) == 1.0
    assert insight_quality(made(0.0)) == 0.0


@pytest.mark.parametrize("relevance", [math.nan, -1, 7, "high", True, None])
def test_a_relevance_that_is_none_counts_as_none(relevance: object) -> None:
    odd = made(0.6)
    odd.metadata[RELEVANCE] = relevance
    assert insight_quality(odd) == insight_quality(made(0.6))


def test_the_score_of_a_transfer_is_the_mean() -> None:
    assert transfer_quality([]) == 0.0
    assert transfer_quality([made(0.8), made(0.6)]) == pytest.approx(0.7)


@pytest.mark.parametrize(
    "harmless",
    [
        "The system prompts the user for a code.",
        "A previous order is never ignored; its code stays.",
        "Users of the system must not forget the dash.",
        "Use <b>bold</b> for names, and x < y | z > 1.",
        "Write the user's name first.",
        "Override `save()` in the subclass.",
        "What is the ticket code for a broken system printer?",
    ],
)
def test_ordinary_sentences_are_not_taken_for_instructions(harmless: str) -> None:
    assert reason_to_refuse(Insight(harmless, confidence_score=0.9)) is None
