"""One insight: what it says, where it says so, what it did, and what to do with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup
from nicegui import ui

from crossmodel.dashboard.actions import address_of
from crossmodel.dashboard.charts import intervals
from crossmodel.dashboard.forms import dialog
from crossmodel.dashboard.markup import (
    NONE,
    code,
    empty,
    facts,
    join,
    link,
    moment,
    section,
    sentence,
    short,
    table,
    tag,
)
from crossmodel.dashboard.pages.insights import standing_badge
from crossmodel.dashboard.pages.transfer import effect_row, points, usable
from crossmodel.dashboard.view import View, put
from crossmodel.desk import EffectOnTarget
from crossmodel.domain.insight import Insight, Standing
from crossmodel.domain.records import SourceText, TransferRecord

PATH: Final = "/insights/{insight_id}"
TITLE: Final = "Insight"

AROUND: Final = 1500
"""Characters of a source that are shown before the evidence and after it."""

WHOLE: Final = 200_000
"""Characters of a source that are shown at most."""

DONE: Final = {
    "quarantined": "The insight is quarantined: it is not handed over any more.",
    "released": "The insight is released. What was measured of it is forgotten, so that it "
    "starts anew.",
}


async def build(view: View) -> None:
    """Everything about it."""
    insight, source = await view.cm.insight(view.part("insight_id"), tenant=view.tenant)
    effects = await view.cm.effects(insight.id, tenant=view.tenant)
    uses = await view.cm.uses(insight.id, tenant=view.tenant)
    ui.page_title(f"{short(insight.content, 60)} · CrossModel")
    done = view.asked("done")
    put(
        tag("h1", "Insight"),
        sentence(DONE[done], "good") if done in DONE else Markup(),
        tag("pre", insight.content, class_="source", dir="auto"),
        _facts(insight),
        _links(insight),
        _source(insight, source, is_whole=view.asked("source") == "whole"),
        _effects(effects),
        _uses(uses),
        _actions(insight, is_admin=view.session.may_change),
    )


def _facts(insight: Insight) -> Markup:
    return facts(
        ("Standing", standing_badge(insight.standing)),
        ("Why it stands so", insight.standing_reason or "It has always been active"),
        ("Type", f"{insight.insight_type}, {insight.kind}"),
        ("Applies to", insight.scope or "Nothing in particular"),
        ("Source model", insight.source_model or NONE),
        ("Confidence", f"{insight.confidence_score:.2f}"),
        ("Trust in its source", f"{insight.trust:.2f}"),
        ("Validation", insight.validation_status),
        ("Found", moment(insight.extraction_timestamp)),
        ("Id", code(insight.id)),
        ("Where it comes from", link(f"/provenance?id={insight.id}", "Its chain in the log")),
    )


def _links(insight: Insight) -> Markup:
    if not insight.links:
        return Markup()
    items = (tag("li", link(address_of(each), code(each))) for each in insight.links)
    return section("What belongs to it", tag("ul", *items))


def _source(insight: Insight, source: SourceText | None, *, is_whole: bool) -> Markup:
    title = "Where it says so"
    if source is None:
        said = (
            "Its source is not kept: it was erased, or it is older than what is kept."
            if insight.evidence
            else "It stands on no text that is kept."
        )
        return section(title, empty(said, "The log still proves that it was there: see its chain."))
    here = [each for each in insight.evidence if each.source_sha256 == source.sha256]
    spans = sorted({(each.start, min(each.end, len(source.text))) for each in here})
    first, last = (0, len(source.text)) if is_whole else _window(spans, len(source.text))
    last = min(last, first + WHOLE)
    elsewhere = len(insight.evidence) - len(here)
    cut = first > 0 or last < len(source.text)
    return section(
        title,
        tag(
            "p",
            f"{source.source_model} said it"
            + (f" ({source.origin})" if source.origin else "")
            + ". The evidence is marked.",
            f" {elsewhere} more pieces of evidence stand in other sources." if elsewhere else "",
        ),
        tag("pre", highlighted(source.text, spans, first, last), class_="source", dir="auto"),
        tag("p", link("?source=whole", "Show the whole source")) if cut and not is_whole else "",
        tag("p", "The rest is too long to be shown.") if cut and is_whole else "",
    )


def _window(spans: Sequence[tuple[int, int]], size: int) -> tuple[int, int]:
    if not spans:
        return 0, min(size, AROUND)
    return max(0, spans[0][0] - AROUND), min(size, max(end for _, end in spans) + AROUND)


def highlighted(text: str, spans: Sequence[tuple[int, int]], first: int, last: int) -> Markup:
    """``text[first:last]`` with the spans marked; they may overlap. All of it is text."""
    pieces: list[object] = ["…"] if first > 0 else []
    at = first
    for start, end in spans:
        start, end = max(start, at), min(end, last)  # noqa: PLW2901 - what is left of it
        if start < end:
            pieces += [text[at:start], tag("mark", text[start:end])]
            at = end
    pieces += [text[at:last], "…" if last < len(text) else ""]
    return join(pieces)


def _effects(effects: Sequence[EffectOnTarget]) -> Markup:
    title = "What it does to answers"
    if not effects:
        return section(
            title,
            empty(
                "Nothing has been measured of it yet.",
                "It takes answers with it and without it, and somebody who says how good they "
                "were:",
                "crossmodel feedback ID 0.8",
            ),
        )
    rows = [effect_row(each) for each in effects]
    columns = ("Target model", "Difference", "95 % interval", "Over padding", "Answers", "Verdict")
    return section(
        title,
        intervals(
            "Difference of the mean score, with its 95 % interval",
            [(each.target_model, *points(each.over_nothing)) for each in effects if usable(each)],
        ),
        table("Measured on each model that it was handed to", columns, rows, numeric={1, 2, 3, 4}),
    )


def _uses(uses: Sequence[TransferRecord]) -> Markup:
    title = "Where it was used"
    if not uses:
        return section(title, empty("None of the latest 20,000 transfers has used it."))
    rows = [
        (
            link(f"/provenance?id={each.request_id}", code(each.request_id)),
            each.target_model,
            each.protocol or NONE,
            each.arm,
            moment(each.transferred_at),
        )
        for each in uses
    ]
    columns = ("Request", "Target model", "Form", "Arm", "When")
    caption = "The latest requests that it was handed to, or withheld from in a test"
    return section(title, table(caption, columns, rows))


def _actions(insight: Insight, *, is_admin: bool) -> Markup:
    title = "What to do with it"
    if not is_admin:
        return section(
            title, tag("p", "You are a viewer. An admin can release, quarantine or erase it.")
        )
    where = address_of(insight.id)
    pieces: list[Markup] = []
    if insight.standing != Standing.QUARANTINED:
        pieces.append(_ask(where, "quarantine", "Quarantine", "It is not handed over any more."))
    if insight.standing != Standing.ACTIVE:
        pieces.append(
            tag(
                "form",
                tag("button", "Release", type="submit"),
                method="post",
                action=f"{where}/release",
            )
        )
    pieces.append(
        _ask(
            where,
            "erase",
            "Erase",
            "It goes for good, with its text wherever the store holds it: in its source, in what "
            "was handed over. The log keeps a signed record that it was erased. There is no undo.",
        )
    )
    return section(title, tag("div", *pieces, class_="row"))


def _ask(where: str, what: str, called: str, means: str) -> Markup:
    reason = f"{what}-reason"
    form = tag(
        "form",
        tag("p", means),
        tag("label", "Why?", for_=reason),
        tag("input", id=reason, name="reason", required=True, maxlength=2000),
        tag("button", f"{called} it", type="submit", class_="danger"),
        method="post",
        action=f"{where}/{what}",
    )
    return dialog(what, called, form)
