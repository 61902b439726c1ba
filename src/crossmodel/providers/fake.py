"""Scripted answers: for users' tests as well as ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from crossmodel.domain.completion import Completion, CompletionRequest, Usage
from crossmodel.errors import ProviderResponseError
from crossmodel.ports import TokenCounter

Scripted = str | Completion | Exception
Script = str | Sequence[Scripted] | Mapping[str, Scripted] | Callable[[CompletionRequest], Scripted]


class FakeProvider:
    """Answers from a script, and remembers what it was asked in ``requests``.

    Args:
        script: one answer for everything; or answers in turn; or answers by a piece of the last
            message (the first that occurs in it, ``""`` for any); or a function of the request. An
            exception is raised. Without a script it repeats the last message.
        latency_ms: how long each answer takes, in milliseconds.
        provider_id: for error messages.
    """

    def __init__(
        self, script: Script | None = None, *, latency_ms: float = 0.0, provider_id: str = "fake"
    ) -> None:
        self.requests: list[CompletionRequest] = []
        self._script = script
        self._latency_ms = latency_ms
        self._provider_id = provider_id

    async def complete(self, request: CompletionRequest) -> Completion:
        """The next scripted answer."""
        self.requests.append(request)
        scripted = self._scripted(request)
        if self._latency_ms:
            await asyncio.sleep(self._latency_ms / 1000)
        if isinstance(scripted, Exception):
            raise scripted
        if isinstance(scripted, Completion):
            return scripted
        asked = " ".join(message.content for message in request.messages)
        usage = Usage(self.count_tokens(asked), self.count_tokens(scripted))
        return Completion(scripted, request.model, usage, latency_ms=self._latency_ms)

    def token_counter(self, model: str) -> TokenCounter | None:  # noqa: ARG002 - the port's signature
        """One token a word."""
        return self.count_tokens

    @staticmethod
    def count_tokens(text: str) -> int:
        """How many words ``text`` has."""
        return len(text.split())

    async def close(self) -> None:
        """Nothing to let go of."""

    def _scripted(self, request: CompletionRequest) -> Scripted:
        last = request.messages[-1].content
        if self._script is None:
            return last
        if isinstance(self._script, str):
            return self._script
        if callable(self._script):
            return self._script(request)
        if isinstance(self._script, Mapping):
            for piece, answer in self._script.items():
                if piece in last:
                    return answer
            return self._unscripted(request, f"no scripted answer for {last[:80]!r}")
        if len(self.requests) <= len(self._script):
            return self._script[len(self.requests) - 1]
        return self._unscripted(request, f"the script has {len(self._script)} answers, all given")

    def _unscripted(self, request: CompletionRequest, message: str) -> ProviderResponseError:
        return ProviderResponseError(message, provider=self._provider_id, model=request.model)
