"""Insights that cannot both hold: the better supported side stays, and near ties go altogether.

A side is everything among the candidates that says the same. What stands behind it are sources,
and each leaves a doubt; the side's weight is what the doubts leave together, as in the noisy-or
model (Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, 4.3.2)::

    weight = 1 - product over models of (1 - t) (1 - t / 2) (1 - t / 4) ...

with a factor for each distinct source text of a model that is trusted ``t``. However often one
model repeats itself, it weighs less than two models that are trusted as much. Sides are compared
by their odds, ``weight / (1 - weight)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossmodel.domain.insight import Insight
from crossmodel.domain.transfer import RejectedInsight
from crossmodel.text.claims import fact_of
from crossmodel.text.facts import Fact, conflict, same
from crossmodel.text.normalise import unify
from crossmodel.transfer.wording import one_line, unannounced, worked_example

CLEAR_ODDS: Final = 1.5
"""From this ratio of odds on one of two sides is better supported; below, it is a near tie."""

QUARANTINE_ODDS: Final = 2.0
QUARANTINE_WEIGHT: Final = 0.7
"""What loses by more than this ratio to a side of at least this weight should be quarantined."""

_FADES: Final = 0.5
"""Share of its trust with which each further text of a model counts."""

_UNSURE: Final = 1e-9
"""No side weighs less, nor more than what this leaves of 1, so that odds stay finite."""

TIE: Final = "it is in conflict with {rival}, and neither side is better supported"
LOST: Final = "it is in conflict with {rival}, which is better supported"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What came of looking for conflicts.

    Attributes:
        kept: insights that nothing contradicts, or that are better supported, in their order.
        rejected: the others; the reason names an insight of the other side.
        losers_to_quarantine: those of the rejected that a clearly trusted side speaks against.
    """

    kept: tuple[Insight, ...] = ()
    rejected: tuple[RejectedInsight, ...] = ()
    losers_to_quarantine: tuple[RejectedInsight, ...] = ()


@dataclass(slots=True)
class _Side:
    """Insights that say the same; ``says`` is what one of them says."""

    says: Fact | str
    members: list[Insight] = field(default_factory=list)

    def weight(self) -> float:
        """How well it is supported, 0..1."""
        return support(self.members)


def resolve(candidates: Sequence[Insight]) -> Resolution:
    """Sort out what cannot both hold among the candidates for one question.

    The verdicts do not depend on the order of the candidates. Takes time linear in their number,
    but for those about one and the same thing.
    """
    verdicts: dict[str, tuple[str, bool]] = {}
    for sides in _topics(candidates):
        if len(sides) > 1:
            verdicts |= _judged(sides)
    rejected = [
        RejectedInsight(each, verdicts[each.id][0]) for each in candidates if each.id in verdicts
    ]
    return Resolution(
        tuple(each for each in candidates if each.id not in verdicts),
        tuple(rejected),
        tuple(each for each in rejected if verdicts[each.insight.id][1]),
    )


def support(insights: Iterable[Insight]) -> float:
    """How well what these insights say is supported by their distinct sources, 0..1.

    Of the texts behind an insight that several models told only the first model is known; they all
    count as its.
    """
    trusted: dict[tuple[str, str], float] = {}
    for insight in insights:
        texts = {evidence.source_sha256 for evidence in insight.evidence} or {insight.id}
        for text in texts:
            key = insight.source_model, text
            trusted[key] = max(insight.trust, trusted.get(key, 0.0))
    by_model: dict[str, list[float]] = {}
    for (model, _), trust in trusted.items():
        by_model.setdefault(model, []).append(trust)
    doubt = 1.0
    for trusts in by_model.values():
        share = 1.0
        for trust in sorted(trusts, reverse=True):
            doubt *= 1.0 - share * trust
            share *= _FADES
    return 1.0 - doubt


def _topics(candidates: Sequence[Insight]) -> list[list[_Side]]:
    """The sides that there are, by what they are about; what is never in conflict is left out."""
    topics: dict[object, list[_Side]] = {}
    for insight in sorted({each.id: each for each in candidates}.values(), key=lambda i: i.id):
        example = worked_example(insight)
        said: Fact | str | None
        if example:
            topic: object = _comparable(example[0])
            said = _comparable_result(example[1])
        else:
            said = fact_of(unannounced(one_line(insight.content)))
            topic = said.topic if said else None
        if said is None:
            continue
        sides = topics.setdefault(topic, [])
        side = next((side for side in sides if _agree(side.says, said)), None)
        if side is None:
            sides.append(side := _Side(said))
        side.members.append(insight)
    return list(topics.values())


def _agree(first: Fact | str, second: Fact | str) -> bool:
    if isinstance(first, Fact) and isinstance(second, Fact):
        return same(first, second)
    return first == second


def _are_rivals(first: Fact | str, second: Fact | str) -> bool:
    if isinstance(first, Fact) and isinstance(second, Fact):
        return conflict(first, second)
    return first != second


def _judged(sides: Sequence[_Side]) -> dict[str, tuple[str, bool]]:
    """By id, the reasons of those that are rejected, and whether they are to be quarantined."""
    weights = [side.weight() for side in sides]
    verdicts: dict[str, tuple[str, bool]] = {}
    for place, side in enumerate(sides):
        rivals = [
            other
            for other, each in enumerate(sides)
            if other != place and _are_rivals(side.says, each.says)
        ]
        if not rivals:
            continue
        rival = max(rivals, key=lambda each: (weights[each], -each))
        ratio = _odds(weights[rival]) / _odds(weights[place])
        if ratio <= 1.0 / CLEAR_ODDS:
            continue
        name = max(sides[rival].members, key=lambda each: (each.trust, each.id)).id
        reason = (LOST if ratio >= CLEAR_ODDS else TIE).format(rival=name)
        is_grave = ratio > QUARANTINE_ODDS and weights[rival] >= QUARANTINE_WEIGHT
        verdicts |= {member.id: (reason, is_grave) for member in side.members}
    return verdicts


def _odds(weight: float) -> float:
    bounded = min(max(weight, _UNSURE), 1.0 - _UNSURE)
    return bounded / (1.0 - bounded)


def _comparable(given: str) -> str:
    """The input of a worked example in the form in which two of them are the same."""
    return one_line(unify(given)).strip(" .?!:`\"'").casefold()


def _comparable_result(result: str) -> str:
    """Its output: only white space and what quotes it make no difference."""
    return one_line(unify(result)).strip("`\"' ").removesuffix(".")
