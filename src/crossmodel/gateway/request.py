"""A request that is whole: what it asks for, and how each provider is asked for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from crossmodel.errors import InvalidInputError, ProviderResponseError
from crossmodel.gateway.bounds import Bound, bound
from crossmodel.gateway.http1 import Header, RequestHead, header_lines, nominated
from crossmodel.gateway.peek import peek
from crossmodel.gateway.relaying import PlainRelay, Relay, TranslatedRelay
from crossmodel.gateway.routes import Route
from crossmodel.gateway.targets import Address, Target
from crossmodel.gateway.translation.answers import completion_to_message, message_to_completion
from crossmodel.gateway.translation.chat_request import chat_to_messages, wants_usage
from crossmodel.gateway.translation.messages_request import messages_to_chat
from crossmodel.gateway.wishes import PREFIX, wishes_of
from crossmodel.providers import API_VERSION
from crossmodel.wire.dialect import Dialect
from crossmodel.witness.tracing import trace_id_of

OURS_ALONE: Final = frozenset(
    {
        b"accept-encoding", b"authorization", b"connection", b"content-encoding", b"content-length",
        b"content-type", b"cookie", b"expect", b"forwarded", b"host", b"http2-settings",
        b"keep-alive", b"origin",
        b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"referer", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"x-api-key", b"x-forwarded-for",
        b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"openai-organization",
        b"openai-project",
    }
)  # fmt: skip
"""Headers that are between the client and us: a provider gets its own, or none."""

PERSISTENCE: Final = frozenset({b"keep-alive", b"close"})
"""What ``Connection`` says mostly; anything else names headers that are not forwarded."""

SENT_ON: Final = b"content-type: application/json\r\naccept-encoding: identity\r\n"

DIALECT_PREFIX: Final = {Dialect.CHAT: b"anthropic-", Dialect.MESSAGES: b"openai-"}
"""Headers that mean nothing to a provider of the dialect."""

VERSION: Final = b"anthropic-version"
VERSION_LINE: Final = b"%b: %b\r\n" % (VERSION, API_VERSION.encode())

DEFAULT_MAX_TOKENS: Final = 4096
"""The limit on an answer where a client set none and the provider insists on one."""

FREE: Final = Bound(0.0, 0)


class AskedFor:
    """What a client asks for.

    Args:
        route: the path that it asked on.
        head: its request, without the body.
        body: the body.

    Attributes:
        seen: what the body says.
        wishes: what is wanted of the gateway itself.

    Raises:
        InvalidInputError: naming what is wrong.
    """

    __slots__ = ("_forwarded", "_head", "_made", "body", "route", "seen", "wishes")

    def __init__(self, route: Route, head: RequestHead, body: bytes) -> None:
        self.route = route
        self.body = body
        self._head = head
        self._forwarded: list[Header] = []
        self._made: dict[str, bytes] = {}  # bodies, by the model they are for
        self.seen = peek(body)
        self.wishes = wishes_of(self.seen.ours, self._sort_headers())

    @property
    def trace_id(self) -> str | None:
        """The caller's trace (W3C Trace Context), if it named one."""
        parent = self._head.get(b"traceparent")
        return None if parent is None else trace_id_of(parent.decode("latin-1"))

    def bound(self, targets: Sequence[Target]) -> Bound:
        """What the call may cost at most, whoever of them answers, and about how many tokens."""
        if self.route.is_free:
            return FREE
        seen, size = self.seen, len(self.body)
        bounds = [
            bound(
                target.model,
                size,
                seen.most_tokens,
                answers=seen.answers,
                is_text=seen.is_text,
            )
            for target in targets
        ]
        return bounds[0] if len(bounds) == 1 else max(bounds)

    def translates(self, target: Target) -> bool:
        """Whether the model's provider speaks another dialect than the client."""
        dialect = self.route.dialect
        return dialect is not target.dialect and dialect is not Dialect.RESPONSES

    def spoken(self, target: Target) -> Dialect:
        """What the answers of the model's provider are written in."""
        return target.dialect if self.translates(target) else self.route.dialect

    def compose(self, target: Target, address: Address) -> bytes:
        """The request as it is sent to the model's provider.

        Raises:
            InvalidInputError: if it asks for what the provider's dialect cannot say.
        """
        path = self.route.upstream[target.dialect]
        forwarded = self._forwarded
        if self.translates(target):
            other = DIALECT_PREFIX[target.dialect]
            forwarded = [header for header in forwarded if not header[0].startswith(other)]
        elif self._head.query:
            path = b"%b?%b" % (path, self._head.query)
        lines = header_lines(forwarded) + SENT_ON + target.credentials
        if target.dialect is Dialect.MESSAGES and self._head.get(VERSION) is None:
            lines += VERSION_LINE
        return address.compose(path, lines, self._body_for(target))

    def relay(self, target: Target) -> Relay:
        """How a stream of the model reaches the client."""
        if not self.translates(target):
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

    def _body_for(self, target: Target) -> bytes:
        model = target.model
        made = self._made.get(model.id)
        if made is None:
            made = self.seen.body(model.name)
            if self.translates(target):
                made = _translated(made, target)
            self._made[model.id] = made
        return made

    def _sort_headers(self) -> list[Header]:
        """Keep what goes on to providers; returns what is for us."""
        ours: list[Header] = []
        headers = self._head.headers
        named: frozenset[bytes] = frozenset()
        for header in headers:
            name = header[0]
            if name.startswith(PREFIX):
                ours.append(header)
            elif name not in OURS_ALONE:
                self._forwarded.append(header)
            elif name == b"connection" and header[1].lower() not in PERSISTENCE:
                named = nominated(headers)
        if named:
            self._forwarded = [header for header in self._forwarded if header[0] not in named]
        return ours


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
