"""What is known of one unit's effect, model by model, for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossmodel.domain.transfer import Arm
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.transfer.uplift.effects import Effect, measure
from crossmodel.transfer.uplift.monitor import Verdict, reason, verdict


@dataclass(frozen=True, slots=True)
class EffectOnTarget:
    """What an insight, a topic or a protocol does to one model's scores.

    ``over_nothing`` compares with answers from which it was withheld, ``over_padding`` with answers
    that got irrelevant text of the same length instead.
    """

    target_model: str
    over_nothing: Effect
    over_padding: Effect
    verdict: Verdict
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "target_model": self.target_model,
            "over_nothing": _plain(self.over_nothing),
            "over_padding": _plain(self.over_padding),
            "verdict": str(self.verdict),
            "reason": self.reason,
        }


def effects_by_target(tallies: Mapping[UpliftKey, Tally]) -> list[EffectOnTarget]:
    """The effects that the tallies of one unit show, by model in order of their names."""
    found = []
    for target in sorted({key.target_model for key in tallies}):
        mine = {key: tally for key, tally in tallies.items() if key.target_model == target}
        effect = measure(mine)
        padded = measure(mine, control=Arm.PADDING)
        found.append(EffectOnTarget(target, effect, padded, verdict(effect), reason(effect)))
    return found


def effects_by_name(
    tallies: Mapping[UpliftKey, Tally], kind: str
) -> dict[str, list[EffectOnTarget]]:
    """The effects of every unit of a kind, such as ``topic``, by name in order."""
    prefix = f"{kind}:"
    by_name: dict[str, dict[UpliftKey, Tally]] = {}
    for key, tally in tallies.items():
        if key.unit.startswith(prefix):
            by_name.setdefault(key.unit.removeprefix(prefix), {})[key] = tally
    return {name: effects_by_target(each) for name, each in sorted(by_name.items())}


def _plain(effect: Effect) -> dict[str, Any]:
    return {
        "difference": effect.difference if effect.known else None,
        "interval_95": [effect.low, effect.high],
        "with": effect.treated.n,
        "without": effect.control.n,
    }
