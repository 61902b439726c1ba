"""How common words are among a tenant's insights, from a sample of them."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from crossmodel.store import schema
from crossmodel.store.words import words_in

SMALL: Final = 500
"""Insights of a tenant up to which nothing is estimated: all of them can be looked at."""

USUAL_LENGTH: Final = 20.0
"""Words that insights of few are taken to have on average."""

_SAMPLED: Final = 5_000
_PLACES: Final = 10
_GROWN: Final = 0.25
_MOST_TENANTS: Final = 64


@dataclass(frozen=True, slots=True)
class Frequencies:
    """What a sample tells of all of a tenant's insights.

    Attributes:
        total: how many insights the tenant has.
        length: how many words an insight has on average, at least 1.
        sampled: how many of them were read; 0 if there are too few to need it.
        holding: by word, how many of those have it.
        newest: the store's newest insight when the sample was taken.
    """

    total: int
    length: float
    sampled: int = 0
    holding: Mapping[str, int] = field(default_factory=dict)
    newest: int = 0

    def of(self, word: str) -> float:
        """How many of the insights have the word, about; half a sampled one if none has."""
        if not self.sampled:
            return 0.0
        return max(self.holding.get(word, 0), 0.5) * self.total / self.sampled


class Sampler:
    """Frequencies of the tenants that were searched last; safe to share among threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Frequencies] = OrderedDict()
        self._lock = threading.Lock()

    def frequencies(self, connection: sa.Connection, tenant: str) -> Frequencies:
        """Those of the tenant.

        They are estimated anew when the store has grown by a quarter of the tenant's insights.
        """
        newest = connection.scalar(_NEWEST) or 0
        with self._lock:
            known = self._known.get(tenant)
        if known is None:
            few = _counted(connection, tenant, SMALL + 1)
            if few <= SMALL:
                return Frequencies(few, USUAL_LENGTH)
        with self._lock:  # held while one reads, so that others need not read the same
            known = self._known.get(tenant)
            if known is None or newest - known.newest > max(SMALL, _GROWN * known.total):
                known = self._known[tenant] = _estimate(connection, tenant, newest)
                while len(self._known) > _MOST_TENANTS:
                    self._known.popitem(last=False)
            self._known.move_to_end(tenant)
        return known


_NEWEST: Final = sa.select(sa.func.max(schema.insights.c.seq))


def _counted(connection: sa.Connection, tenant: str, most: int | None) -> int:
    """How many insights the tenant has, counting no further than ``most``."""
    table = schema.insights
    some = sa.select(table.c.id).where(table.c.tenant == tenant).limit(most).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def _estimate(connection: sa.Connection, tenant: str, newest: int) -> Frequencies:
    """Ids are hashes, so runs of them from places that are evenly apart are a random sample."""
    table = schema.insights
    mine = table.c.tenant == tenant
    read: dict[int, list[str]] = {}
    query = sa.select(table.c.seq, table.c.content, table.c.scope).where(mine).order_by(table.c.id)
    for place in range(_PLACES):
        start = f"ins_{256 * place // _PLACES:02x}"
        run = query.where(table.c.id >= start).limit(_SAMPLED // _PLACES)
        for seq, content, scope in connection.execute(run):
            read[seq] = words_in(f"{content} {scope}")
    if len(read) < SMALL:  # ids of somebody else's making
        for seq, content, scope in connection.execute(query.limit(_SAMPLED)):
            read[seq] = words_in(f"{content} {scope}")
    holding = Counter(word for words in read.values() for word in set(words))
    length = max(1.0, sum(map(len, read.values())) / len(read))
    return Frequencies(_counted(connection, tenant, None), length, len(read), holding, newest)
