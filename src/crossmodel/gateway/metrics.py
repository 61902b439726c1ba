"""What the hot path counts: plain numbers in slots, read only when somebody asks for the metrics.

One event loop owns them, so there are no locks. Every dictionary is bounded: names that come from
outside are folded into ``other`` once there are too many, and so are combinations of them.
``control/exposition.py`` gives the numbers their names and units.
"""

from __future__ import annotations

from bisect import bisect_left
from http import HTTPStatus
from typing import Final

from crossmodel.gateway.served import Served
from crossmodel.telemetry.conventions import (
    DURATION_BOUNDS_MS,
    FIRST_BYTE_BOUNDS_MS,
    TOKEN_BOUNDS,
)
from crossmodel.telemetry.names import MOST_NAMES, OTHER, Names

MOST_SERIES: Final = 1_000
"""Combinations of names that are counted apart, of each kind: what a monitoring system keeps for
ever must not be many times the names."""

MOST_CELLS: Final = 4_096
"""Combinations of path, model, status and tenant that are found without looking at their names."""

CLIENT_GONE: Final = 499
"""The status of answers that the client did not wait for."""

KNOWN_STATUSES: Final = frozenset({CLIENT_GONE, *map(int, HTTPStatus)})
"""Others, which servers make up, are counted as the first of their class (RFC 9110, 15)."""


class Counts:
    """How often something happened, by a name."""

    __slots__ = ("_names", "by_name")

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._names = Names(most)
        self.by_name: dict[str, int] = {}

    def add(self, name: str, n: int = 1) -> None:
        """It happened ``n`` times more."""
        counts = self.by_name
        if name in counts:
            counts[name] += n
        else:
            name = self._names.fold(name)
            counts[name] = counts.get(name, 0) + n


class Series:
    """All that is counted of the requests with one path, model and status.

    Histograms hold how many values fell into each bucket, the last without an upper bound; not yet
    summed up, as the format of Prometheus wants them.

    Attributes:
        duration_buckets: by ``DURATION_BOUNDS_MS``.
        duration_ms: sum of the durations.
        first_byte_buckets: by ``FIRST_BYTE_BOUNDS_MS``; of answers that began.
        first_byte_ms: sum of the times to the first byte.
        input_buckets: by ``TOKEN_BOUNDS``; of the prompts, as providers counted them.
        input_tokens: sum of them.
        output_buckets: likewise of the answers.
        output_tokens: sum of them.
        selection_ms: sum of the times that choosing the model took.
        cached: how many answers came from the cache.
    """

    __slots__ = (
        "cached",
        "duration_buckets",
        "duration_ms",
        "first_byte_buckets",
        "first_byte_ms",
        "input_buckets",
        "input_tokens",
        "output_buckets",
        "output_tokens",
        "selection_ms",
    )

    def __init__(self) -> None:
        self.duration_buckets = [0] * (len(DURATION_BOUNDS_MS) + 1)
        self.duration_ms = 0.0
        self.first_byte_buckets = [0] * (len(FIRST_BYTE_BOUNDS_MS) + 1)
        self.first_byte_ms = 0.0
        self.input_buckets = [0] * (len(TOKEN_BOUNDS) + 1)
        self.input_tokens = 0
        self.output_buckets = [0] * (len(TOKEN_BOUNDS) + 1)
        self.output_tokens = 0
        self.selection_ms = 0.0
        self.cached = 0

    @property
    def requests(self) -> int:
        """How many there were."""
        return sum(self.duration_buckets)


class Spent:
    """What the calls of one model for one tenant were charged with, in USD."""

    __slots__ = ("usd",)

    def __init__(self) -> None:
        self.usd = 0.0


Cell = tuple[Series, Spent]
"""What a request with some path, model, status and tenant is added to."""


class Metrics:
    """What the gateway has done since it started. Whoever does it bumps the plain numbers.

    Attributes:
        series: by path, model and status.
        spent: by model and tenant.
        transfers: requests that insights were known for, by the arm that they fell into.
        refused: requests that were answered without asking a model, by reason.
        upstream_errors: calls to models that failed, by kind, such as ``timeout``.
        retries: calls made again to the same endpoint or another one of the model.
        failovers: requests that went on to another model.
        insights_injected: insights put into requests.
    """

    __slots__ = (
        "_cells",
        "_models",
        "_paths",
        "_tenants",
        "failovers",
        "insights_injected",
        "refused",
        "retries",
        "series",
        "spent",
        "transfers",
        "upstream_errors",
    )

    def __init__(self) -> None:
        self.series: dict[tuple[str, str, int], Series] = {}
        self.spent: dict[tuple[str, str], Spent] = {}
        self.transfers = Counts()
        self.refused = Counts()
        self.upstream_errors = Counts()
        self.retries = 0
        self.failovers = 0
        self.insights_injected = 0
        self._cells: dict[tuple[str, str, int, str], Cell] = {}
        self._paths = Names()
        self._models = Names()
        self._tenants = Names()

    def served(self, served: Served) -> None:
        """Count a request that is over."""
        key = served.path, served.model.id, served.status, served.tenant
        series, spent = self._cells.get(key) or self._new_cell(key)
        latency = served.latency_ms
        series.duration_buckets[bisect_left(DURATION_BOUNDS_MS, latency)] += 1
        series.duration_ms += latency
        series.selection_ms += served.selection.selection_latency_ms
        first_byte_ms = served.first_byte_ms
        if first_byte_ms is not None:
            series.first_byte_buckets[bisect_left(FIRST_BYTE_BOUNDS_MS, first_byte_ms)] += 1
            series.first_byte_ms += first_byte_ms
        usage = served.usage
        if usage is not None:
            tokens = usage.input_tokens
            series.input_buckets[bisect_left(TOKEN_BOUNDS, tokens)] += 1
            series.input_tokens += tokens
            tokens = usage.output_tokens
            series.output_buckets[bisect_left(TOKEN_BOUNDS, tokens)] += 1
            series.output_tokens += tokens
        if served.is_cached:
            series.cached += 1
        transfer = served.transfer
        if transfer is not None:
            self.transfers.add(transfer.arm)
            if transfer.success:
                self.insights_injected += len(transfer.transferred_insights)
        spent.usd += served.cost_usd

    def _new_cell(self, key: tuple[str, str, int, str]) -> Cell:
        """What a request is added to whose names are new, or folded."""
        path, model, status, tenant = key
        path, model, tenant = (
            self._paths.fold(path), self._models.fold(model), self._tenants.fold(tenant),
        )  # fmt: skip
        if status not in KNOWN_STATUSES:
            status = status // 100 * 100
        request, account = (path, model, status), (model, tenant)
        if len(self.series) >= MOST_SERIES and request not in self.series:
            request = OTHER, OTHER, status
        if len(self.spent) >= MOST_SERIES and account not in self.spent:
            account = OTHER, OTHER
        series = self.series.setdefault(request, Series())
        spent = self.spent.setdefault(account, Spent())
        if len(self._cells) < MOST_CELLS:
            self._cells[key] = series, spent
        return series, spent
