"""Finding what may have to do with a question: words, meanings, links, and names that lead on."""

from __future__ import annotations

from typing import Final

from crossmodel.domain.insight import InsightKind
from crossmodel.domain.records import RankedInsight
from crossmodel.ports import Transaction
from crossmodel.transfer.relevance import names_in, words_in

MAX_FOUND: Final = 500
"""Insights that one search brings, links included."""

LEADS: Final = 8
"""Best hits whose names are looked up in turn, for answers that take two steps."""

NAMES: Final = 16
"""Names that are looked up, at most."""


def search(
    transaction: Transaction, tenant: str, query: str, limit: int, least_trust: float = 0.0
) -> list[RankedInsight]:
    """What the store finds for ``query``, with the rules and examples that belong to it.

    ``limit`` bounds what is found, and once more what is found by the names in the best hits; what
    comes by links has the relevance of what led to it. What is trusted less than ``least_trust``
    takes nobody's place among what is found.
    """

    def find(words: str) -> list[RankedInsight]:
        return transaction.search_insights(tenant, words, limit=limit, least_trust=least_trust)

    found = {hit.insight.id: hit for hit in find(query)}
    for hit in find(_names_in_the_best(query, list(found.values()))):
        found.setdefault(hit.insight.id, hit)
    frontier = list(found.values())
    while frontier and len(found) < MAX_FOUND:
        leads: dict[str, float] = {}
        for hit in frontier:
            for link in hit.insight.links:
                if link not in found:
                    leads[link] = max(hit.relevance, leads.get(link, 0.0))
        linked = transaction.get_insights(tenant, list(leads)[: MAX_FOUND - len(found)])
        reached = [RankedInsight(insight, leads[insight.id]) for insight in linked]
        found.update((hit.insight.id, hit) for hit in reached)
        frontier = [hit for hit in reached if hit.insight.kind == InsightKind.RULE]
    return list(found.values())


def _names_in_the_best(query: str, hits: list[RankedInsight]) -> str:
    """The names that the best hits hold and the question does not."""
    asked, named = words_in(query) | names_in(query), names_in(query, within=True)
    leading = [hit for hit in hits if not named or named & words_in(hit.insight.content)][:LEADS]
    names = frozenset().union(*(names_in(hit.insight.content) for hit in leading)) - asked
    return " ".join(sorted(names)[:NAMES])
