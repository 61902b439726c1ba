"""One decision: each term of each score, who was rejected and why, who would have come next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from crossmodel.dashboard.markup import (
    code,
    empty,
    facts,
    link,
    section,
    sentence,
    share,
    spoken,
    table,
    tag,
    usd,
)
from crossmodel.dashboard.view import View, put
from crossmodel.domain.replay import ExplainedSelection
from crossmodel.domain.selection import LearnedExplanation, ScoreTerms, SelectionExplanation

PATH: Final = "/selection/{request_id}"
TITLE: Final = "Decision"

TERMS: Final = tuple(name for name in ScoreTerms.__slots__ if name != "total")


async def build(view: View) -> None:
    """What the log says, and the terms worked out again."""
    request_id = view.part("request_id")
    told = await view.cm.explain(request_id, tenant=view.tenant)
    put(
        tag("h1", TITLE),
        facts(
            ("Request", code(request_id)),
            ("Chosen", told.model_id or "No model could be"),
            ("Score", f"{told.score:.4f}"),
            ("Record of the log", link(f"/provenance?id={request_id}", str(told.leaf))),
        ),
        section("What was asked for", _asked(told.requirement)),
        section("The scores", *_scores(told)),
        section("Who was rejected", _rejected(told)),
        section("Who would have come next", _alternatives(told)),
    )


def _asked(requirement: Mapping[str, Any]) -> Markup:
    said = [
        (name.replace("_", " ").capitalize(), _plain(value)) for name, value in requirement.items()
    ]
    return facts(*said) if said else tag("p", "Nothing in particular.")


def _scores(told: ExplainedSelection) -> list[Markup]:
    explained = told.explanation
    if explained is None:
        return [empty("The terms cannot be worked out.", spoken(told.why_not))]
    pieces = [sentence(difference, "doubtful") for difference in told.differs]
    pieces.append(
        tag(
            "p",
            "Worked out again from what the log says that the decision was made from. Each term is "
            "0 to 1; the total adds them up by their weights.",
        )
    )
    if explained.reason:
        pieces.append(tag("p", explained.reason))
    pieces.append(_terms(explained))
    if explained.relaxation:
        pieces.append(tag("p", f"What would have admitted another model: {explained.relaxation}."))
    if explained.learned is not None:
        pieces += _learned(explained.learned)
    return pieces


def _terms(explained: SelectionExplanation) -> Markup:
    weights = [explained.weights.get(f"{name}_weight", 0.0) for name in TERMS]
    columns = (
        "Model",
        *(
            f"{name.capitalize()}, weight {weight:g}"
            for name, weight in zip(TERMS, weights, strict=True)
        ),
        "Total",
    )
    rows = [
        (model, *(f"{getattr(terms, name):.3f}" for name in TERMS), f"{terms.total:.4f}")
        for model, terms in explained.scores.items()
    ]
    numbers = range(1, len(columns))
    return table("Each term with its weight, the best model first", columns, rows, numeric=numbers)


def _learned(learned: LearnedExplanation) -> list[Markup]:
    rows = [
        (
            model,
            f"{terms.expected_quality:.3f} ± {terms.uncertainty:.3f}",
            f"{terms.prior:.3f}",
            usd(terms.expected_cost_usd),
            f"{terms.evidence:.0f}",
            f"{terms.worth:.4f}",
        )
        for model, terms in learned.models.items()
    ]
    topics = ", ".join(f"{name} ({share(of)})" for name, of in learned.topics.items())
    return [
        tag("h3", "What the learned router expected"),
        tag(
            "p",
            f"{learned.dial}. The prompt was familiar to {share(learned.familiarity)}; its topics: "
            f"{topics or 'none'}.",
        ),
        table(
            "What is compared is the worth",
            ("Model", "Quality", "Without the prompt", "Cost", "Answers it rests on", "Worth"),
            rows,
            numeric=range(1, 6),
        ),
    ]


def _rejected(told: ExplainedSelection) -> Markup:
    if not told.rejected:
        return tag("p", "Nobody: every model was considered.")
    return table("By the log", ("Model", "Why"), sorted(told.rejected.items()))


def _alternatives(told: ExplainedSelection) -> Markup:
    if not told.alternatives:
        return tag("p", "Nobody.")
    return tag("ol", *(tag("li", name) for name in told.alternatives))


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
