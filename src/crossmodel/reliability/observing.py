"""Where observations come from in the loop, each in the transaction of what it is made of.

A score of an answer is the correctness, in part where the score is, of each insight that the answer
was given. An insight that is quarantined was wrong, whether a conflict, measuring or a person did
that. What somebody says of an insight counts instead of its quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

from crossmodel.calibration import bin_of
from crossmodel.domain.insight import Insight, Standing
from crossmodel.domain.period import as_utc
from crossmodel.domain.reliability import Judgement, Observed
from crossmodel.domain.transfer import Arm
from crossmodel.errors import NotFoundError
from crossmodel.ports import Transaction

JUDGED: Final = "judged"
QUARANTINED: Final = "quarantined"


def observe_score(
    tx: Transaction, tenant: str, request_id: str, score: float, *, before: float | None = None
) -> None:
    """Count a score, 0..1, of an answer for the models that said what it was given.

    ``before`` is the score that the answer had so far: the last word counts, once. Answers that
    were given no insights tell nothing of any.
    """
    record = tx.get_transfer(tenant, request_id)
    if record is None or record.arm != Arm.INSIGHTS or not record.success:
        return
    day = as_utc(record.transferred_at).date()  # the same whenever the score is given, or changed
    insights = tx.get_insights(tenant, record.insight_ids)
    if before is None:
        _count(tx, tenant, day, ((i, Observed(1, i.confidence_score, score)) for i in insights))
    else:
        _count(tx, tenant, day, ((i, Observed(0, 0.0, score - before)) for i in insights))


def judge(
    tx: Transaction, tenant: str, insight_id: str, correct: bool, moment: datetime
) -> Insight:
    """Count what somebody says of an insight; the last word counts, once.

    Raises:
        NotFoundError: if the tenant has no such insight.
    """
    found = tx.get_insights(tenant, [insight_id])
    if not found:
        raise NotFoundError(f"there is no insight {insight_id!r}")
    _judged(tx, tenant, found[0], Judgement(correct, JUDGED, as_utc(moment).date()))
    return found[0]


def set_standing(
    tx: Transaction,
    tenant: str,
    insight_ids: Sequence[str],
    standing: str,
    reason: str,
    *,
    moment: datetime,
) -> list[str]:
    """Give insights a standing, and count what that says of their models.

    Returns the ids of those that had another. A release takes back what the quarantine said.
    """
    changed = tx.set_standing(tenant, insight_ids, standing, reason)
    if standing == Standing.DEMOTED or not changed:
        return changed
    wrong = Judgement(correct=False, source=QUARANTINED, day=as_utc(moment).date())
    for insight in tx.get_insights(tenant, changed):
        known = tx.get_judgement(tenant, insight.id)
        if known is not None and known.source == JUDGED:
            continue
        _judged(tx, tenant, insight, wrong if standing == Standing.QUARANTINED else None)
    return changed


def _judged(tx: Transaction, tenant: str, insight: Insight, said: Judgement | None) -> None:
    """Let a judgement count instead of the one before; ``None`` takes that back."""
    known = tx.get_judgement(tenant, insight.id)
    if known is not None:
        _count(tx, tenant, known.day, [(insight, -_observed(insight, known))])
    if said is not None:
        _count(tx, tenant, said.day, [(insight, _observed(insight, said))])
    tx.put_judgement(tenant, insight.id, said)


def _observed(insight: Insight, said: Judgement) -> Observed:
    return Observed(1, insight.confidence_score, float(said.correct))


def _count(
    tx: Transaction, tenant: str, day: date, each: Iterable[tuple[Insight, Observed]]
) -> None:
    sums: dict[tuple[str, int], Observed] = {}
    for insight, observed in each:
        key = insight.source_model, bin_of(insight.confidence_score)
        sums[key] = sums.get(key, Observed()) + observed
    for (source_model, position), observed in sorted(sums.items(), key=lambda item: item[0]):
        tx.add_reliability(tenant, source_model, (day, position), observed)
