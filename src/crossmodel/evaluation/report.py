"""The demo's page: one file, no scripts, nothing loaded from anywhere.

Answers, insights and questions are other people's text: all of it goes through
:func:`~crossmodel.pages.charts.escaped`, and the page's own policy forbids scripts and
requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from string import Template
from typing import Final

from crossmodel.domain.insight import Evidence, Insight, InsightKind
from crossmodel.domain.records import SourceText
from crossmodel.domain.witness import VerificationReport
from crossmodel.evaluation.arms import Arm
from crossmodel.evaluation.proof import Tampering
from crossmodel.evaluation.results import Evaluation, Score
from crossmodel.pages import style
from crossmodel.pages.charts import Bar, Box, bar_chart, chain, escaped
from crossmodel.pages.tables import table
from crossmodel.transfer.wording import worked_example

SIGNIFICANT: Final = 0.05
"""p-values below this are called a difference."""

SHOWN_USES: Final = 15
"""Rows of the table of insights."""

AROUND: Final = 700
"""Characters of a source that are shown on either side of the evidence."""

ARM_NAMES: Final = {
    Arm.NONE: "nothing",
    Arm.PADDING: "irrelevant text, same length",
    Arm.RULE: "the rule",
    Arm.EXAMPLES: "the rule and worked examples",
}


@dataclass(frozen=True, slots=True)
class DemoReport:
    """Everything that the page shows.

    Attributes:
        evaluation: the four arms.
        insights: all that was learned.
        shown: the insights that are shown in their sources.
        origin: one sentence on where the answers come from.
        answers: how many there were.
        question: what the traced answer was asked.
        links: the way from that answer to the signed head of the log.
        log: what verification says to the whole log.
        evidence: what it says to the evidence file alone.
        tamperings: edited copies, and what it says to them.
        elapsed_seconds: how long the demo took.
        made_at: when.
    """

    evaluation: Evaluation
    insights: Sequence[Insight]
    shown: Sequence[tuple[Insight, SourceText]]
    origin: str
    answers: int
    question: str
    links: Sequence[Box]
    log: VerificationReport
    evidence: VerificationReport
    tamperings: Sequence[Tampering]
    elapsed_seconds: float
    made_at: datetime


def render(report: DemoReport) -> str:
    """The page as HTML."""
    evaluation = report.evaluation
    page = files(__package__).joinpath("report.html").read_text("utf-8")
    return Template(page).substitute(
        style=style(),
        model=escaped(evaluation.model_id),
        headline=_headline(evaluation),
        summary=escaped(_summary(evaluation)),
        figures=_figures(report),
        chart=_chart(evaluation),
        arms=_arms_table(evaluation),
        families=_families_table(evaluation),
        shown="".join(_shown(insight, source) for insight, source in report.shown),
        uses=_uses_table(report),
        question=escaped(report.question),
        chain=chain("From the answer to the signed log", report.links),
        log=_verdict("The whole log", report.log),
        evidence=_verdict("The evidence file alone", report.evidence),
        tamperings=_tamper_table(report.tamperings),
        origin=escaped(report.origin),
        made_at=escaped(report.made_at.strftime("%Y-%m-%d %H:%M %Z")),
    )


def _headline(evaluation: Evaluation) -> str:
    without, having = evaluation.score(Arm.NONE), evaluation.score(Arm.EXAMPLES)
    return f"{without.accuracy:.0%} right with nothing, {having.accuracy:.0%} with insights"


def _summary(evaluation: Evaluation) -> str:
    having, padded = evaluation.score(Arm.EXAMPLES), evaluation.score(Arm.PADDING)
    p_value = evaluation.p_value(Arm.PADDING, Arm.EXAMPLES)
    if p_value >= SIGNIFICANT:
        found = "made no difference that these questions can show"
    elif having.correct > padded.correct:
        found = "helped"
    else:
        found = "did harm"
    return (
        f"{evaluation.model_id} was asked {having.n} held-out questions about conventions that it "
        f"cannot know. Against irrelevant text of the same length, insights {found}: "
        f"{padded.correct} against {having.correct} right (exact McNemar test, p {_p(p_value)})."
    )


def _figures(report: DemoReport) -> str:
    caught = sum(tampering.is_caught for tampering in report.tamperings)
    figures = (
        ("answers read", report.answers),
        ("insights found", len(report.insights)),
        ("worked examples", sum(i.kind == InsightKind.EXAMPLE for i in report.insights)),
        ("records verified", report.log.records),
        ("forgeries caught", f"{caught} of {len(report.tamperings)}"),
        ("seconds in all", f"{report.elapsed_seconds:.0f}"),
    )
    return "".join(
        f"<div><dt>{name}</dt><dd>{escaped(value)}</dd></div>" for name, value in figures
    )


def _chart(evaluation: Evaluation) -> str:
    bars = []
    for arm in evaluation.arms:
        score = evaluation.score(arm)
        note = f"{score.accuracy:.0%} ({score.correct} of {score.n})"
        bars.append(Bar(_arm_name(arm), score.accuracy, score.interval, note, arm == Arm.EXAMPLES))
    return bar_chart("Share of right answers per arm, with 95 % intervals", bars)


def _arms_table(evaluation: Evaluation) -> str:
    def row(arm: str) -> tuple[str, ...]:
        score = evaluation.score(arm)
        against = "" if arm == Arm.NONE else _p(evaluation.p_value(Arm.NONE, arm))
        return (
            _arm_name(arm),
            f"{score.correct} of {score.n}",
            f"{score.interval.low:.0%} to {score.interval.high:.0%}",
            against,
            f"{score.mean_input_tokens:.0f}",
            f"{score.mean_latency_ms:.0f} ms",
            _usd(score),
        )

    return table(
        "What each arm took, on average per question",
        (
            "asked with",
            "right",
            "95 % interval",
            "p against nothing",
            "tokens read",
            "time",
            "cost",
        ),
        map(row, evaluation.arms),
    )


def _families_table(evaluation: Evaluation) -> str:
    def row(family: str) -> tuple[str, ...]:
        scores = [evaluation.score(arm, family) for arm in evaluation.arms]
        return family, *(f"{score.correct} of {score.n}" for score in scores)

    return table(
        "Right answers per convention",
        ("convention", *map(_arm_name, evaluation.arms)),
        map(row, evaluation.families),
    )


def _uses_table(report: DemoReport) -> str:
    known = {insight.id: insight for insight in report.insights}
    rows = []
    for use in report.evaluation.insight_uses(Arm.EXAMPLES, Arm.NONE)[:SHOWN_USES]:
        insight = known.get(use.insight_id)
        said = _said(insight) if insight else use.insight_id
        kind = str(insight.kind) if insight else ""
        rows.append((said, kind, f"{use.uses}", f"{use.correct_with}", f"{use.correct_without}"))
    return table(
        "Insights by what they did for the questions that they were handed over for",
        ("insight", "kind", "questions", "right with it", "right with nothing"),
        rows,
    )


def _said(insight: Insight) -> str:
    """The insight in a line: a worked example as input and output."""
    example = worked_example(insight)
    return " ".join((" → ".join(example) if example else insight.content).split())


def _shown(insight: Insight, source: SourceText) -> str:
    about = f"{insight.kind} · confidence {insight.confidence_score:.2f}"
    about += f" · about “{insight.scope}”" if insight.scope else ""
    origin = source.origin or source.sha256[:12]
    return (
        f'<h3>{escaped(about)}</h3><blockquote dir="auto">{escaped(insight.content)}</blockquote>'
        f'<p class="quiet">Said by {escaped(source.source_model)} in {escaped(origin)}:</p>'
        f'<pre tabindex="0" dir="auto" aria-label="Source text, evidence marked">'
        f"{_highlighted(source.text, insight.evidence)}</pre>"
    )


def _highlighted(text: str, evidence: Sequence[Evidence]) -> str:
    """The text around its evidence, which is marked; spans that overlap are marked as one."""
    first = max(0, min((span.start for span in evidence), default=0) - AROUND)
    last = max((span.end for span in evidence), default=0) + AROUND
    parts, done = ["… " if first else ""], first
    for span in sorted(evidence, key=lambda each: each.start):
        start, end = max(span.start, done), min(span.end, len(text))
        if start < end:
            parts.append(escaped(text[done:start]))
            parts.append(f"<mark>{escaped(text[start:end])}</mark>")
            done = end
    rest = escaped(text[done:last])
    return "".join((*parts, rest, " …" if last < len(text) else ""))


def _verdict(what: str, verified: VerificationReport) -> str:
    kind, sign = ("good", "✓") if verified.is_valid else ("bad", "✗")
    steps = "".join(
        f"<li>{'✓' if step.passed else '✗'} {step.number}. {escaped(step.name)} "
        f'<span class="quiet">{escaped(step.detail)}</span></li>'
        for step in verified.steps
    )
    return (
        f'<p>{escaped(what)}: <span class="verdict {kind}">{sign} {escaped(verified.verdict)}'
        f"</span>, {verified.records} records</p>"
        f'<details><summary>{len(verified.steps)} steps</summary><ol class="steps">{steps}</ol>'
        "</details>"
    )


def _tamper_table(tamperings: Sequence[Tampering]) -> str:
    return table(
        "Copies that were edited, and whether verification noticed",
        ("edit", "verdict", "noticed by"),
        (
            (each.name, "✓ caught" if each.is_caught else "✗ not noticed", each.caught_by)
            for each in tamperings
        ),
    )


def _arm_name(arm: str) -> str:
    return next((name for known, name in ARM_NAMES.items() if known == arm), arm)


def _p(value: float) -> str:
    least = 0.0001
    return f"< {least}" if value < least else f"{value:.2g}"


def _usd(score: Score) -> str:
    return "0 USD" if score.mean_cost_usd == 0 else f"{score.mean_cost_usd:.2g} USD"
