"""One request, from its head to its settled account. No I/O, no task, no waiting of its own.

It talks to a client on one side and to attempts on the other, and both talk back. What it needs is
in memory; only a request that is to be handed insights waits for them in a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from crossmodel.balancing import (
    Lease,
    backoff_seconds,
    may_retry,
    retry_after_ms_seconds,
    retry_after_seconds,
)
from crossmodel.errors import CrossModelError, ProviderResponseError
from crossmodel.gateway import replies
from crossmodel.gateway.account import PASSING, Account
from crossmodel.gateway.attempt import GOOD, Attempt
from crossmodel.gateway.bounds import BYTES_PER_TOKEN as TOKEN_BYTES
from crossmodel.gateway.bounds import Bound
from crossmodel.gateway.cache import CachedAnswer, cache_key
from crossmodel.gateway.choosing import Choice
from crossmodel.gateway.facts import NO_FACTS, facts_of
from crossmodel.gateway.headers import ReadHeaders
from crossmodel.gateway.hiding import redacted
from crossmodel.gateway.http1 import Header
from crossmodel.gateway.injection import Injector
from crossmodel.gateway.ports import Client
from crossmodel.gateway.relaying import Relay
from crossmodel.gateway.replies import LEFT, Refusal
from crossmodel.gateway.request import FREE, AskedFor
from crossmodel.gateway.routes import Route
from crossmodel.gateway.targets import Target
from crossmodel.gateway.translation.errors import error_status, translate_error
from crossmodel.gateway.translation.message_stream import CUT

if TYPE_CHECKING:
    from crossmodel.gateway.sharing import Waiting

logger = logging.getLogger(__name__)

UNAUTHORIZED: Final = frozenset({401, 403})
OK: Final = 200
TOO_MANY: Final = 429
SERVER_ERROR: Final = 500
BAD_GATEWAY: Final = 502
UNAVAILABLE: Final = 503
TIMED_OUT: Final = 504
NEVER: Final = float("inf")


class Exchange:
    """One request and its answer.

    Args:
        account: whose request it is.
        client: who waits for the answer.
        route: the path that was asked on.
        headers: what the request's headers say.
        query: of the request's target.

    Attributes:
        deadline: when it is given up, in monotonic seconds.
    """

    __slots__ = (
        "_account", "_asked", "_attempts", "_begun", "_blamed", "_cache_key", "_choice",
        "_client", "_failure", "_headers", "_is_over", "_is_paused", "_next", "_query", "_route",
        "_started", "_state", "_task", "_timer", "_tried", "_tries", "_waiting", "deadline",
    )  # fmt: skip

    _asked: AskedFor
    _choice: Choice

    def __init__(
        self,
        account: Account,
        client: Client,
        route: Route,
        headers: ReadHeaders,
        query: bytes,
    ) -> None:
        self._account = account
        self._state = account.state
        self._client = client
        self._route = route
        self._headers = headers
        self._query = query
        self.deadline = NEVER
        self._started = 0.0
        self._is_over = False
        self._is_paused = False
        self._cache_key: bytes | None = None
        self._attempts: list[Attempt] = []  # that are under way
        self._begun: Attempt | None = None  # whose answer the client gets
        self._blamed: set[tuple[Target, str]] = set()  # who has failed this request
        self._failure: _Failure | None = None
        self._next = 0  # the target that is asked
        self._tried: set[str] = set()  # its addresses
        self._tries = 0
        self._timer: asyncio.TimerHandle | None = None  # until another try, or a hedge
        self._task: asyncio.Task[None] | None = None
        self._waiting: Waiting | None = None  # for more to be leased of shared limits

    # what the client does

    def receive(self, body: bytes) -> None:
        """The request is whole: choose, account, and ask."""
        self._started = time.monotonic()
        try:
            self._asked = AskedFor(self._route, self._headers, self._query, body)
            refusal = self._take_up()
        except Exception as error:  # noqa: BLE001 - it is logged, and the client answered
            refusal = _refusal_after(error)
        if refusal is not None:
            self._refuse(refusal)

    def client_gone(self) -> None:
        """Nobody waits: whoever is asked is told so at once."""
        if self._is_over:
            return
        self._stop_waiting()
        for attempt in self._attempts:
            waited = attempt.waited_seconds
            if attempt is not self._begun:
                self._account.lose(attempt)
            attempt.cancel()
            attempt.lease.cancelled(waited)
        self._close(LEFT, attempt=self._begun)

    def pause(self) -> None:
        """The client is slow: read no more from the provider."""
        self._is_paused = True
        if self._begun is not None and self._begun.call is not None:
            self._begun.call.pause()

    def resume(self) -> None:
        """The client has caught up."""
        self._is_paused = False
        if self._begun is not None and self._begun.call is not None:
            self.deadline = time.monotonic() + self._begun.target.seconds
            self._begun.call.resume()

    def expire(self) -> None:
        """Its time is up."""
        if self._is_over or self._is_paused:
            return  # who does not read is the connection's to end
        self.deadline = NEVER
        self._stop_waiting()
        begun = self._begun
        for attempt in self._attempts:
            if attempt is not begun:
                self._account.lose(attempt)
            attempt.cancel()
            attempt.lease.failed()
        if begun is not None:
            self._cut(begun, "the model took too long to go on")
            return
        seconds = time.monotonic() - self._started
        refusal = Refusal(TIMED_OUT, f"no model has answered within {seconds:.1f} s")
        self._failure = self._failure or _Failure(refusal)
        self._give_up()

    # the way to a model

    def _take_up(self) -> Refusal | None:
        """Admit the request and ask a model; or say why not."""
        state, asked, account = self._state, self._asked, self._account
        wishes = asked.wishes
        allowed = account.allowed
        if state.cache is not None and wishes.cache:
            self._cache_key = cache_key(asked, account.tenant, allowed)
            if self._cache_key is not None and (found := state.cache.get(self._cache_key)):
                answer = found
                return self._admit(FREE, lambda: self._answer_again(answer))
        self._choice = choice = state.chooser.choose(
            self._route, asked.seen, wishes, tenant=account.tenant, allowed=allowed
        )
        return self._admit(asked.bound(choice.models), self._set_out)

    def _admit(self, most: Bound, go_on: Callable[[], None]) -> Refusal | None:
        """Set aside what the request may take, and go on: at once, or when more is leased."""
        refusal = self._account.admit(most)
        if refusal is None:
            go_on()
        elif refusal is PASSING:
            self._waiting = self._account.wait(most, lambda late: self._renewed(late, go_on))
            return None
        return refusal

    def _renewed(self, refusal: Refusal | None, go_on: Callable[[], None]) -> None:
        """What is leased of shared limits was renewed: the request goes on, or is refused."""
        self._waiting = None
        try:
            if refusal is None:
                go_on()
        except Exception as error:  # noqa: BLE001 - it is logged, and the client answered
            refusal = _refusal_after(error)
        if refusal is not None:
            self._refuse(refusal)

    def _set_out(self) -> None:
        """Ask a model: the request is admitted."""
        state, asked, account, choice = self._state, self._asked, self._account, self._choice
        target = choice.targets[0]
        if not self._route.upstream[target.dialect]:
            self._estimate()
            return
        served = account.open(asked, choice.selection, target.model)
        state.active.add(self)
        timeout = asked.wishes.timeout
        seconds = target.seconds if timeout is None else min(timeout, target.seconds)
        self.deadline = self._started + seconds
        state.engine.selector.expect_feedback(served.id, choice.selection, choice.context)
        state.retries.request()
        if state.injector is not None and self._wants_insights(state.injector, target):
            self._task = state.loop.create_task(self._hand_over(target))
        else:
            self._ask()

    def _estimate(self) -> None:
        """Say how many tokens the request has, about: its provider does not tell beforehand."""
        tokens = max(1, self._asked.seen.size // TOKEN_BYTES)
        lines = replies.JSON + b"x-crossmodel-estimate: true\r\n"
        self._client.reply(OK, lines, msgspec.json.encode({"input_tokens": tokens}))
        self._account.release()
        self._is_over = True

    def _answer_again(self, found: CachedAnswer) -> None:
        """Give the answer that the same request had before."""
        served = self._account.open(self._asked, found.selection, found.model)
        served.is_cached = served.is_whole = True
        served.is_stream, served.body = found.is_stream, found.body
        served.served_model = found.served_model
        self._client.reply(OK, replies.cached_lines(served.id, found), found.body)
        self._close(OK)

    def _wants_insights(self, injector: Injector, target: Target) -> bool:
        return (
            self._route.is_conversation
            and self._asked.wishes.insights
            and injector.may_help(self._account.tenant, target.model)
        )

    async def _hand_over(self, target: Target) -> None:
        """Put the insights that fit into the request, and go on with or without them."""
        injector, asked, served = self._state.injector, self._asked, self._account.served
        assert injector is not None
        found = await injector.inject(
            asked.seen.fields,
            self._route.dialect,
            target.model,
            tenant=served.tenant,
            request_id=served.id,
            task=served.selection.task_requirement,
            trace_id=served.trace_id,
        )
        self._task = None
        if found is not None:
            asked.seen.fields, served.transfer = found
        self._ask()

    @property
    def _target(self) -> Target:
        targets = self._choice.targets
        return targets[min(self._next, len(targets) - 1)]

    def _ask(self) -> None:
        """Ask the first that may be asked."""
        wait = self._go_on()
        if wait is None:
            return
        now = time.monotonic()
        if any(endpoint.held_until > now for endpoint in self._target.balancer.endpoints):
            status, message = TOO_MANY, "the model's provider asks to wait"
        else:
            status, message = UNAVAILABLE, "the model's provider is failing"
        self._failure = _Failure(Refusal(status, message, retry_after=wait))
        self._give_up()

    def _go_on(self) -> float | None:
        """Ask the next address, of the next model where one has no more.

        Returns ``None`` if somebody is asked now, else in how many seconds somebody may be.
        """
        soonest = NEVER
        targets = self._choice.targets
        while self._next < len(targets):
            target = targets[self._next]
            lease = target.balancer.pick(self._tried)
            if isinstance(lease, Lease):
                self._start(target, lease)
                return None
            if lease.retry_after_seconds is not None:
                soonest = min(soonest, lease.retry_after_seconds)
            self._next += 1
            self._tried = set()
            if self._tries and self._next < len(targets):
                self._state.metrics.failovers += 1
        return soonest

    def _start(self, target: Target, lease: Lease) -> None:
        translates = self._route.translates(target.dialect)
        attempt = Attempt(self, target, lease, translates=translates)
        address = target.addresses[lease.endpoint.id]
        try:
            request = self._asked.compose(target, address, translates=translates)
        except CrossModelError as error:  # it cannot be asked so; a stand-in perhaps can
            lease.cancelled()
            self._failure = self._failure or _Failure(replies.refusal_of(error))
            self._next, self._tried = self._next + 1, set()
            if self._go_on() is not None:
                self._give_up()
            return
        self._tries += 1
        self._tried.add(lease.endpoint.id)
        self._account.served.model = target.model
        self._attempts.append(attempt)
        attempt.send(request, address)
        after = self._state.balancing.hedge_after_seconds
        if after is not None and self._tries == 1 and not self._is_over:
            self._timer = self._state.loop.call_later(after, self._ask_another)

    def _ask_another(self) -> None:
        """The first has said nothing for long: whoever answers first is heard."""
        self._timer = None
        lease = self._target.balancer.pick(self._tried)
        if isinstance(lease, Lease):
            affordable = self._account.affords(len(self._attempts))
            if affordable and self._state.retries.try_spend():
                self._start(self._target, lease)
            else:
                lease.cancelled()

    # what attempts tell

    def opens(self, attempt: Attempt) -> Relay | None:
        """A stream begins: from here on there is no other try."""
        if not self._take(attempt):
            return None
        head = attempt.head
        assert head is not None
        # no length, whatever the provider said: what is added where it breaks off must not fill it
        self._client.respond(head.status, self._lines(attempt), None)
        return self._asked.relay(attempt.target, translates=attempt.translates)

    def passes_on(self, attempt: Attempt) -> bool:
        """An answer is too long to be held: pass it on, unless it must be translated whole."""
        if attempt.translates or not self._take(attempt):
            return False
        head = attempt.head
        assert head is not None
        self._client.respond(head.status, self._lines(attempt), head.length)
        return True

    def goes_on(self, attempt: Attempt, data: bytes) -> None:
        """Send on what came."""
        self.deadline = time.monotonic() + attempt.target.seconds
        self._client.send(data)

    def ends(self, attempt: Attempt, *, is_whole: bool) -> None:
        """What was passed on has ended: properly, or not."""
        if not is_whole:
            self._cut(attempt)
            return
        self._succeed(attempt)
        self._client.finish()
        head = attempt.head
        self._close(OK if head is None else head.status, attempt=attempt)

    def answers(self, attempt: Attempt, body: bytes) -> None:
        """A whole answer: the client gets it, unless it is an error that may be made good."""
        head, target, asked = attempt.head, attempt.target, self._asked
        assert head is not None
        if head.status not in GOOD:
            self._failed(attempt, head.status, body)
            return
        spoken = target.dialect if attempt.translates else self._route.dialect
        facts = facts_of(body, spoken)
        if facts is None and replies.is_json(head):
            self._failed(attempt, None, reason="the provider's answer is not the JSON that it says")
            return
        if attempt.translates:
            try:
                body = asked.translated(body, target)
            except ProviderResponseError as error:
                self._failed(attempt, None, reason=str(error))
                return
        if not self._take(attempt):
            return
        self._succeed(attempt)
        cost = self._account.charge(attempt, body, facts or NO_FACTS)
        lines = b"%bx-crossmodel-cost: %.9f; unit=usd\r\n" % (self._lines(attempt), cost)
        self._client.reply(head.status, lines, body)
        self._close(head.status, attempt=attempt)

    def fails(self, attempt: Attempt, reason: str) -> None:
        """There is no answer, or no more of it."""
        if attempt is self._begun:
            self._cut(attempt, reason)
        else:
            self._failed(attempt, None, reason=reason)

    # how it ends

    def _take(self, attempt: Attempt) -> bool:
        """Let the client hear this attempt and no other; whether it may be."""
        if self._is_over or self._begun is not None:
            attempt.cancel()
            attempt.lease.cancelled()
            return False
        self._begun = attempt
        self._account.served.model = attempt.target.model
        if self._timer is not None:
            self._stop_waiting()
        if self._is_paused and attempt.call is not None:
            attempt.call.pause()
        if len(self._attempts) > 1:
            for other in self._attempts:
                if other is not attempt:
                    waited = other.waited_seconds
                    self._account.lose(other)
                    other.cancel()
                    other.lease.cancelled(waited)
            self._attempts = [attempt]
        return True

    def _succeed(self, attempt: Attempt) -> None:
        attempt.lease.succeeded(attempt.first_byte_at - attempt.started_at)
        self._attempts.clear()

    def _failed(
        self, attempt: Attempt, status: int | None, body: bytes = b"", *, reason: str = ""
    ) -> None:
        """There was no good answer, and the client has heard nothing yet."""
        if attempt in self._attempts:
            self._attempts.remove(attempt)
        self._release(attempt, status)
        if attempt.head is not None and status is None:
            self._account.lose(attempt)
        state = self._state
        state.metrics.upstream_errors.add("connection" if status is None else str(status))
        if status is not None:  # what a provider said tells more than that one said nothing
            self._failure = _Failure(None, attempt, body)
        elif self._failure is None or self._failure.attempt is None:
            self._failure = _Failure(Refusal(BAD_GATEWAY, reason))
        if self._attempts or self._is_over:
            return  # somebody else may still answer
        self._stop_waiting()
        config = state.balancing
        if (
            not may_retry(status, begun=False)
            or self._tries >= config.max_attempts
            or not self._account.affords(0)
            or not state.retries.try_spend()
        ):
            self._give_up()
            return
        state.metrics.retries += 1
        if self._go_on() is None:
            return
        wait = backoff_seconds(self._tries, config, state.chance)
        if status == TOO_MANY or time.monotonic() + wait >= self.deadline:
            self._give_up()
        else:
            self._timer = state.loop.call_later(wait, self._ask_again)

    def _release(self, attempt: Attempt, status: int | None) -> None:
        """Tell the balancer what became of an attempt that brought no good answer.

        However often one request asks an address, it blames it once: what breaks over one request
        need not break over others.
        """
        lease, head = attempt.lease, attempt.head
        if status is not None and status < SERVER_ERROR and status != TOO_MANY:
            lease.succeeded(attempt.first_byte_at - attempt.started_at)  # it disliked the request
            return
        wait = None if status is None or head is None else _retry_after(head.headers)
        name = lease.endpoint.id
        if wait is None and (status == TOO_MANY or (attempt.target, name) in self._blamed):
            lease.cancelled()
            return
        self._blamed.add((attempt.target, name))
        lease.failed(wait)

    def _ask_again(self) -> None:
        """Ask those again that have been asked."""
        self._timer = None
        self._next, self._tried = 0, set()
        if self._go_on() is not None:
            self._give_up()

    def _give_up(self) -> None:
        """Tell the client why there is no answer."""
        failure = self._failure
        assert failure is not None
        attempt = failure.attempt
        if attempt is None or attempt.head is None:
            self._reply(failure.refusal or Refusal(BAD_GATEWAY, "there is no answer"))
            return
        status, dialect = attempt.head.status, self._route.dialect
        if status in UNAUTHORIZED:  # it is our key that they refuse, not the client's
            said = "the provider refused the gateway's credentials"
            self._reply(Refusal(BAD_GATEWAY, said, should_retry=False))
            return
        body = redacted(failure.body, attempt.target.secret)
        lines = self._lines(attempt)
        if attempt.translates:
            status, body = error_status(status, dialect), translate_error(status, body, dialect)
        self._client.reply(status, lines, body)
        self._account.served.body = body
        self._close(status)

    def _reply(self, refusal: Refusal) -> None:
        """Tell the client in our own words that there is no answer."""
        served = self._account.served
        served.body = refusal.body(self._route.dialect)
        lines = refusal.lines() + replies.id_line(served.id)
        self._client.reply(refusal.status, lines, served.body)
        self._close(refusal.status)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer without having asked anybody."""
        self._state.metrics.refused.add(refusal.code or str(refusal.status))
        self._client.reply(refusal.status, refusal.lines(), refusal.body(self._route.dialect))
        self._is_over = True
        self._state.active.discard(self)
        self._account.release()

    def _cut(self, attempt: Attempt, reason: str = CUT) -> None:
        """The answer broke off after it had begun: the client must not take it for whole."""
        attempt.lease.failed()
        if attempt.relay is not None and (apology := attempt.relay.apology(reason)):
            self._client.send(apology)
        self._client.abort()
        self._close(BAD_GATEWAY, attempt=attempt)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _close(self, status: int, *, attempt: Attempt | None = None) -> None:
        """It is over: once, whatever has happened."""
        if self._is_over:
            return
        self._is_over = True
        self._attempts.clear()
        self._state.active.discard(self)
        self._account.close(status, attempt=attempt)
        # what knows of each other must not wait for the garbage collector
        self._begun = self._failure = None
        if self._cache_key is not None and attempt is not None and self._state.cache is not None:
            answer = self._account.cacheable(attempt)
            if answer is not None:
                self._state.cache.put(self._cache_key, answer)

    def _lines(self, attempt: Attempt) -> bytes:
        """The headers of an answer: the provider's, and ours."""
        head, target, choice = attempt.head, attempt.target, self._choice
        assert head is not None
        served = self._account.served
        lines = replies.answer_lines(head, target, served, choice.reason)
        if target is not choice.targets[0]:
            lines += b"x-crossmodel-failover: %b\r\n" % choice.targets[0].name
        if self._tries > 1:
            lines += b"x-crossmodel-attempts: %d\r\n" % self._tries
        return lines


class _Failure:
    """Why there is no answer: in our words, or in those of a provider."""

    __slots__ = ("attempt", "body", "refusal")

    def __init__(
        self, refusal: Refusal | None, attempt: Attempt | None = None, body: bytes = b""
    ) -> None:
        self.refusal = refusal
        self.attempt = attempt
        self.body = body


def _refusal_after(error: Exception) -> Refusal:
    """What to answer where a request could not be handled; ours is logged."""
    if isinstance(error, CrossModelError):
        return replies.refusal_of(error)
    logger.error("a request could not be handled", exc_info=error)
    return Refusal(SERVER_ERROR, "the gateway failed", should_retry=False)


def _retry_after(headers: list[Header]) -> float | None:
    """For how many seconds a provider asks to be left alone."""
    for name, value in headers:
        if name == b"retry-after-ms":
            wait = retry_after_ms_seconds(value)
        elif name == b"retry-after":
            wait = retry_after_seconds(value, time.time())
        else:
            continue
        if wait is not None and wait > 0:
            return wait
    return None
