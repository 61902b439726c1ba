"""Of insights that cannot both hold the better supported stay; nobody wins by repeating himself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel import InsightTransfer, TransferTarget
from crossmodel.domain.insight import Evidence, Insight, InsightKind, text_sha256
from crossmodel.transfer.conflicts import resolve, support

TRUE = "The relay code of Tavor is 47."
AGAIN = "Tavor's relay code is 47."
FALSE = "The relay code of Tavor is 12."


def said(
    content: str, model: str = "m", trust: float = 0.5, source: str = "", **fields: Any
) -> Insight:
    sources = [source or f"{model} {content}"]
    evidence = tuple(Evidence(0, 5, text_sha256(each)) for each in sources)
    defaults: dict[str, Any] = {
        "confidence_score": 0.9,
        "validation_status": "valid",
        "kind": "rule",
    }
    return Insight(
        content, source_model=model, trust=trust, evidence=evidence, **(defaults | fields)
    )


def example(given: str, result: str, model: str = "m", trust: float = 0.5) -> Insight:
    return said(
        f"{given} -> {result}",
        model,
        trust,
        kind=InsightKind.EXAMPLE,
        metadata={"input": given, "output": result},
    )


def verdict(*candidates: Insight) -> tuple[set[str], set[str], set[str]]:
    """Contents that were kept, rejected, and to be quarantined."""
    result = resolve(candidates)
    return (
        {each.content for each in result.kept},
        {each.insight.content for each in result.rejected},
        {each.insight.content for each in result.losers_to_quarantine},
    )


def test_the_better_trusted_side_stays_and_names_itself() -> None:
    good, bad = said(TRUE, "strong", 0.9), said(FALSE, "rumour", 0.3)
    result = resolve([bad, good])
    assert result.kept == (good,)
    [lost] = result.rejected
    assert lost.insight is bad
    assert lost.reason == f"it is in conflict with {good.id}, which is better supported"
    assert result.losers_to_quarantine == (lost,)


def test_a_near_tie_rejects_both() -> None:
    one, other = said(TRUE, "a", 0.5), said(FALSE, "b", 0.55)
    result = resolve([one, other])
    assert result.kept == ()
    assert {each.insight.id: each.reason for each in result.rejected} == {
        mine.id: f"it is in conflict with {rival.id}, and neither side is better supported"
        for mine, rival in ((one, other), (other, one))
    }
    assert result.losers_to_quarantine == ()


def test_what_is_lost_against_a_side_that_is_hardly_trusted_is_not_quarantined() -> None:
    assert verdict(said(TRUE, "a", 0.6), said(FALSE, "b", 0.3)) == ({TRUE}, {FALSE}, set())


def test_two_sources_in_other_words_beat_one_that_is_trusted_as_much() -> None:
    kept, rejected, quarantined = verdict(said(TRUE, "a"), said(AGAIN, "b"), said(FALSE, "c"))
    assert (kept, rejected, quarantined) == ({TRUE, AGAIN}, {FALSE}, {FALSE})


def test_one_model_that_repeats_itself_does_not_beat_two() -> None:
    flood = [said(FALSE, "c", source=f"text {n}") for n in range(200)]
    assert support(flood) < support([said(TRUE, "a"), said(AGAIN, "b")])
    assert support(flood) > support(flood[:1])
    kept, _, _ = verdict(*flood, said(TRUE, "a"), said(AGAIN, "b"))
    assert kept <= {TRUE, AGAIN}


def test_the_same_text_counts_once() -> None:
    told = [said(TRUE, "a", source="one"), said(AGAIN, "a", source="one")]
    assert support(told) == support(told[:1]) == pytest.approx(0.5)
    assert support([said(TRUE, "a", 0.5), said(TRUE, "b", 0.5)]) == pytest.approx(0.75)
    assert support([]) == 0.0


def test_worked_examples_with_one_input_and_two_outputs() -> None:
    good = [example("What is the code of Tavor?", "47", "a", 0.9)]
    same = example("what is  the code of Tavor", "`47`", "b", 0.4)
    bad = example("What is the code of Tavor?", "12", "c", 0.3)
    other = example("What is the code of Mora?", "12", "c", 0.3)
    result = resolve([*good, same, bad, other])
    assert result.kept == (*good, same, other)
    assert [each.insight for each in result.losers_to_quarantine] == [bad]


def test_facts_about_different_subjects_all_stay() -> None:
    towns = [said(f"The relay code of Town{n} is {n}.", f"m{n}") for n in range(300)]
    assert resolve(towns).kept == tuple(towns)


def test_three_sides_of_which_one_is_clearly_better() -> None:
    third = "The relay code of Tavor is 88."
    kept, rejected, _ = verdict(said(TRUE, "a", 0.9), said(FALSE, "b", 0.4), said(third, "c", 0.4))
    assert (kept, rejected) == ({TRUE}, {FALSE, third})


@pytest.mark.parametrize("trust", [0.0, 1.0])
def test_full_and_no_trust_have_a_verdict(trust: float) -> None:
    assert verdict(said(TRUE, "a", trust), said(FALSE, "b", trust)) == (set(), {TRUE, FALSE}, set())
    [loser] = resolve([said(TRUE, "a", 1.0), said(FALSE, "b", 0.0)]).losers_to_quarantine
    assert loser.insight.content == FALSE


def test_insights_without_evidence_or_sense_are_no_trouble() -> None:
    odd = [Insight(content) for content in ("", " ", "x", "`", "a" * 9000, "\ud800")]
    assert resolve(odd).kept == tuple(odd)
    assert resolve([]).kept == ()


@given(
    st.lists(
        st.builds(
            said,
            st.sampled_from([TRUE, AGAIN, FALSE, "The relay code of Mora is 12.", "Nothing."]),
            st.sampled_from("abc"),
            st.floats(0, 1),
            st.sampled_from(["x", "y", "z"]),
        ),
        max_size=8,
    )
)
def test_every_candidate_has_one_verdict_whatever_the_order(candidates: list[Insight]) -> None:
    unique = list({each.id: each for each in candidates}.values())
    result = resolve(unique)
    rejected = [each.insight for each in result.rejected]
    assert sorted([*result.kept, *rejected], key=lambda i: i.id) == sorted(
        unique, key=lambda i: i.id
    )
    assert all(each in result.rejected for each in result.losers_to_quarantine)
    backwards = resolve(unique[::-1])
    assert {i.id for i in backwards.kept} == {i.id for i in result.kept}
    assert {each.reason for each in backwards.rejected} == {each.reason for each in result.rejected}
    kept = {i.content for i in result.kept}
    assert not (FALSE in kept and kept & {TRUE, AGAIN})


def test_transfer_hands_over_neither_the_loser_nor_a_tie() -> None:
    transfer = InsightTransfer()
    transfer.register_target(TransferTarget("small", 500))
    good, bad = said(TRUE, "strong", 0.9), said(FALSE, "rumour", 0.3)
    query = "What is the relay code of Tavor?"
    assert [i.content for i in transfer.select_insights(query, [bad, good], "small")] == [TRUE]
    result = transfer.transfer_insights("s", "small", [bad, good])
    assert [i.content for i in result.transferred_insights] == [TRUE]
    assert "better supported" in result.rejected[0].reason
    tie = [said(TRUE, "a"), said(FALSE, "b")]
    assert transfer.select_insights(query, tie, "small") == []
    assert not transfer.transfer_insights("s", "small", tie).success
