"""Choosing what fits: as much utility per token as a budget allows, and never a token more.

Utility falls with the place in the caller's order of preference as in discounted cumulative gain
(Järvelin and Kekäläinen, ACM TOIS 20(4), 2002), grows with quality, and with what an insight was
measured to do for the target::

    utility = quality * (1 + gain) / log2(place + 1)

Greedy in several orders, by utility per token and by utility, and the best of them: the first alone
can be arbitrarily bad, where something small fills the place of something great (Kellerer, Pferschy
and Pisinger, Knapsack Problems, 2004, 2.1). What it costs is always counted on the whole context,
since the tokens of the parts do not add up to those of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crossmodel.domain import checks
from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.errors import InvalidInputError, TransferError
from crossmodel.transfer.quality import insight_quality


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed: the insights in the order of the text, the text, its tokens."""

    insights: tuple[Insight, ...] = ()
    context: str = ""
    tokens: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Unit:
    """Insights that stand or fall together; ``needs`` is the id of a rule that must be there."""

    members: tuple[Insight, ...]
    needs: str = ""


def pack(
    insights: Sequence[Insight],
    *,
    write: Callable[[Sequence[Insight]], str],
    count_tokens: Callable[[str], int],
    budget: int,
    gain: Mapping[str, float] | None = None,
) -> Packed:
    """The best of ``insights``, which stand in order of preference, that fit into ``budget``.

    A rule is kept with the first of its worked examples or both are dropped; further examples are
    kept only with their rule. Equal choices give equal text, whatever the order of preference;
    where everything fits, the order does not matter at all.

    ``gain`` is the expected uplift of insights by id, -1..1; 0 for those that are not in it.

    Raises:
        InvalidInputError: if a gain is out of range.
        TransferError: if the counter's result is not a number of tokens; trying again is no help.
    """
    utility = _utilities(insights, gain or {})

    def packed(members: Sequence[Insight]) -> Packed:
        placed = tuple(sorted(members, key=place_in_source))
        context = write(placed)
        return Packed(placed, context, _checked(count_tokens(context)))

    if insights and (everything := packed(insights)).tokens <= budget:
        return everything
    units = _units(insights, _rules_of_examples(insights))
    worth = {unit: sum(utility[member.id] for member in unit.members) for unit in units}
    size = {unit: max(packed(unit.members).tokens, 1) for unit in units}
    tried = [_filled(units, order, packed, budget) for order in _orders(units, worth, size)]
    return max(tried, key=lambda each: sum(utility[member.id] for member in each.insights))


def _orders(
    units: Sequence[_Unit], worth: Mapping[_Unit, float], size: Mapping[_Unit, int]
) -> list[dict[_Unit, float]]:
    """What to take units by: utility per token, alone and with what they lead to, and utility."""
    density = {unit: worth[unit] / size[unit] for unit in units}
    leading, greatest = dict(density), dict(worth)
    for head in units:
        led = [unit for unit in units if unit.needs and unit.needs == head.members[0].id]
        total, tokens = worth[head], size[head]
        for unit in sorted(led, key=lambda unit: density[unit], reverse=True):
            total, tokens = total + worth[unit], tokens + size[unit]
            leading[head] = max(leading[head], total / tokens)
            greatest[head] = total
    return [density, leading, greatest]


def _filled(
    units: Sequence[_Unit],
    order: Mapping[_Unit, float],
    packed: Callable[[Sequence[Insight]], Packed],
    budget: int,
) -> Packed:
    """Units, those first that are highest in ``order``, as long as the whole fits."""
    best = Packed()
    waiting = sorted(units, key=lambda unit: order[unit], reverse=True)
    kept: set[str] = {""}
    while unit := next((unit for unit in waiting if unit.needs in kept), None):
        waiting.remove(unit)
        more = packed((*best.insights, *unit.members))
        if more.tokens <= budget:
            best = more
            kept.update(member.id for member in unit.members)
    return best


def _utilities(insights: Sequence[Insight], gain: Mapping[str, float]) -> dict[str, float]:
    utilities = {}
    for position, insight in enumerate(insights):
        uplift = checks.number(f"gain of {insight.id!r}", gain.get(insight.id, 0.0))
        if abs(uplift) > 1.0:
            raise InvalidInputError(f"gain of {insight.id!r} must lie within -1..1, not {uplift}")
        utilities[insight.id] = insight_quality(insight) * (1.0 + uplift) / math.log2(position + 2)
    return utilities


def _rules_of_examples(insights: Sequence[Insight]) -> dict[str, Insight]:
    """The rule that each worked example belongs to: the most preferred that is linked with it."""
    examples = [insight for insight in insights if insight.kind == InsightKind.EXAMPLE]
    rules: dict[str, Insight] = {}
    for rule in insights:
        if rule.kind != InsightKind.RULE:
            continue
        for example in examples:
            if example.id in rule.links or rule.id in example.links:
                rules.setdefault(example.id, rule)
    return rules


def _units(insights: Sequence[Insight], rule_of: Mapping[str, Insight]) -> list[_Unit]:
    """Each rule with its first example, each further example, and everything else alone."""
    first: dict[str, Insight] = {}
    further: list[_Unit] = []
    for insight in insights:
        rule = rule_of.get(insight.id)
        if rule is not None and first.setdefault(rule.id, insight) is not insight:
            further.append(_Unit((insight,), needs=rule.id))
    heads = [insight for insight in insights if insight.id not in rule_of]
    return [
        _Unit((head, first[head.id]) if head.id in first else (head,)) for head in heads
    ] + further


def place_in_source(insight: Insight) -> tuple[str, bool, int, str]:
    """Where it stands in the text: source by source, worked examples last, as the source goes."""
    source, start = "", 0
    if insight.evidence:
        source, start = insight.evidence[0].source_sha256, insight.evidence[0].start
    return source, insight.kind == InsightKind.EXAMPLE, start, insight.id


def _checked(tokens: int) -> int:
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0:
        raise TransferError(
            f"the token counter must return a whole number, not {tokens!r}", retryable=False
        )
    return tokens
