"""What a score teaches: sums, standings of insights, and playbooks, in one transaction."""

from __future__ import annotations

from crossmodel.domain.insight import Insight, Standing
from crossmodel.domain.period import utc_now
from crossmodel.ports import Transaction
from crossmodel.reliability import set_standing
from crossmodel.transfer.items import topic_of
from crossmodel.transfer.playbook import tend
from crossmodel.transfer.uplift import Verdict, insight_unit, measure, reason, verdict
from crossmodel.transfer.uplift.observations import observations

_STANDING = {Verdict.DEMOTE: Standing.DEMOTED, Verdict.QUARANTINE: Standing.QUARANTINED}


def learn_from_score(
    tx: Transaction,
    tenant: str,
    request_id: str,
    score: float,
    *,
    before: float | None = None,
    max_items: int = 12,
) -> dict[str, str]:
    """Count a score, 0..1, of a request; the new standings of insights that it settles, by id.

    ``before`` is the score that the request had so far: the last word counts, once.
    """
    record = tx.get_transfer(tenant, request_id)
    if record is None:
        return {}
    insights = tx.get_insights(tenant, record.insight_ids)
    topics = dict.fromkeys(topic_of(insight) for insight in insights)
    keys = observations(record, topics, record.relevance)
    if before is None:
        tx.add_uplift(tenant, keys, score)
    else:
        tx.replace_uplift(tenant, keys, before, score)
    settled = {}
    for insight in insights if keys else ():
        if standing := _settled(tx, tenant, insight):
            settled[insight.id] = standing
    if keys:
        tend(tx, tenant, insights, max_items=max_items)
    return settled


def _settled(tx: Transaction, tenant: str, insight: Insight) -> str | None:
    """The standing that what was measured, of all models together, gives the insight, if new.

    Measuring only takes away: what a person or measuring has set aside, people give back.
    """
    effect = measure(tx.tallies(tenant, unit=insight_unit(insight.id)))
    standing = _STANDING.get(verdict(effect))
    if standing is None or insight.standing in {standing, Standing.QUARANTINED}:
        return None
    set_standing(tx, tenant, [insight.id], standing, reason(effect), moment=utc_now())
    return standing
