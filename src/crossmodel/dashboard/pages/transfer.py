"""What handing insights over does to answers: the arms side by side, and their difference."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from crossmodel.dashboard.charts import intervals
from crossmodel.dashboard.markup import NONE, badge, empty, section, table, tag
from crossmodel.dashboard.view import View, put
from crossmodel.desk import EffectOnTarget
from crossmodel.domain.transfer import Arm
from crossmodel.domain.uplift import Tally

PATH: Final = "/transfer"
TITLE: Final = "Transfer"

KINDS: Final = (("protocol", "By the form in which they are handed over"), ("topic", "By topic"))

ARMS: Final = (Arm.HOLDOUT, Arm.PADDING, Arm.INSIGHTS)

VERDICTS: Final = {"keep": "good", "demote": "doubtful", "quarantine": "bad"}

MOST: Final = 200
"""Names that are shown of a kind."""


async def build(view: View) -> None:
    """Each kind of unit in a section."""
    put(
        tag("h1", TITLE),
        tag(
            "p",
            "Some requests get the insights that fit, some get nothing, and some get text of the "
            "same length that has nothing to do with them. What people and graders say of the "
            "answers tells what the insights do.",
        ),
    )
    found = False
    for kind, title in KINDS:
        arms = await view.cm.arms_by(kind, tenant=view.tenant)
        effects = await view.cm.effects_by(kind, tenant=view.tenant)
        if arms:
            found = True
            put(section(title, *_kind(arms, effects)))
    if not found:
        put(
            empty(
                "Nothing has been measured yet.",
                "Insights are handed over as soon as there are some that fit a question; what they "
                "do is known when answers have scores. Say how good an answer was:",
                "crossmodel feedback ID 0.8",
            )
        )


def _kind(
    arms: dict[str, dict[str, dict[str, Tally]]], effects: dict[str, list[EffectOnTarget]]
) -> list[Markup]:
    names = list(arms)[:MOST]
    rows = [
        (name, target, *(_mean(sums.get(arm)) for arm in ARMS))
        for name in names
        for target, sums in sorted(arms[name].items())
    ]
    both = [(f"{name} → {e.target_model}", e) for name in names for e in effects.get(name, ())]
    pieces = [
        table(
            "Mean score in each arm, and of how many answers",
            ("Name", "Target model", "Nothing", "Padding", "Insights"),
            rows,
            numeric={2, 3, 4},
        ),
        intervals(
            "Insights over nothing: difference of the mean score, with its 95 % interval",
            [(name, *points(e.over_nothing)) for name, e in both if usable(e)],
        ),
        table(
            "The difference that the insights make, like compared with like",
            (
                "Name and target",
                "Difference",
                "95 % interval",
                "Over padding",
                "Answers",
                "Verdict",
            ),
            [(name, *effect_row(e)[1:]) for name, e in both],
            numeric={1, 2, 3, 4},
        ),
    ]
    if len(arms) > MOST:
        pieces.append(tag("p", f"The first {MOST} of {len(arms)} names are shown."))
    return pieces


def effect_row(effect: EffectOnTarget) -> tuple[object, ...]:
    """Target, difference, interval, difference over padding, answers, verdict."""
    over, padded = effect.over_nothing, effect.over_padding
    return (
        effect.target_model,
        _signed(over.difference) if over.known else NONE,
        f"{_signed(over.low)} to {_signed(over.high)}" if over.known else NONE,
        _signed(padded.difference) if padded.known else NONE,
        f"{over.treated.n} with, {over.control.n} without",
        badge(effect.verdict, VERDICTS.get(str(effect.verdict), ""))
        + tag("div", effect.reason, class_="muted"),
    )


def usable(effect: EffectOnTarget) -> bool:
    """Whether there is an interval to draw."""
    return effect.over_nothing.known


def points(effect: object) -> tuple[float, float, float]:
    """Difference and interval, in points of a score of 0..100."""
    low, middle, high = (getattr(effect, name) for name in ("low", "difference", "high"))
    return 100 * low, 100 * middle, 100 * high


def _mean(tally: Tally | None) -> str:
    return f"{tally.total / tally.n:.3f} of {tally.n}" if tally and tally.n > 0 else NONE


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}"
