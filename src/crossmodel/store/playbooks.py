"""Playbooks in tables: numbers that are never reused, and counters read off the effects' sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from crossmodel.domain.playbook import Add, Delta, Playbook, PlaybookItem, Restore
from crossmodel.domain.transfer import Arm
from crossmodel.domain.uplift import Tally
from crossmodel.errors import InvalidInputError, NotFoundError
from crossmodel.store import schema
from crossmodel.store.rows import chunks

UNIT: Final = "insight:"
"""What the unit of a sum about one insight begins with: see ``UpliftKey``."""

_ITEMS: Final = schema.playbook_items


def load(connection: sa.Connection, tenant: str, topic: str) -> Playbook:
    """The topic's items with what is known of their effect; none for an unknown topic."""
    query = (
        sa.select(_ITEMS.c.item, _ITEMS.c.insight_id, _ITEMS.c.retired)
        .where(_ITEMS.c.tenant == tenant, _ITEMS.c.topic == topic)
        .order_by(_ITEMS.c.item)
    )
    rows = connection.execute(query).all()
    tallies = _tallies(connection, tenant, [insight_id for _, insight_id, _ in rows])
    return Playbook(
        topic,
        tuple(
            PlaybookItem(number, insight_id, retired, tallies.get(insight_id, Tally()))
            for number, insight_id, retired in rows
        ),
    )


def edit(connection: sa.Connection, tenant: str, topic: str, deltas: Sequence[Delta]) -> None:
    """Apply the deltas in their order.

    Raises:
        InvalidInputError: if what is to be added is an item already.
        NotFoundError: if what is to be retired or restored is none.
    """
    for delta in deltas:
        if isinstance(delta, Add):
            _add(connection, tenant, topic, delta.insight_id)
            continue
        reason = "" if isinstance(delta, Restore) else delta.reason
        changed = connection.execute(
            sa.update(_ITEMS)
            .where(
                _ITEMS.c.tenant == tenant,
                _ITEMS.c.topic == topic,
                _ITEMS.c.insight_id == delta.insight_id,
            )
            .values(retired=reason)
        )
        if not changed.rowcount:
            raise NotFoundError(f"playbook {topic!r} has no item for insight {delta.insight_id!r}")


def topics(connection: sa.Connection, tenant: str) -> dict[str, int]:
    """How many items of each topic are in use, by topic in order of their names."""
    active = sa.func.sum(sa.case((_ITEMS.c.retired == "", 1), else_=0))
    query = (
        sa.select(_ITEMS.c.topic, active)
        .where(_ITEMS.c.tenant == tenant)
        .group_by(_ITEMS.c.topic)
        .order_by(_ITEMS.c.topic)
    )
    return {topic: int(count) for topic, count in connection.execute(query)}


def _add(connection: sa.Connection, tenant: str, topic: str, insight_id: str) -> None:
    of_topic = (_ITEMS.c.tenant == tenant, _ITEMS.c.topic == topic)
    there = connection.scalar(
        sa.select(_ITEMS.c.item).where(*of_topic, _ITEMS.c.insight_id == insight_id)
    )
    if there is not None:
        raise InvalidInputError(
            f"insight {insight_id!r} is item {there} of playbook {topic!r} already: restore it "
            "instead, if it is retired"
        )
    last = connection.scalar(sa.select(sa.func.max(_ITEMS.c.item)).where(*of_topic)) or 0
    row = {
        "tenant": tenant,
        "topic": topic,
        "item": last + 1,
        "insight_id": insight_id,
        "retired": "",
    }
    connection.execute(sa.insert(_ITEMS), row)


def _tallies(connection: sa.Connection, tenant: str, ids: Sequence[str]) -> dict[str, Tally]:
    """Over all targets and tasks, the scores of answers that had the insight in their context."""
    table = schema.uplift
    found = {}
    for part in chunks(ids):
        units = [f"{UNIT}{insight_id}" for insight_id in part]
        query = (
            sa.select(
                table.c.unit,
                sa.func.sum(table.c.n),
                sa.func.sum(table.c.total),
                sa.func.sum(table.c.squares),
            )
            .where(
                table.c.tenant == tenant, table.c.unit.in_(units), table.c.arm == str(Arm.INSIGHTS)
            )
            .group_by(table.c.unit)
        )
        for unit, n, total, squares in connection.execute(query):
            found[unit.removeprefix(UNIT)] = Tally(int(n), float(total), float(squares))
    return found
