"""The ``exemplar`` protocol: a rule, then worked examples in the form of question and answer.

Small models copy form far better than they follow rules, so the examples stand in the form in
which the question comes next.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossmodel.domain.insight import Insight
from crossmodel.transfer.wording import is_row, one_line, statement, worked_example


class ExemplarProtocol:
    """Rules as they are, examples as ``Q:`` and ``A:``, an empty line between all of them."""

    def takes(self, insight: Insight) -> bool:  # noqa: ARG002 - the protocol's signature
        """Every kind of insight."""
        return True

    def write(self, insights: Sequence[Insight]) -> str:
        """A line for each rule, a paragraph for each example."""
        return "".join(_written(insight) for insight in insights).strip()

    def ask(self, question: str) -> str:
        """The question as the examples ask theirs."""
        return f"Q: {question}"


def _written(insight: Insight) -> str:
    example = worked_example(insight)
    if example is None or is_row(insight):
        return f"{statement(insight)}\n"
    given, result = example
    return f"\nQ: {one_line(given)}\nA: {result}\n"
