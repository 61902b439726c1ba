"""One request, from its head to its settled account. No I/O, no task, no waiting of its own.

It talks to a client on one side and to attempts on the other, and both talk back. What it needs is
in memory; only a request that is to be handed insights waits for them in a task of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from crossmodel.balancing import (
    Lease,
    backoff_seconds,
    may_retry,
    retry_after_ms_seconds,
    retry_after_seconds,
)
from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.period import utc_now
from crossmodel.engine import BYTES_PER_TOKEN
from crossmodel.errors import CrossModelError, ProviderResponseError
from crossmodel.gateway import replies
from crossmodel.gateway.attempt import GOOD, Attempt
from crossmodel.gateway.bounds import Bound, bound
from crossmodel.gateway.http1 import Header, RequestHead, header_lines, nominated
from crossmodel.gateway.limits import Admitted, Refused
from crossmodel.gateway.peek import Peek, peek
from crossmodel.gateway.relaying import PlainRelay, Relay, TranslatedRelay
from crossmodel.gateway.replies import LEFT, Refusal
from crossmodel.gateway.served import Served
from crossmodel.gateway.translation.answers import completion_to_message, message_to_completion
from crossmodel.gateway.translation.chat_request import chat_to_messages, wants_usage
from crossmodel.gateway.translation.errors import error_status, translate_error
from crossmodel.gateway.translation.message_stream import CUT
from crossmodel.gateway.translation.messages_request import messages_to_chat
from crossmodel.gateway.wishes import PREFIX, wishes_of
from crossmodel.providers import API_VERSION
from crossmodel.wire.dialect import Dialect
from crossmodel.witness.tracing import trace_id_of

if TYPE_CHECKING:
    import asyncio

    from crossmodel.domain.client_key import ClientKey
    from crossmodel.gateway.choosing import Choice
    from crossmodel.gateway.routes import Route
    from crossmodel.gateway.server import Client
    from crossmodel.gateway.state import GatewayState
    from crossmodel.gateway.targets import Address, Target
    from crossmodel.gateway.wishes import Wishes

logger = logging.getLogger(__name__)

OURS_ALONE: Final = frozenset(
    {
        b"accept-encoding", b"authorization", b"connection", b"content-encoding", b"content-length",
        b"content-type", b"cookie", b"expect", b"forwarded", b"host", b"keep-alive", b"origin",
        b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"referer", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"x-api-key", b"x-forwarded-for",
        b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"openai-organization",
        b"openai-project",
    }
)  # fmt: skip
"""Headers of a request that are between the client and us: a provider gets its own, or none."""

SENT_ON: Final = b"content-type: application/json\r\naccept-encoding: identity\r\n"

DIALECT_PREFIX: Final = {Dialect.CHAT: b"anthropic-", Dialect.MESSAGES: b"openai-"}
"""Headers that mean nothing to a provider of the dialect."""

VERSION: Final = b"anthropic-version"

FREE: Final = Bound(0.0, 0)

DEFAULT_MAX_TOKENS: Final = 4096
"""The limit on an answer where a client set none and the provider insists on one."""

UNAUTHORIZED: Final = frozenset({401, 403})
TOO_MANY: Final = 429
SERVER_ERROR: Final = 500
BAD_GATEWAY: Final = 502
TIMED_OUT: Final = 504


class Exchange:
    """One request and its answer.

    Attributes:
        id: what feedback, traces and proofs refer to; empty until the request is taken.
        deadline: when it is given up, in monotonic seconds.
    """

    __slots__ = (
        "_admitted", "_attempts", "_begun", "_choice", "_client", "_failure", "_forwarded", "_head",
        "_is_over", "_is_paused", "_key", "_made", "_next", "_request", "_route", "_seen",
        "_served", "_started", "_state", "_task", "_tenant", "_timer", "_tried", "_tries",
        "_wishes", "deadline", "id",
    )  # fmt: skip

    _request: bytes
    _seen: Peek
    _wishes: Wishes
    _choice: Choice
    _served: Served

    def __init__(
        self,
        state: GatewayState,
        client: Client,
        route: Route,
        head: RequestHead,
        key: ClientKey | None,
    ) -> None:
        self._state = state
        self._client = client
        self._route = route
        self._head = head
        self._key = key
        self._tenant = state.tenant if key is None else key.tenant
        self.id = ""
        self.deadline = float("inf")
        self._started = 0.0
        self._is_over = False
        self._is_paused = False
        self._forwarded: list[Header] = []
        self._admitted: Admitted | None = None
        self._attempts: list[Attempt] = []  # that are under way
        self._begun: Attempt | None = None  # whose answer the client gets
        self._failure: _Failure | None = None
        self._made: dict[str, bytes] = {}  # bodies, by the model they are for
        self._next = 0  # the target that is asked
        self._tried: set[str] = set()  # its addresses
        self._tries = 0
        self._timer: asyncio.TimerHandle | None = None  # until another try, or a hedge
        self._task: asyncio.Task[None] | None = None

    # what the client does

    def receive(self, body: bytes) -> None:
        """The request is whole: choose, account, and ask."""
        self._started = time.monotonic()
        self._request = body
        try:
            refusal = self._take_up()
        except CrossModelError as error:
            refusal = replies.refusal_of(error)
        except Exception:
            logger.exception("a request could not be handled")
            refusal = Refusal(SERVER_ERROR, "the gateway failed", should_retry=False)
        if refusal is not None:
            self._refuse(refusal)

    def client_gone(self) -> None:
        """Nobody waits: whoever is asked is told so at once."""
        if self._is_over:
            return
        self._stop_waiting()
        asked = bool(self._attempts)
        for attempt in self._attempts:
            waited = attempt.waited_seconds
            attempt.cancel()
            attempt.lease.cancelled(waited)
        if self.id:
            self._settle(LEFT, attempt=self._begun, was_asked=asked)
        self._is_over = True

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
        self.deadline = float("inf")
        self._stop_waiting()
        begun = self._begun
        for attempt in list(self._attempts):
            if attempt is not begun:
                attempt.cancel()
                attempt.lease.failed()
                self._attempts.remove(attempt)
        if begun is not None:
            begun.cancel()
            self._cut(begun, "the model took too long to go on")
            return
        seconds = time.monotonic() - self._started
        refusal = Refusal(TIMED_OUT, f"no model has answered within {seconds:.1f} s")
        self._failure = self._failure or _Failure(self._target, refusal)
        self._give_up()

    # the way to a model

    def _take_up(self) -> Refusal | None:
        state, route = self._state, self._route
        self._seen = seen = peek(self._request)
        self._wishes = wishes = wishes_of(seen.ours, self._look_at_headers())
        key = self._key
        self._choice = choice = state.chooser.choose(
            route,
            seen,
            wishes,
            tenant=self._tenant,
            allowed=frozenset(key.models) or None if key is not None else None,
        )
        target = choice.targets[0]
        admitted = state.admission.admit(key, self._tenant, *self._bound(choice.targets))
        if isinstance(admitted, Refused):
            return Refusal(
                admitted.status,
                admitted.message,
                code=admitted.code,
                retry_after=admitted.retry_after_seconds,
                should_retry=admitted.should_retry,
            )
        self._admitted = admitted
        self.id = time_ordered_id("req_")
        self._served = Served(
            id=self.id,
            tenant=self._tenant,
            key=None if key is None else key.name,
            path=route.path,
            dialect=route.dialect if route.is_conversation else None,
            request=self._request,
            selection=choice.selection,
            model=target.model,
            started_at=utc_now(),
            trace_id=self._trace_id(),
        )
        state.active.add(self)
        seconds = target.seconds if wishes.timeout is None else min(wishes.timeout, target.seconds)
        self.deadline = self._started + seconds
        state.engine.selector.expect_feedback(self.id, choice.selection, choice.context)
        state.retries.request()
        if self._wants_insights(target):
            self._task = state.loop.create_task(self._hand_over(target))
        else:
            self._ask()
        return None

    def _bound(self, targets: Sequence[Target]) -> Bound:
        """What the call may cost at most, whoever of them answers, and about how many tokens."""
        if self._route.is_free:
            return FREE
        seen = self._seen
        bounds = [
            bound(
                target.model,
                len(self._request),
                seen.most_tokens,
                answers=seen.answers,
                is_text=seen.is_text,
            )
            for target in targets
        ]
        return bounds[0] if len(bounds) == 1 else max(bounds)

    def _look_at_headers(self) -> list[Header]:
        """Sort the request's headers: what goes on to the provider, and what is for us."""
        ours: list[Header] = []
        dropped = OURS_ALONE
        named = self._head.get(b"connection")
        if named is not None and b"," in named:
            dropped = dropped | nominated(self._head.headers)
        for header in self._head.headers:
            name = header[0]
            if name[:13] == PREFIX:
                ours.append(header)
            elif name not in dropped:
                self._forwarded.append(header)
        return ours

    def _trace_id(self) -> str | None:
        parent = self._head.get(b"traceparent")
        return None if parent is None else trace_id_of(parent.decode("latin-1"))

    def _wants_insights(self, target: Target) -> bool:
        injector = self._state.injector
        return (
            injector is not None
            and self._wishes.insights
            and self._route.is_conversation
            and injector.may_help(self._tenant, target.model)
        )

    async def _hand_over(self, target: Target) -> None:
        """Put the insights that fit into the request, and go on with or without them."""
        injector = self._state.injector
        assert injector is not None
        try:
            found = await injector.inject(
                self._seen.fields,
                self._route.dialect,
                target.model,
                tenant=self._tenant,
                request_id=self.id,
                task=self._choice.selection.task_requirement,
            )
        except Exception:
            logger.exception("insights could not be handed over: the request goes on without")
            found = None
        self._task = None
        if self._is_over:
            return
        if found is not None:
            self._seen.fields, self._served.transfer = found
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
        held = any(each.held_until > now for each in self._target.balancer.endpoints)
        message = "the model's provider asks to wait" if held else "the model's provider is failing"
        refusal = Refusal(TOO_MANY if held else 503, message, retry_after=wait)
        self._failure = _Failure(self._target, refusal)
        self._give_up()

    def _go_on(self) -> float | None:
        """Ask the next address, of the next model where one has no more.

        Returns ``None`` if somebody is asked now, else in how many seconds somebody may be.
        """
        soonest = float("inf")
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
        attempt = Attempt(self, target, lease)
        try:
            request = self._compose(target, attempt.address)
        except CrossModelError as error:
            lease.cancelled()
            self._failure = _Failure(target, replies.refusal_of(error))
            self._give_up()
            return
        self._tries += 1
        self._tried.add(lease.endpoint.id)
        self._served.model = target.model
        self._attempts.append(attempt)
        attempt.send(request)
        after = self._state.balancing.hedge_after_seconds
        if after is not None and self._tries == 1 and not self._is_over:
            self._timer = self._state.loop.call_later(after, self._ask_another)

    def _ask_another(self) -> None:
        """The first has said nothing for long: whoever answers first is heard."""
        self._timer = None
        lease = self._target.balancer.pick(self._tried)
        if isinstance(lease, Lease):
            if self._state.retries.try_spend():
                self._start(self._target, lease)
            else:
                lease.cancelled()

    def _translates(self, target: Target) -> bool:
        """Whether the model's provider speaks another dialect than the client."""
        dialect = self._route.dialect
        return dialect is not target.dialect and dialect is not Dialect.RESPONSES

    def _compose(self, target: Target, address: Address) -> bytes:
        name = target.model.name
        body = self._made.get(target.model.id)
        translates = self._translates(target)
        if body is None:
            body = self._seen.body(name)
            if translates:
                body = _translated(body, target)
            self._made[target.model.id] = body
        path = self._route.upstream[target.dialect]
        forwarded = self._forwarded
        if translates:
            other = DIALECT_PREFIX[target.dialect]
            forwarded = [header for header in forwarded if not header[0].startswith(other)]
        elif self._head.query:
            path = b"%b?%b" % (path, self._head.query)
        lines = header_lines(forwarded) + SENT_ON + target.credentials
        if target.dialect is Dialect.MESSAGES and self._head.get(VERSION) is None:
            lines += b"%b: %b\r\n" % (VERSION, API_VERSION.encode())
        return address.compose(path, lines, body)

    # what attempts tell

    def opens(self, attempt: Attempt) -> Relay | None:
        """A stream begins: from here on there is no other try."""
        if not self._take(attempt):
            return None
        head, target = attempt.head, attempt.target
        assert head is not None
        translates = self._translates(target)
        relay: Relay
        if translates:
            usage = target.dialect is Dialect.MESSAGES and _wants_usage(self._request)
            relay = TranslatedRelay(target.dialect, include_usage=usage)
        else:
            relay = PlainRelay(self._route.dialect)
        lines = self._lines(attempt)
        self._client.respond(head.status, lines, None if translates else head.length)
        return relay

    def passes_on(self, attempt: Attempt) -> bool:
        """An answer is too long to be held: pass it on, unless it must be translated whole."""
        if self._translates(attempt.target) or not self._take(attempt):
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
        self._finish(attempt)
        self._client.finish()
        head = attempt.head
        self._settle(200 if head is None else head.status, attempt=attempt)

    def answers(self, attempt: Attempt, body: bytes) -> None:
        """A whole answer: the client gets it, unless it is an error that may be made good."""
        head = attempt.head
        assert head is not None
        if head.status not in GOOD:
            self._failed(attempt, head.status, body)
            return
        facts = replies.facts_of(body, self._spoken(attempt.target))
        if facts is None and replies.is_json(head):
            self._failed(attempt, None, reason="the provider's answer is not the JSON that it says")
            return
        if self._translates(attempt.target):
            try:
                body = _translated_back(body, attempt.target.dialect)
            except ProviderResponseError as error:
                self._failed(attempt, None, reason=str(error))
                return
        if not self._take(attempt):
            return
        self._finish(attempt)
        served = self._served
        facts = facts or replies.NO_FACTS
        served.usage, served.served_model, served.body = facts.usage, facts.model, body
        served.cost_usd = self._cost(attempt)
        lines = b"%bx-crossmodel-cost: %.9f; unit=usd\r\n" % (self._lines(attempt), served.cost_usd)
        self._client.reply(head.status, lines, body)
        self._settle(head.status, attempt=attempt)

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
        self._stop_waiting()
        if self._is_paused and attempt.call is not None:
            attempt.call.pause()
        for other in self._attempts:
            if other is not attempt:
                waited = other.waited_seconds
                other.cancel()
                other.lease.cancelled(waited)
        self._attempts = [attempt]
        return True

    def _finish(self, attempt: Attempt) -> None:
        attempt.lease.succeeded(attempt.first_byte_at - attempt.started_at)
        self._attempts.clear()

    def _failed(
        self, attempt: Attempt, status: int | None, body: bytes = b"", *, reason: str = ""
    ) -> None:
        """There was no good answer, and the client has heard nothing yet."""
        if attempt in self._attempts:
            self._attempts.remove(attempt)
        self._state.metrics.upstream_errors.add("connection" if status is None else str(status))
        self._release(attempt, status)
        if status is None:
            failure = _Failure(attempt.target, Refusal(BAD_GATEWAY, reason))
        else:
            failure = _Failure(attempt.target, None, attempt, body)
        if status is not None or self._failure is None or self._failure.attempt is None:
            self._failure = failure  # what a provider said tells more than that one said nothing
        if self._attempts or self._is_over:
            return  # somebody else may still answer
        self._stop_waiting()
        state = self._state
        config = state.balancing
        if (
            not may_retry(status, begun=False)
            or self._tries >= config.max_attempts
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
        """Tell the balancer what became of it."""
        lease, head = attempt.lease, attempt.head
        if status is None or head is None:
            lease.failed()
        elif status == TOO_MANY or status >= SERVER_ERROR:
            wait = _retry_after(head.headers)
            if wait is not None or status != TOO_MANY:
                lease.failed(wait)
            else:
                lease.cancelled()
        else:  # it is the request that it did not like
            lease.succeeded(attempt.first_byte_at - attempt.started_at)

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
        if failure.refusal is not None or attempt is None or attempt.head is None:
            refusal = failure.refusal or Refusal(BAD_GATEWAY, "there is no answer")
            self._reply(refusal)
            self._settle(refusal.status)
            return
        status, dialect = attempt.head.status, self._route.dialect
        if status in UNAUTHORIZED:  # it is our key that they refuse, not the client's
            refusal = Refusal(
                BAD_GATEWAY, "the provider refused the gateway's credentials", should_retry=False
            )
            self._reply(refusal)
            self._settle(refusal.status)
            return
        body = replies.redacted(failure.body, attempt.target.secret)
        lines = self._lines(attempt)
        if self._translates(attempt.target):
            status, body = error_status(status, dialect), translate_error(status, body, dialect)
        self._client.reply(status, lines, body)
        self._served.body = body
        self._settle(status)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer without having asked anybody."""
        self._state.metrics.refused.add(refusal.code or str(refusal.status))
        self._reply(refusal)
        if self._admitted is not None:
            self._admitted.settle(0.0, 0)
        self._state.active.discard(self)
        self._is_over = True

    def _reply(self, refusal: Refusal) -> None:
        body = refusal.body(self._route.dialect)
        lines = refusal.lines()
        if self.id:
            lines += b"x-crossmodel-request-id: %b\r\n" % self.id.encode()
            self._served.body = body
        self._client.reply(refusal.status, lines, body)

    def _cut(self, attempt: Attempt, reason: str = CUT) -> None:
        """The answer broke off after it had begun: the client must not take it for whole."""
        attempt.lease.failed()
        self._attempts.clear()
        if attempt.relay is not None and (apology := attempt.relay.apology(reason)):
            self._client.send(apology)
        self._client.abort()
        self._settle(BAD_GATEWAY, attempt=attempt)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _settle(
        self, status: int, *, attempt: Attempt | None = None, was_asked: bool = False
    ) -> None:
        """Close the account: once, whatever has happened."""
        if self._is_over:
            return
        self._is_over = True
        state, served = self._state, self._served
        state.active.discard(self)
        served.status = status
        served.latency_ms = (time.monotonic() - self._started) * 1000
        first_byte_ms = None
        if attempt is not None:
            first_byte_ms = (attempt.first_byte_at - self._started) * 1000
            served.is_whole = status in GOOD
            if attempt.relay is not None:
                watch = attempt.relay.watch
                served.is_stream = True
                served.usage, served.served_model = watch.usage, watch.model
            if attempt.kept:
                served.body = b"".join(attempt.kept)
            served.cost_usd = self._cost(attempt)
        elif was_asked:  # who leaves before the answer does not leave the bill
            served.cost_usd = self._bound([self._target]).most_usd
        if self._admitted is not None:
            usage = served.usage
            tokens = None if usage is None else usage.input_tokens + usage.output_tokens
            self._admitted.settle(served.cost_usd, tokens)
        state.metrics.served(served, first_byte_ms)
        state.recorder.record(served)
        if served.is_whole and state.learner is not None:
            state.learner.offer(served)

    def _cost(self, attempt: Attempt) -> float:
        """What the call is charged with: by the provider's count, or by an estimate of ours."""
        served = self._served
        if self._route.is_free:
            return 0.0
        usage = served.usage
        if usage is None:
            written = sum(part.count(b"data:") for part in attempt.kept)  # about an event a token
            if attempt.relay is None:
                written = len(served.body) // BYTES_PER_TOKEN
            read = self._seen.size // BYTES_PER_TOKEN
            return served.model.cost_usd(read, written)
        return served.model.cost_usd(usage.input_tokens, usage.output_tokens)

    def _spoken(self, target: Target) -> Dialect:
        """What the provider's answer is written in."""
        return target.dialect if self._translates(target) else self._route.dialect

    def _lines(self, attempt: Attempt) -> bytes:
        """The headers of an answer: the provider's, and ours."""
        head, target, choice = attempt.head, attempt.target, self._choice
        assert head is not None
        name = self.id.encode()
        lines = b"%bx-crossmodel-request-id: %b\r\nx-crossmodel-witness: %b\r\n%b" % (
            replies.relayed_lines(head.headers, target.secret),
            name,
            name,
            target.lines,
        )
        reason = choice.reason
        if target is not choice.targets[0]:
            reason += b"; failover"
        lines += b"x-crossmodel-selection: %b\r\n" % reason
        if self._tries > 1:
            lines += b"x-crossmodel-attempts: %d\r\n" % self._tries
        transfer = self._served.transfer
        if transfer is not None and transfer.success:
            lines += b"x-crossmodel-insights: %d\r\n" % len(transfer.transferred_insights)
        return lines


class _Failure:
    """Why there is no answer: in our words, or in those of a provider."""

    __slots__ = ("attempt", "body", "refusal", "target")

    def __init__(
        self,
        target: Target,
        refusal: Refusal | None,
        attempt: Attempt | None = None,
        body: bytes = b"",
    ) -> None:
        self.target = target
        self.refusal = refusal
        self.attempt = attempt
        self.body = body


def _translated(body: bytes, target: Target) -> bytes:
    """A request in the dialect of the model's provider."""
    asked: dict[str, Any] = msgspec.json.decode(body)
    if target.dialect is Dialect.MESSAGES:
        most = target.model.max_output_tokens or DEFAULT_MAX_TOKENS
        return msgspec.json.encode(chat_to_messages(asked, default_max_tokens=most))
    return msgspec.json.encode(messages_to_chat(asked, limit_field=target.limit_field))


def _translated_back(body: bytes, spoken: Dialect) -> bytes:
    """An answer in the client's dialect.

    Raises:
        ProviderResponseError: if it cannot be understood.
    """
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ProviderResponseError(f"the provider's answer is not JSON: {error}") from None
    if spoken is Dialect.MESSAGES:
        made = message_to_completion(answer, created=int(time.time()))
    else:
        made = completion_to_message(answer)
    return msgspec.json.encode(made)


def _wants_usage(request: bytes) -> bool:
    return wants_usage(msgspec.json.decode(request))


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
