"""Links between the insights of one extraction, as ids change and insights go."""

from __future__ import annotations

from collections.abc import Mapping

from crossmodel.domain.insight import Insight


def relinked(insights: list[Insight], renamed: Mapping[str, str]) -> list[Insight]:
    """The insights, with links that follow ids which have changed, and none to itself."""
    for insight in insights:
        if insight.links:
            links = dict.fromkeys(renamed.get(link, link) for link in insight.links)
            insight.links = tuple(link for link in links if link != insight.id)
    return insights


def resolved(insights: list[Insight]) -> list[Insight]:
    """The insights, each id once, with links only among themselves."""
    by_id: dict[str, Insight] = {}
    for insight in insights:
        by_id.setdefault(insight.id, insight)
    for insight in by_id.values():
        if insight.links:
            insight.links = tuple(link for link in insight.links if link in by_id)
    return list(by_id.values())
