"""The ``exemplar`` protocol: a rule, then worked examples in the form of question and answer.

Small models copy form far better than they follow rules, so the examples stand in the form in
which the question comes next.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossmodel.domain.insight import Insight
from crossmodel.transfer.protocols.base import one_line, worked_example


class ExemplarProtocol:
    """Rules as they are, examples as ``Q:`` and ``A:``, an empty line between all of them."""

    def takes(self, insight: Insight) -> bool:  # noqa: ARG002 - the protocol's signature
        """Every kind of insight."""
        return True

    def write(self, insights: Sequence[Insight]) -> str:
        """One paragraph for each."""
        return "\n\n".join(_paragraph(insight) for insight in insights)

    def ask(self, question: str) -> str:
        """The question as the examples ask theirs."""
        return f"Q: {question}"


def _paragraph(insight: Insight) -> str:
    example = worked_example(insight)
    if example is None:
        return one_line(insight.content)
    given, result = example
    return f"Q: {one_line(given)}\nA: {result}"
