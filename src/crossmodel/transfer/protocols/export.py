"""The ``export`` protocol: worked examples and rules as rows that a model can be trained on.

One JSON object a line, in the chat form that fine-tuning services and trainers read. Nothing leaves
that names no licence, that nobody may be handed, or that holds secrets or personal data.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import msgspec

from crossmodel.domain.insight import Insight, InsightKind, Standing
from crossmodel.domain.transfer_config import ExportConfig
from crossmodel.text.instructions import gives_orders, holds_template_marks
from crossmodel.text.normalise import tokens, unify
from crossmodel.text.privacy import personal_data_in, secret_in
from crossmodel.transfer.screening import reason_to_refuse
from crossmodel.transfer.wording import one_line, worked_example

NO_ROW: Final = "it is neither a worked example nor a rule with a subject"
HAS_EXAMPLES: Final = "its worked examples say it"
UNLICENSED: Final = "its source model has no licence"
REPEATED: Final = "it repeats a row"
UNSURE: Final = "its confidence is too low"

_ASKS: Final = re.compile(r"[?:.!\uff1f\u3002]\W*$")
"""An input that ends like this is a question or a sentence already."""


@dataclass(slots=True)
class Exporter:
    """Turns insights into rows, each spelling of an example once, and counts what it leaves out.

    What was written is remembered by 64 bits a row; all else is bounded.

    Attributes:
        config: the licences.
        least_confidence: 0..1; insights below it stay.
        leaf_of: the log's record of an insight by its id, where it is known.
        written: rows so far.
        left_out: insights that gave none, by reason.
    """

    config: ExportConfig
    least_confidence: float = 0.0
    leaf_of: Callable[[str], int | None] = lambda _: None
    written: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    _seen: set[bytes] = field(default_factory=set)

    def rows(
        self, insights: Iterable[Insight], linked: Mapping[str, Insight] | None = None
    ) -> list[dict[str, Any]]:
        """The rows that the insights give; ``linked`` are those that they link to, by id."""
        offered = list(insights)
        known = {insight.id: insight for insight in offered} | dict(linked or {})
        rows = []
        for insight in offered:
            reason = self.reason_to_keep(insight) or self._passed_over(insight, known)
            row = None if reason else _row(insight, known, self)
            if row is not None and not self._is_new(row):
                reason = REPEATED
            if reason or row is None:
                self.left_out[reason or NO_ROW] += 1
            else:
                self.written += 1
                rows.append(row)
        return rows

    def reason_to_keep(self, insight: Insight) -> str | None:
        """Why an insight must not leave, whatever else there is; ``None`` if it may."""
        if _turns(insight) is None:
            return NO_ROW
        if reason := reason_to_refuse(insight) or _private(insight):
            return reason
        if insight.confidence_score < self.least_confidence:
            return UNSURE
        if self.config.licence_of(insight.source_model) is None and not (
            self.config.allow_unlicensed
        ):
            return UNLICENSED
        return None

    def _passed_over(self, insight: Insight, known: Mapping[str, Insight]) -> str | None:
        """Why a rule gives no row: an example that does shows what it says."""
        examples = [known[link] for link in insight.links if link in known]
        has_example = any(
            each.kind == InsightKind.EXAMPLE and self.reason_to_keep(each) is None
            for each in examples
        )
        return HAS_EXAMPLES if has_example and insight.kind != InsightKind.EXAMPLE else None

    def _is_new(self, row: Mapping[str, Any]) -> bool:
        question, answer = (turn["content"] for turn in row["messages"])
        spelling = " ".join(form for form, _, _ in tokens(question)) + f"\x1f{unify(answer)}"
        key = blake2b(spelling.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new


class ExportProtocol:
    """Rows of JSON, one for each insight that may leave. It has a place for no other."""

    def __init__(self, config: ExportConfig | None = None) -> None:
        self.config = config or ExportConfig()

    def takes(self, insight: Insight) -> bool:
        """Worked examples, rules and definitions that may leave, under a licence."""
        return Exporter(self.config).reason_to_keep(insight) is None

    def write(self, insights: Sequence[Insight]) -> str:
        """One line for each example, and for each rule without one."""
        rows = Exporter(self.config).rows(insights)
        return "\n".join(encoded(row).decode() for row in rows)

    def ask(self, question: str) -> str:
        """The question as it is."""
        return question


def encoded(row: Mapping[str, Any]) -> bytes:
    """A row as one line of JSON, without its end; half a surrogate pair becomes ``?``."""
    return msgspec.json.encode(_valid(row))


def _row(insight: Insight, known: Mapping[str, Insight], exporter: Exporter) -> dict[str, Any]:
    turns = _turns(insight)
    assert turns is not None  # what has none stays
    rules = [
        link
        for link in insight.links
        if link in known and known[link].kind == InsightKind.RULE and insight.id != link
    ]
    return {
        "messages": [
            {"role": "user", "content": turns[0]},
            {"role": "assistant", "content": turns[1]},
        ],
        "metadata": {
            "insight_ids": [insight.id, *rules],
            "source_model": insight.source_model,
            "source_sha256": insight.evidence[0].source_sha256 if insight.evidence else None,
            "evidence": [
                {"start": e.start, "end": e.end, "source_sha256": e.source_sha256}
                for e in insight.evidence
            ],
            "licence": exporter.config.licence_of(insight.source_model),
            "confidence": insight.confidence_score,
            "extracted_at": insight.extraction_timestamp.isoformat(),
            "witness_leaf": exporter.leaf_of(insight.id),
        },
    }


def _turns(insight: Insight) -> tuple[str, str] | None:
    """Question and answer, in the words of the source, where there honestly are such."""
    scope = one_line(insight.scope)
    if example := worked_example(insight):
        given, result = example
        is_whole = not scope or _ASKS.search(given) or scope.casefold() in given.casefold()
        return (given if is_whole else f"{scope}: {given}"), result
    if not scope:
        return None
    if insight.kind == InsightKind.RULE:
        return f"What is the rule for {scope}?", insight.content.strip()
    if insight.kind == InsightKind.DEFINITION and scope.casefold() in insight.content.casefold():
        return f"What is the definition of {scope}?", insight.content.strip()
    return None


def _private(insight: Insight) -> str | None:
    """Why it must stay, of what only matters where text leaves for good."""
    if insight.standing == Standing.QUARANTINED:
        return "it is quarantined"
    example = worked_example(insight) or ()
    said = "\n".join([insight.content, insight.scope, *example])
    if gives_orders(said) or holds_template_marks(said):
        return "it reads like an instruction to the model"
    found = secret_in(said) or personal_data_in(said)
    return f"it holds what looks like {found}" if found else None


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {key: _valid(each) for key, each in value.items()}
    return [_valid(each) for each in value] if isinstance(value, list) else value
