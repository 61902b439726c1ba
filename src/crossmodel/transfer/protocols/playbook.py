"""The ``playbook`` protocol: a topic's curated list, each item under the name that it always has.

Items stand in the order of their numbers, so that a new one leaves the text before it as it was;
those that were found to do harm come last. Counters are not written: they change with every answer,
and with them the text would.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossmodel.domain.insight import Insight, InsightKind, text_sha256
from crossmodel.transfer.items import is_demoted, item_of
from crossmodel.transfer.wording import one_line, worked_example


class PlaybookProtocol:
    """``[topic-3] what was learned`` for each item, worked examples indented below theirs."""

    def takes(self, insight: Insight) -> bool:  # noqa: ARG002 - the protocol's signature
        """Every kind of insight."""
        return True

    def write(self, insights: Sequence[Insight]) -> str:
        """One line for each, in the playbook's order, whatever the order given."""
        lines: list[str] = []
        last = ""
        for insight in sorted(insights, key=_place):
            name = _name(insight)
            said = _said(insight)
            is_below = name == last and insight.kind == InsightKind.EXAMPLE
            lines.append(f"  e.g. {said}" if is_below else f"[{name}] {said}")
            last = name
        return "\n".join(lines)

    def ask(self, question: str) -> str:
        """The question as it is."""
        return question

    def block(self, insights: Sequence[Insight]) -> str:
        """The topics: the marks around a playbook stay while it grows."""
        return " ".join(["playbook", *sorted({item_of(insight)[0] for insight in insights})])


def _place(insight: Insight) -> tuple[bool, str, bool, int, bool, int, str]:
    topic, number = item_of(insight)
    start = insight.evidence[0].start if insight.evidence else 0
    is_example = insight.kind == InsightKind.EXAMPLE
    return (
        is_demoted(insight),
        topic,
        number is None,
        number or 0,
        is_example,
        start,
        insight.id,
    )


def _name(insight: Insight) -> str:
    """The item's own name; what is no item is named by its id, which never changes either."""
    topic, number = item_of(insight)
    return f"{topic}-{text_sha256(insight.id)[:6]}" if number is None else f"{topic}-{number}"


def _said(insight: Insight) -> str:
    example = worked_example(insight)
    if example is None:
        return one_line(insight.content)
    return " -> ".join(map(one_line, example))
