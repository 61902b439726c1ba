"""Choosing what fits: as much utility per token as a budget allows, and never a token more.

Utility falls with the place in the caller's order of preference as in discounted cumulative gain
(Järvelin and Kekäläinen, ACM TOIS 20(4), 2002) and grows with quality. What is taken first is what
gives most utility per token of its own; what it costs is always counted on the whole context.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.errors import TransferError
from crossmodel.transfer.quality import insight_quality


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed: the insights in the order of the text, the text, its tokens."""

    insights: tuple[Insight, ...] = ()
    context: str = ""
    tokens: int = 0


@dataclass(frozen=True, slots=True)
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
) -> Packed:
    """The best of ``insights``, which stand in order of preference, that fit into ``budget``.

    A rule is kept with the first of its worked examples or both are dropped; further examples are
    kept only with their rule. Equal choices give equal text, whatever the order of preference.

    Raises:
        TransferError: if the counter's result is not a number of tokens.
    """
    packed = Packed()
    rule_of = _rules_of_examples(insights)
    utility = {
        insight.id: insight_quality(insight) / math.log2(position + 2)
        for position, insight in enumerate(insights)
    }

    def density(unit: _Unit) -> float:
        tokens = _checked(count_tokens(write(unit.members)))
        return sum(utility[member.id] for member in unit.members) / max(tokens, 1)

    waiting = sorted(_units(insights, rule_of), key=density, reverse=True)
    kept: set[str] = {""}
    while unit := next((unit for unit in waiting if unit.needs in kept), None):
        waiting.remove(unit)
        members = tuple(sorted((*packed.insights, *unit.members), key=_place))
        context = write(members)
        tokens = _checked(count_tokens(context))
        if tokens <= budget:
            packed = Packed(members, context, tokens)
            kept.update(member.id for member in unit.members)
    return packed


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


def _place(insight: Insight) -> tuple[str, bool, int, str]:
    """Where it stands in the text: source by source, worked examples last, as the source goes."""
    source, start = "", 0
    if insight.evidence:
        source, start = insight.evidence[0].source_sha256, insight.evidence[0].start
    return source, insight.kind == InsightKind.EXAMPLE, start, insight.id


def _checked(tokens: int) -> int:
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0:
        raise TransferError(f"the token counter must return a whole number, not {tokens!r}")
    return tokens
