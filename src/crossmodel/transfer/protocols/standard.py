"""The ``standard`` protocol: what was learned, one short line each."""

from __future__ import annotations

from collections.abc import Sequence

from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.transfer.wording import statement


class StandardProtocol:
    """Rules and other findings as a list. It has no place for worked examples."""

    def takes(self, insight: Insight) -> bool:
        """Everything but worked examples."""
        return insight.kind != InsightKind.EXAMPLE

    def write(self, insights: Sequence[Insight]) -> str:
        """One line for each."""
        return "\n".join(f"- {statement(insight)}" for insight in insights)

    def ask(self, question: str) -> str:
        """The question as it is."""
        return question
