"""What the hot path counts: plain numbers in slots, read only when somebody asks for the metrics.

One event loop owns them, so there are no locks. Every dictionary is bounded: names that come from
outside are folded into :data:`OTHER` once there are too many. ``control/exposition.py`` gives the
numbers their names and units.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from crossmodel.gateway.served import Served

OTHER: Final = "other"
"""Stands for all names beyond the first :data:`MOST_NAMES`."""

MOST_NAMES: Final = 200
"""Models, tenants, paths or reasons that are counted by name, of each kind."""

CLIENT_GONE: Final = 499
"""The status of answers that the client did not wait for."""

DURATION_BOUNDS_MS: Final = (
    10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 5120.0, 10240.0, 20480.0, 40960.0,
    81920.0,
)  # fmt: skip
"""Upper bounds in milliseconds, as OpenTelemetry has ``gen_ai.server.request.duration``."""

FIRST_BYTE_BOUNDS_MS: Final = (
    1.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0,
    7500.0, 10000.0,
)  # fmt: skip
"""Upper bounds in milliseconds, as OpenTelemetry has ``gen_ai.server.time_to_first_token``."""


class Names:
    """The first names that come; the others are folded."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._known: set[str] = set()
        self._most = most

    def fold(self, name: str) -> str:
        """The name, or :data:`OTHER` if there are too many already.

        What UTF-8 cannot hold (lone surrogates) is replaced.
        """
        name = name.encode("utf-8", "replace").decode("utf-8")
        if name in self._known:
            return name
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name


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
        duration_buckets: by :data:`DURATION_BOUNDS_MS`.
        duration_ms: sum of the durations.
        first_byte_buckets: by :data:`FIRST_BYTE_BOUNDS_MS`; of answers that began.
        first_byte_ms: sum of the times to the first byte.
        input_tokens: of the prompts, as providers counted them.
        output_tokens: of the answers.
        cached: how many answers came from the cache.
    """

    __slots__ = (
        "cached",
        "duration_buckets",
        "duration_ms",
        "first_byte_buckets",
        "first_byte_ms",
        "input_tokens",
        "output_tokens",
    )

    def __init__(self) -> None:
        self.duration_buckets = [0] * (len(DURATION_BOUNDS_MS) + 1)
        self.duration_ms = 0.0
        self.first_byte_buckets = [0] * (len(FIRST_BYTE_BOUNDS_MS) + 1)
        self.first_byte_ms = 0.0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cached = 0

    @property
    def requests(self) -> int:
        """How many there were."""
        return sum(self.duration_buckets)


class Metrics:
    """What the gateway has done since it started. Whoever does it bumps the plain numbers.

    Attributes:
        series: by path, model and status.
        cost_usd: by model and tenant.
        refused: requests that were answered without asking a model, by reason.
        upstream_errors: calls to models that failed, by kind, such as ``timeout``.
        retries: calls made again to the same endpoint or another one of the model.
        failovers: requests that went on to another model.
        insights_injected: insights put into requests.
        insights_extracted: insights found in answers.
        insights_dropped: answers that were not read since too many waited.
        records_handed_over: requests that were given to the record.
        records_lost: requests that the record could not take.
    """

    __slots__ = (
        "_models",
        "_paths",
        "_tenants",
        "cost_usd",
        "failovers",
        "insights_dropped",
        "insights_extracted",
        "insights_injected",
        "records_handed_over",
        "records_lost",
        "refused",
        "retries",
        "series",
        "upstream_errors",
    )

    def __init__(self) -> None:
        self.series: dict[tuple[str, str, int], Series] = {}
        self.cost_usd: dict[tuple[str, str], float] = {}
        self.refused = Counts()
        self.upstream_errors = Counts()
        self.retries = 0
        self.failovers = 0
        self.insights_injected = 0
        self.insights_extracted = 0
        self.insights_dropped = 0
        self.records_handed_over = 0
        self.records_lost = 0
        self._paths = Names()
        self._models = Names()
        self._tenants = Names()

    def served(self, served: Served, first_byte_ms: float | None = None) -> None:
        """Count a request that is over.

        ``first_byte_ms`` is the time from the whole request to the first byte of the answer;
        ``None`` if there was no answer.
        """
        model = served.model.id
        series = self.series.get((served.path, model, served.status))
        if series is None:
            series = self._new_series(served)
        latency = served.latency_ms
        series.duration_buckets[bisect_left(DURATION_BOUNDS_MS, latency)] += 1
        series.duration_ms += latency
        if first_byte_ms is not None:
            series.first_byte_buckets[bisect_left(FIRST_BYTE_BOUNDS_MS, first_byte_ms)] += 1
            series.first_byte_ms += first_byte_ms
        usage = served.usage
        if usage is not None:
            series.input_tokens += usage.input_tokens
            series.output_tokens += usage.output_tokens
        if served.is_cached:
            series.cached += 1
        transfer = served.transfer
        if transfer is not None and transfer.success:
            self.insights_injected += len(transfer.transferred_insights)
        cost = served.cost_usd
        if cost:
            account = (model, served.tenant)
            costs = self.cost_usd
            if account in costs:
                costs[account] += cost
            else:
                account = (self._models.fold(model), self._tenants.fold(served.tenant))
                costs[account] = costs.get(account, 0.0) + cost

    def _new_series(self, served: Served) -> Series:
        """The series of a path, model and status that are new, or whose names are folded."""
        path, model = self._paths.fold(served.path), self._models.fold(served.model.id)
        return self.series.setdefault((path, model, served.status), Series())
