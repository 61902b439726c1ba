"""What a request may take, what it took, and what is known of it when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from crossmodel.domain.client_key import ClientKey
from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.period import utc_now
from crossmodel.domain.selection import ModelSelection
from crossmodel.engine import BYTES_PER_TOKEN
from crossmodel.gateway.attempt import GOOD, Attempt
from crossmodel.gateway.bounds import Bound
from crossmodel.gateway.cache import CachedAnswer
from crossmodel.gateway.facts import Facts, is_error
from crossmodel.gateway.limits import Admitted
from crossmodel.gateway.replies import Refusal
from crossmodel.gateway.request import AskedFor
from crossmodel.gateway.served import Served
from crossmodel.gateway.state import GatewayState

if TYPE_CHECKING:
    from crossmodel.gateway.sharing import Waiting

PASSING: Final = Refusal(
    503,
    "the limits that gateways share cannot be read at this moment",
    code="limits_unavailable",
    retry_after=1.0,
    should_retry=True,
)
"""Too little is leased, and a renewal may help; what it says is for those who wait in vain."""

FASTEST = 1000.0
"""Tokens per second that hardly any model writes."""

EVENT = b"data:"
"""How the events of a stream begin: most servers send one for each token."""


class Account:
    """The account of one request: opened when it is admitted, closed once.

    Args:
        state: what all requests share.
        key: whose it is; ``None`` where none is needed.

    Attributes:
        state: what all requests share.
        tenant: whose request it is.
        is_open: whether there is anything to account for.
        served: what is known of the request; there once it is open.
    """

    __slots__ = (
        "_admitted",
        "_asked",
        "_key",
        "_lost_usd",
        "_most_usd",
        "_reserved_usd",
        "_started",
        "is_open",
        "served",
        "state",
        "tenant",
    )

    _asked: AskedFor
    served: Served

    def __init__(self, state: GatewayState, key: ClientKey | None) -> None:
        self.state = state
        self._key = key
        self._started = 0.0
        self._lost_usd = 0.0  # what attempts cost whose answers the client does not get
        self._most_usd = 0.0  # what one attempt may cost
        self._reserved_usd = 0.0
        self._admitted: Admitted | None = None
        self.is_open = False
        self.tenant = state.tenant if key is None else key.tenant

    @property
    def allowed(self) -> frozenset[str] | None:
        """The models that may answer; all if ``None``."""
        key = self._key
        return frozenset(key.models) if key is not None and key.models else None

    def admit(self, most: Bound, *, is_last: bool = False) -> Refusal | None:
        """Set aside what the request may take; or say why it may not be made.

        :data:`PASSING` is to be waited for, by :meth:`wait`. ``is_last`` is set after that.
        """
        admitted = self.state.admission.admit(self._key, self.tenant, *most, is_last=is_last)
        if isinstance(admitted, Admitted):
            self._admitted = admitted
            self._most_usd = self._reserved_usd = most.most_usd
            return None
        if admitted.is_passing:
            return PASSING
        return Refusal(
            admitted.status,
            admitted.message,
            code=admitted.code,
            retry_after=admitted.retry_after_seconds,
            should_retry=admitted.should_retry,
        )

    def wait(self, most: Bound, then: Callable[[Refusal | None], None]) -> Waiting:
        """Set it aside after the next renewal of what is leased; ``then`` is told as by admit."""

        def again(is_failed: bool) -> None:
            refusal = self.admit(most, is_last=True)
            then(PASSING if is_failed and refusal is not None else refusal)

        return self.state.admission.wait(self._key, self.tenant, *most, again)

    def affords(self, in_flight: int) -> bool:
        """Set aside what another attempt may cost besides those in flight; whether that could be.

        Attempts that are lost may have to be paid as well: a budget that knows of one alone would
        be overspent by them.
        """
        more = self._lost_usd + (in_flight + 1) * self._most_usd - self._reserved_usd
        if more <= 0 or self._admitted is None:
            return True
        if not self._admitted.extend(more):
            return False
        self._reserved_usd += more
        return True

    def open(self, asked: AskedFor, selection: ModelSelection, model: ModelSpec) -> Served:
        """From here on the request has an id, and will be accounted for."""
        self._asked = asked
        self._started = time.monotonic()
        route = asked.route
        self.is_open = True
        self.served = Served(
            id=time_ordered_id("req_"),
            tenant=self.tenant,
            key=None if self._key is None else self._key.name,
            path=route.path,
            dialect=route.dialect if route.is_conversation else None,
            request=asked.body,
            selection=selection,
            model=model,
            started_at=utc_now(),
            trace_id=asked.trace_id,
            parent_id=asked.parent_id,
        )
        return self.served

    def release(self) -> None:
        """The request was never sent to anybody."""
        if self._admitted is not None:
            self._admitted.release()

    def charge(self, attempt: Attempt, body: bytes, facts: Facts) -> float:
        """What a whole answer costs, in USD; what it says of itself is noted."""
        served = self.served
        served.body, served.usage, served.served_model = body, facts.usage, facts.model
        served.cost_usd = self._cost(attempt)
        return served.cost_usd

    def close(self, status: int, *, attempt: Attempt | None = None) -> None:
        """The request is over: charge it, count it, record it and learn from it; once.

        ``attempt`` is whose answer the client got, or began to get.
        """
        if not self.is_open:
            return
        self.is_open = False
        state, served = self.state, self.served
        served.status = status
        served.latency_ms = (time.monotonic() - self._started) * 1000
        if attempt is not None:
            served.first_byte_ms = (attempt.first_byte_at - self._started) * 1000
            served.is_whole = status in GOOD
            self._read(attempt)
        served.cost_usd += self._lost_usd
        if self._admitted is not None:
            usage = served.usage
            tokens = None if usage is None else usage.input_tokens + usage.output_tokens
            self._admitted.settle(served.cost_usd, tokens)
        state.metrics.served(served)
        state.recorder.record(served)
        if served.is_whole and state.learner is not None:
            state.learner.offer(served)
        for hook in state.hooks:
            hook(served)

    def cacheable(self, attempt: Attempt) -> CachedAnswer | None:
        """The answer as it may be given again; ``None`` if not all of it was kept."""
        served, head = self.served, attempt.head
        if not served.is_whole or head is None or (attempt.kept and not attempt.is_kept_whole):
            return None
        relay = attempt.relay
        if relay.watch.error is not None if relay is not None else is_error(served.body):
            return None  # some servers tell of errors with status 200
        return CachedAnswer(
            served.body,
            head.kind or b"application/json",
            served.is_stream,
            served.selection,
            served.model,
            served.served_model,
        )

    def _read(self, attempt: Attempt) -> None:
        """What was passed on, and what it said of itself."""
        served, relay = self.served, attempt.relay
        if relay is not None:
            served.is_stream = True
            served.usage, served.served_model = relay.watch.usage, relay.watch.model
        if attempt.kept:
            served.body = b"".join(attempt.kept)
        if relay is not None or attempt.kept:
            served.cost_usd = self._cost(attempt)

    def lose(self, attempt: Attempt) -> None:
        """Charge an answer that the client does not get: whoever makes it may want to be paid.

        One of which nothing was seen may have come to whatever can be written in its time.
        """
        head, model = attempt.head, attempt.target.model
        if self._asked.route.is_free:
            return
        if head is None:
            seconds = time.monotonic() - attempt.started_at
            self._lost_usd += self._estimate(model, int(seconds * FASTEST))
        elif head.status in GOOD:
            made = max(attempt.size, head.length or 0)
            self._lost_usd += self._estimate(model, made // BYTES_PER_TOKEN)

    def _cost(self, attempt: Attempt) -> float:
        """What the call is charged with: by the provider's count, or by an estimate of ours."""
        served = self.served
        if self._asked.route.is_free:
            return 0.0
        usage = served.usage
        if usage is not None:
            return served.model.cost_usd(usage.input_tokens, usage.output_tokens)
        if attempt.relay is not None:
            written = _events(served.body, attempt.size)
        else:
            length = 0 if attempt.head is None else attempt.head.length or 0
            written = max(attempt.size, length) // BYTES_PER_TOKEN
        return self._estimate(served.model, written)

    def _estimate(self, model: ModelSpec, written: int) -> float:
        """What it costs to write so many tokens, if the request allows as many."""
        asked = self._asked
        likely = model.cost_usd(asked.seen.size // BYTES_PER_TOKEN, written)
        return min(likely, asked.bound([model]).most_usd)


def _events(kept: bytes, size: int) -> int:
    """How many events a stream of that size had, of which only the beginning may be kept."""
    if not kept:
        return size // BYTES_PER_TOKEN
    return kept.count(EVENT) * max(size, len(kept)) // len(kept)
