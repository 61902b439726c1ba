"""The protocols that clients and providers speak."""

from __future__ import annotations

from enum import Enum


class Dialect(Enum):
    """The shape of requests, answers, errors and streams.

    Attributes:
        CHAT: OpenAI's ``/v1/chat/completions``, and its older ``/v1/completions``.
        MESSAGES: Anthropic's ``/v1/messages``.
        RESPONSES: OpenAI's ``/v1/responses``.
    """

    CHAT = "chat"
    MESSAGES = "messages"
    RESPONSES = "responses"

    __hash__ = object.__hash__  # members are single objects; Enum's own hash is no C function
