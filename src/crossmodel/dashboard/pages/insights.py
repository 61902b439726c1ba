"""The insights: search them, leaf through them."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from crossmodel.dashboard.actions import address_of
from crossmodel.dashboard.forms import asking, choice, field, onward
from crossmodel.dashboard.markup import (
    NONE,
    badge,
    empty,
    link,
    moment,
    section,
    sentence,
    short,
    table,
    tag,
)
from crossmodel.dashboard.view import View, put
from crossmodel.domain.insight import Insight, InsightType, Standing
from crossmodel.errors import InvalidInputError

PATH: Final = "/insights"
TITLE: Final = "Insights"

PER_PAGE: Final = 50
FOUND: Final = 30
"""Insights that a search shows."""

KINDS: Final = {Standing.ACTIVE: "good", Standing.DEMOTED: "doubtful", Standing.QUARANTINED: "bad"}

DONE: Final = {"erased": "The insight was erased for good."}

_COLUMNS: Final = ("Insight", "Type", "Source model", "Confidence", "Standing", "Found")


async def build(view: View) -> None:
    """Search results where something is looked for, else the latest."""
    query, kind, standing = view.asked("q"), view.asked("type"), view.asked("standing")
    put(
        tag("h1", TITLE),
        sentence(DONE[done], "good") if (done := view.asked("done")) in DONE else Markup(),
        asking(
            PATH,
            field("q", "Search by words and meaning", query, kind="search"),
            button="Search",
            role="search",
        ),
    )
    if query:
        await _search(view, query)
    else:
        await _leaf(view, kind, standing)


async def _search(view: View, query: str) -> None:
    found = await view.cm.search_insights(query, limit=FOUND, tenant=view.tenant)
    if not found:
        put(
            empty(
                f"No insight is about “{query}”.",
                "Use fewer or other words. Quarantined insights are never found: the list shows "
                "them.",
            ),
            tag("p", link(PATH, "All insights")),
        )
        return
    rows = [(*row(each.insight), f"{each.relevance:.2f}") for each in found]
    caption = f"The best {len(found)} matches, best first" if len(found) > 1 else "The best match"
    put(
        table(caption, (*_COLUMNS, "Match"), rows, numeric={3, 6}),
        tag("p", link(PATH, "All insights")),
    )


async def _leaf(view: View, kind: str, standing: str) -> None:
    before = _number(view.asked("before"))
    page, more = await view.cm.page_of_insights(
        before=before,
        limit=PER_PAGE,
        insight_type=kind or None,
        standing=standing or None,
        tenant=view.tenant,
    )
    filters = asking(
        PATH,
        choice("type", "Type", kind, [("", "Any"), *((t, t.capitalize()) for t in InsightType)]),
        choice(
            "standing",
            "Standing",
            standing,
            [("", "Any"), *((s, s.capitalize()) for s in Standing)],
        ),
        button="Filter",
    )
    asked = {"type": kind, "standing": standing}
    if page:
        listed = table("Newest first", _COLUMNS, [row(insight) for insight in page], numeric={3})
    elif more is not None:
        listed = empty("None of the insights that were looked at is like that.", "Look further.")
    elif kind or standing or before is not None:
        listed = empty("No insight is like that.", "Choose another type or standing.")
    else:
        listed = empty(
            "There are no insights yet.",
            "They are learned from what strong models answer. Send requests through the gateway, "
            "or read answers that you have:",
            "crossmodel extract answers/",
        )
    steps = onward(PATH, asked, more, is_first=before is None)
    put(section("All insights", filters, listed, steps))


def row(insight: Insight) -> tuple[object, ...]:
    """An insight in a list."""
    return (
        link(address_of(insight.id), short(insight.content)),
        insight.insight_type,
        insight.source_model or NONE,
        f"{insight.confidence_score:.2f}",
        standing_badge(insight.standing),
        moment(insight.extraction_timestamp),
    )


def standing_badge(standing: str) -> Markup:
    """How an insight stands."""
    return badge(standing, KINDS.get(Standing(standing), ""))


def _number(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 - of 64 bits
        raise InvalidInputError("before must be a number: go on from the first page")
    return int(text)
