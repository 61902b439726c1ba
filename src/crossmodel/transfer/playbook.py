"""Curating playbooks: what is in use about a topic, as what it did for answers turns out.

A list that is edited item by item keeps what rewriting would wear away (Zhang et al., Agentic
Context Engineering, 2025), and its text only grows at its end, so that prompt caches hit. Counters
are read off what is counted of every insight's effect; there is no second account of it.

An item's worth is the mean of a beta distribution: its quality, taken as ``PRIOR`` answers, and the
scores of the answers that had it (Gelman et al., Bayesian Data Analysis, 3rd ed., 2.1)::

    worth = (PRIOR * quality + helpful) / (PRIOR + helpful + harmful)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from crossmodel.domain.insight import Insight, InsightKind, Standing
from crossmodel.domain.playbook import Add, Delta, Playbook, PlaybookItem, Restore, Retire
from crossmodel.domain.uplift import Tally
from crossmodel.ports import Transaction
from crossmodel.transfer.items import LEAST_USES, PLAYBOOK, harms, topic_of
from crossmodel.transfer.packing import place_in_source
from crossmodel.transfer.quality import insight_quality
from crossmodel.transfer.screening import reason_to_refuse

PRIOR: Final = 2.0
LOYALTY: Final = 0.05
"""Worth that an item in use is ahead, so that two of equal worth do not change places for ever."""

EXAMPLES_PER_ITEM: Final = 2
"""Worked examples that a rule brings along; the project's measurements found two to be enough."""

GONE: Final = "its insight is not kept any more"
REFUSED: Final = "it must not be handed over"
CROWDED_OUT: Final = "others of the topic are more useful"
HARMS: Final = "it harms"
_MAY_RETURN: Final = (GONE, REFUSED, CROWDED_OUT)
"""What retirement for these reasons ends with; harm and people's own reasons do not pass."""


def worth(quality: float, tally: Tally) -> float:
    """What an item is expected to do for an answer, 0..1; see the module's head."""
    return (PRIOR * quality + tally.total) / (PRIOR + tally.n)


def curate(
    playbook: Playbook,
    insights: Sequence[Insight],
    tallies: Mapping[str, Tally],
    *,
    max_items: int = 12,
) -> list[Delta]:
    """What is to change in a playbook: nothing, once that is done.

    ``insights`` are those of its items, as far as they are kept, and new ones; ``tallies`` the
    scores of answers that had them, by id. At most ``max_items`` stay in use.
    """
    kept = {insight.id: insight for insight in insights}
    items = {item.insight_id: item for item in playbook.items}
    retired: list[Delta] = []
    ranked: list[tuple[float, int, Insight]] = []
    for insight_id, item in items.items():
        tally = tallies.get(insight_id, Tally())
        reason = _reason_to_retire(kept.get(insight_id), tally)
        if reason and not item.retired:
            retired.append(Retire(insight_id, reason))
        elif not reason and (not item.retired or item.retired.startswith(_MAY_RETURN)):
            insight = kept[insight_id]
            loyalty = 0.0 if item.retired else LOYALTY
            ranked.append((worth(insight_quality(insight), tally) + loyalty, -item.number, insight))
    fresh = sorted((i for i in kept.values() if i.id not in items), key=place_in_source)
    for position, insight in enumerate(fresh, len(items) + 1):
        tally = tallies.get(insight.id, Tally())
        if not _reason_to_retire(insight, tally):
            ranked.append((worth(insight_quality(insight), tally), -position, insight))
    ranked.sort(key=lambda each: each[:2], reverse=True)
    chosen = {insight.id for _, _, insight in ranked[:max_items]}
    crowded = [i.id for _, _, i in ranked[max_items:] if i.id in items and not items[i.id].retired]
    restored = [i for i, item in items.items() if item.retired and i in chosen]
    return [
        *retired,
        *(Retire(insight_id, CROWDED_OUT) for insight_id in crowded),
        *(Restore(insight_id) for insight_id in restored),
        *(Add(insight.id) for insight in fresh if insight.id in chosen),
    ]


