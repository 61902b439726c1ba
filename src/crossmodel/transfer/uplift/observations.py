"""What one scored request tells of: its insights, their topics, the form, how well they fitted."""

from __future__ import annotations

from collections.abc import Iterable

from crossmodel.domain import checks
from crossmodel.domain.records import TransferRecord
from crossmodel.domain.transfer import Arm
from crossmodel.domain.uplift import UpliftKey
from crossmodel.transfer.uplift.relevance import relevance_unit


def insight_unit(insight_id: str) -> str:
    """The unit that an insight's scores are summed by."""
    return f"insight:{insight_id}"


def topic_unit(topic: str) -> str:
    """The unit that a topic's scores are summed by."""
    return f"topic:{topic}"


def protocol_unit(protocol: str) -> str:
    """The unit that a protocol's scores are summed by."""
    return f"protocol:{protocol}"


def observations(
    record: TransferRecord, topics: Iterable[str] = (), relevance: float | None = None
) -> list[UpliftKey]:
    """The keys that the score of a request adds to, each once.

    None if the request is no part of the experiment: nothing was eligible, or what should have
    been handed over was not. ``topics`` are those of its insights; ``relevance`` is how well the
    best of them fitted, 0..1.

    Raises:
        InvalidInputError: for an unknown arm, or a relevance outside of 0..1.
    """
    arm = checks.one_of("arm", record.arm, [str(each) for each in Arm])
    failed = arm == Arm.INSIGHTS and not record.success
    if arm == Arm.GATED or failed or not record.insight_ids:
        return []
    units = [insight_unit(insight_id) for insight_id in record.insight_ids]
    units += [topic_unit(topic) for topic in topics if topic]
    if record.protocol:
        units.append(protocol_unit(record.protocol))
    if relevance is not None:
        units.append(relevance_unit(relevance))
    return [
        UpliftKey(record.target_model, record.task_type, unit, arm) for unit in dict.fromkeys(units)
    ]
