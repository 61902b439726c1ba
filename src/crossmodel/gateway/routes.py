"""What clients may ask for, and where each of it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from crossmodel.wire.dialect import Dialect


@dataclass(frozen=True, slots=True)
class Route:
    """One path on which models are asked.

    Attributes:
        path: as clients ask for it.
        dialect: what the client speaks there.
        upstream: the path at providers, by what they speak; a model whose provider speaks nothing
            of it cannot be asked this way.
        is_conversation: whether there is a question and an answer in words: such requests are
            recorded with their answer, learned from, and may be handed insights.
        is_free: whether asking costs nothing.
        limits: fields that limit the tokens of an answer there.
    """

    path: str
    dialect: Dialect
    upstream: Mapping[Dialect, bytes] = field(default_factory=dict)
    is_conversation: bool = False
    is_free: bool = False
    limits: tuple[str, ...] = ("max_tokens",)

    def translates(self, spoken: Dialect) -> bool:
        """Whether who speaks that is spoken to in another dialect than the client's."""
        return self.dialect is not spoken and self.dialect is not Dialect.RESPONSES


ESTIMATED: Final = b""
"""In place of a path: the provider knows no such question, and we answer with an estimate."""

CONVERSATION: Final = {Dialect.CHAT: b"/chat/completions", Dialect.MESSAGES: b"/v1/messages"}

CHAT: Final = Route(
    "/v1/chat/completions",
    Dialect.CHAT,
    CONVERSATION,
    is_conversation=True,
    limits=("max_completion_tokens", "max_tokens"),
)
MESSAGES: Final = Route("/v1/messages", Dialect.MESSAGES, CONVERSATION, is_conversation=True)
RESPONSES: Final = Route(
    "/v1/responses",
    Dialect.RESPONSES,
    {Dialect.CHAT: b"/responses"},
    is_conversation=True,
    limits=("max_output_tokens",),
)
COMPLETIONS: Final = Route("/v1/completions", Dialect.CHAT, {Dialect.CHAT: b"/completions"})
EMBEDDINGS: Final = Route("/v1/embeddings", Dialect.CHAT, {Dialect.CHAT: b"/embeddings"})
COUNT_TOKENS: Final = Route(
    "/v1/messages/count_tokens",
    Dialect.MESSAGES,
    {Dialect.MESSAGES: b"/v1/messages/count_tokens", Dialect.CHAT: ESTIMATED},
    is_free=True,
)

ROUTES: Final = {
    route.path.encode(): route
    for route in (CHAT, MESSAGES, RESPONSES, COMPLETIONS, EMBEDDINGS, COUNT_TOKENS)
}

MODELS: Final = b"/v1/models"
FEEDBACK: Final = b"/v1/feedback"


def dialect_of(path: bytes) -> Dialect:
    """In which dialect somebody who asked for ``path`` expects errors."""
    return Dialect.MESSAGES if path.startswith(b"/v1/messages") else Dialect.CHAT
