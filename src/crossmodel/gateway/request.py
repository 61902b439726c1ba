"""A request that is whole: what it asks for, and how each provider is asked for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from crossmodel.domain.models import ModelSpec
from crossmodel.errors import InvalidInputError, ProviderResponseError
from crossmodel.gateway.bounds import Bound, bound
from crossmodel.gateway.headers import ReadHeaders
from crossmodel.gateway.http1 import Header
from crossmodel.gateway.peek import peek
from crossmodel.gateway.relaying import PlainRelay, Relay, TranslatedRelay
from crossmodel.gateway.routes import Route
from crossmodel.gateway.targets import Address, Target
from crossmodel.gateway.translation.answers import completion_to_message, message_to_completion
from crossmodel.gateway.translation.chat_request import chat_to_messages, wants_usage
from crossmodel.gateway.translation.messages_request import messages_to_chat
from crossmodel.gateway.wishes import NONE, wishes_of
from crossmodel.wire.dialect import Dialect

DEFAULT_MAX_TOKENS: Final = 4096
"""The limit on an answer where a client set none and the provider insists on one."""

VENDORS: Final = (b"anthropic-", b"openai-")
"""How headers begin that mean something to providers."""

FREE: Final = Bound(0.0, 0)


class AskedFor:
    """What a client asks for.

    Args:
        route: the path that it asked on.
        headers: of the request.
        query: of the request's target.
        body: the body.

    Attributes:
        seen: what the body says.
        wishes: what is wanted of the gateway itself.
        trace_id: the caller's trace, if it named one.
        parent_id: the caller's span in it, if the caller records it.

    Raises:
        InvalidInputError: naming what is wrong.
    """

    __slots__ = (
        "_headers",
        "_made",
        "_query",
        "body",
        "parent_id",
        "route",
        "seen",
        "trace_id",
        "wishes",
    )

    def __init__(self, route: Route, headers: ReadHeaders, query: bytes, body: bytes) -> None:
        self.route = route
        self.body = body
        self.trace_id = headers.trace_id
        self.parent_id = headers.parent_id
        self._headers = headers
        self._query = _harmless(query) if query else query
        self._made: dict[str, bytes] = {}  # bodies, by the model they are for
        self.seen = peek(body, route.limits)
        seen = self.seen
        is_plain = seen.ours is None and not headers.ours
        self.wishes = NONE if is_plain else wishes_of(seen.ours, headers.ours)

    @property
    def heeded(self) -> tuple[bytes, list[Header]]:
        """What providers heed besides the body: the query, and headers of their own."""
        headers = self._headers.headers
        return self._query, sorted(each for each in headers if each[0].startswith(VENDORS))

    def bound(self, models: Sequence[ModelSpec]) -> Bound:
        """What the call may cost at most, whoever of them answers, and about how many tokens."""
        if self.route.is_free:
            return FREE
        most = FREE
        seen, size = self.seen, len(self.body)
        for model in models:
            own = bound(model, size, seen.most_tokens, answers=seen.answers, is_text=seen.is_text)
            most = max(most, own)
        return most

    def compose(self, target: Target, address: Address, *, translates: bool) -> bytes:
        """The request as it is sent to the model's provider, translated for it or not.

        Raises:
            InvalidInputError: if it asks for what the provider's dialect cannot say.
        """
        path = self.route.upstream[target.dialect]
        if self._query and not translates:
            path = b"%b?%b" % (path, self._query)
        lines = self._headers.lines(target.dialect, translated=translates)
        body = self._made.get(target.model.id)
        if body is None:
            body = self.seen.body(target.model.name)
            if translates:
                body = _translated(body, target)
            self._made[target.model.id] = body
        return address.compose(path, lines + target.credentials, body)

    def relay(self, target: Target, *, translates: bool) -> Relay:
        """How a stream of the model reaches the client."""
        if not translates:
            return PlainRelay(self.route.dialect)
        asked = msgspec.json.encode(self.seen.fields)
        usage = target.dialect is Dialect.MESSAGES and wants_usage(msgspec.json.decode(asked))
        return TranslatedRelay(target.dialect, include_usage=usage)

    def translated(self, answer: bytes, target: Target) -> bytes:
        """A whole answer of the model in the client's dialect.

        Raises:
            ProviderResponseError: if it cannot be understood.
        """
        try:
            read = msgspec.json.decode(answer)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ProviderResponseError(f"the provider's answer is not JSON: {error}") from None
        if target.dialect is Dialect.MESSAGES:
            made = message_to_completion(read, created=int(time.time()))
        else:
            made = completion_to_message(read)
        return msgspec.json.encode(made)


def _harmless(query: bytes) -> bytes:
    """A query without what may be the client's key, which is for us alone."""
    parts = query.split(b"&")
    return b"&".join([part for part in parts if not _names_a_secret(part)])


def _names_a_secret(part: bytes) -> bool:
    name = part.partition(b"=")[0].lower()
    return any(word in name for word in (b"key", b"token", b"secret", b"auth"))


def _translated(body: bytes, target: Target) -> bytes:
    """A request in the dialect of the model's provider.

    Raises:
        InvalidInputError: if it cannot be said in it, or cannot be read.
    """
    try:
        asked: dict[str, Any] = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidInputError(f"the body cannot be translated: {error}") from None
    if target.dialect is Dialect.MESSAGES:
        most = target.model.max_output_tokens or DEFAULT_MAX_TOKENS
        return msgspec.json.encode(chat_to_messages(asked, default_max_tokens=most))
    return msgspec.json.encode(messages_to_chat(asked, limit_field=target.limit_field))