def tend(
    transaction: Transaction, tenant: str, insights: Iterable[Insight], *, max_items: int = 12
) -> int:
    """Curate the playbooks of the topics that ``insights`` belong to; how much was changed.

    Worked examples of a rule are no items: they come along with it. Call it in the transaction
    that keeps new insights, or after feedback with those that were handed over.
    """
    changes = 0
    for topic, ids in _by_topic(_heads(transaction, tenant, list(insights))).items():
        playbook = transaction.playbook(tenant, topic)
        wanted = dict.fromkeys([*(item.insight_id for item in playbook.items), *ids])
        kept = transaction.get_insights(tenant, list(wanted))
        tallies = {item.insight_id: item.tally for item in playbook.items}
        deltas = curate(playbook, kept, tallies, max_items=max_items)
        transaction.edit_playbook(tenant, topic, deltas)
        changes += len(deltas)
    return changes


def for_question(
    transaction: Transaction,
    tenant: str,
    chosen: Sequence[Insight],
    *,
    admits: Callable[[Insight], bool] = lambda _: True,
) -> list[Insight]:
    """The playbooks of the topics of what was chosen for a question, most useful item first.

    All of a topic's items that ``admits`` accepts, each a copy with its name and counters in its
    metadata and followed by worked examples; then what was chosen and is in no playbook. What has
    been retired is left out.
    """
    listed: dict[str, Insight] = {}
    retired: set[str] = set()
    for topic in dict.fromkeys(topic_of(insight) for insight in chosen):
        playbook = transaction.playbook(tenant, topic)
        retired.update(item.insight_id for item in playbook.items if item.retired)
        kept = {
            insight.id: insight
            for insight in transaction.get_insights(
                tenant, [item.insight_id for item in playbook.active]
            )
            if admits(insight)
        }
        worths = {
            item: worth(insight_quality(kept[item.insight_id]), item.tally)
            for item in playbook.active
            if item.insight_id in kept
        }
        links = {link for insight in kept.values() for link in insight.links}
        linked = {i.id: i for i in transaction.get_insights(tenant, sorted(links)) if admits(i)}
        for item in sorted(worths, key=lambda item: (-worths[item], item.number)):
            head = kept[item.insight_id]
            members = [head, *_examples(head, linked)]
            noted = _noted(playbook, item)
            for member in members:
                copy = dataclasses.replace(member, metadata={**member.metadata, PLAYBOOK: noted})
                listed.setdefault(member.id, copy)
    for unused in transaction.get_insights(tenant, sorted(retired)):
        retired.update(unused.links)  # its examples; what a rule in use has is listed already
    for insight in chosen:
        if insight.id not in retired and admits(insight):
            listed.setdefault(insight.id, insight)
    return list(listed.values())


def _noted(playbook: Playbook, item: PlaybookItem) -> dict[str, Any]:
    return {"item": playbook.name(item), "helpful": item.helpful, "harmful": item.harmful}


def _reason_to_retire(insight: Insight | None, tally: Tally) -> str | None:
    if insight is None:
        return GONE
    if insight.standing == Standing.QUARANTINED:
        return f"{REFUSED}: it is quarantined"
    if reason := reason_to_refuse(insight):
        return f"{REFUSED}: {reason}"
    harmful = tally.n - tally.total
    if tally.n >= 2 * LEAST_USES and harms(tally.total, harmful):
        return f"{HARMS}: helpful {tally.total:g} of {tally.n}"
    return None


def _heads(transaction: Transaction, tenant: str, insights: list[Insight]) -> list[Insight]:
    """Everything but the worked examples that a rule brings along."""
    links = {link for i in insights if i.kind == InsightKind.EXAMPLE for link in i.links}
    known = [*insights, *transaction.get_insights(tenant, sorted(links))]
    rules = [insight for insight in known if insight.kind == InsightKind.RULE]
    led_by = {rule.id for rule in rules}
    of_rules = {link for rule in rules for link in rule.links}
    return [
        insight
        for insight in insights
        if insight.kind != InsightKind.EXAMPLE
        or not (insight.id in of_rules or led_by.intersection(insight.links))
    ]


def _by_topic(insights: Iterable[Insight]) -> dict[str, list[str]]:
    topics: dict[str, list[str]] = {}
    for insight in insights:
        topics.setdefault(topic_of(insight), []).append(insight.id)
    return topics


def _examples(head: Insight, linked: Mapping[str, Insight]) -> list[Insight]:
    """The first worked examples of a rule, as its source has them."""
    found = [linked[link] for link in head.links if link in linked]
    examples = [each for each in found if each.kind == InsightKind.EXAMPLE]
    return sorted(examples, key=place_in_source)[:EXAMPLES_PER_ITEM]
