"""The pattern that asks a model, grounds what it says, and says so when that came to nothing."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from typing import Any, Final, TypeVar

from crossmodel.domain.completion import Completion, CompletionRequest
from crossmodel.domain.insight import Evidence, Insight, Span
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.transfer import utf8_bytes
from crossmodel.errors import ProviderResponseError
from crossmodel.extraction.assisted.asking import MOST_OUTPUT, SCHEMA, messages, parts
from crossmodel.extraction.assisted.assistance import Assistance
from crossmodel.extraction.assisted.reply import Claim, read_reply
from crossmodel.extraction.evidence import NOT_GROUNDED
from crossmodel.extraction.patterns.base import ExtractionPattern
from crossmodel.extraction.reading import MAX_STATEMENT, Reading, is_junk, read
from crossmodel.ports import TokenCounter
from crossmodel.text.grounding import Grounder
from crossmodel.text.sentences import sentences

Complete = Callable[[CompletionRequest], Awaitable[Completion]]
"""What answers a request: ``Provider.complete``, or anything that does the same."""

MALFORMED: Final = "malformed claim"
NO_STATEMENT: Final = "not a statement"

_OUTPUT_SHARE: Final = 4
"""A reply may take one part in this many of the context window."""
_TEMPLATE_TOKENS: Final = 64
"""Room for what chat templates put around the turns."""
_LONG: Final = 400
"""Characters in which a model that works should find something."""
_LEAST_WORDS: Final = 3
_CLOSING: Final = 4
"""Characters that may stand after a full stop or question mark: quotes, brackets, emphasis."""
_CANNOT_CONSTRAIN: Final = frozenset({400, 422})
"""How servers that know no JSON schemas refuse one."""
_MAX_ERROR: Final = 300

Result = TypeVar("Result")


class ModelAssistedPattern(ExtractionPattern):
    """Asks a model what a text says, and keeps what the text does say.

    The model is asked for quotations by a JSON schema. Each one is grounded in the text, and
    widened to the whole sentences that it lies in, so that no condition or negation is cut off;
    what is not grounded is dropped and counted. Whatever goes wrong is told, never passed over.

    Args:
        complete: asks the model; must keep its own time limit, as providers do.
        model: the model's row: its name, prices, context window and what it can do.
        count_tokens: the model's tokenizer, or a bound that never undercounts.
    """

    def __init__(
        self,
        complete: Complete,
        model: ModelSpec,
        *,
        count_tokens: TokenCounter = utf8_bytes,
    ) -> None:
        self._complete = complete
        self._model = model
        self._count_tokens = count_tokens
        limit = model.max_output_tokens or MOST_OUTPUT
        share = max(1, model.context_window // _OUTPUT_SHARE)
        self._max_tokens = min(limit, share, MOST_OUTPUT)

    def extract(self, text: str, context: dict[str, Any]) -> list[Insight]:
        """Ask, and wait for the answer; for programs without an event loop of their own.

        All calls run in one thread's event loop, so that connections can be kept; close the
        provider there, too: ``pattern.wait_for(provider.close())``. Within an extractor, usage and
        errors end up in its result.

        Raises:
            CrossModelError: outside of an extractor, if anything went wrong.
        """
        return self.wait_for(self.assist(text, context)).extract(text, context)

    @staticmethod
    def wait_for(work: Coroutine[Any, Any, Result]) -> Result:
        """Run ``work`` where :meth:`extract` runs its calls: there a provider has to be closed."""
        return asyncio.run_coroutine_threadsafe(work, _loop(os.getpid())).result()

    async def assist(self, text: str, context: dict[str, Any] | None = None) -> Assistance:
        """Ask, and return all that came of it. Failures are in the result, none is raised."""
        done = Assistance()
        told = 0
        try:
            reading = read(text, context or {})
            pieces = await asyncio.to_thread(parts, reading.text, self._fits)
        except Exception as error:  # noqa: BLE001 - tokenizers and providers may be a caller's own
            done.errors.append(f"{self._model.id}: {_described(error)}")
            return done
        for number, piece in enumerate(pieces, 1):
            where = f"{self._model.id}, part {number} of {len(pieces)}"
            try:
                completion = await self._ask(piece)
            except Exception as error:  # noqa: BLE001 - tokenizers and providers may be a caller's own
                left = len(pieces) - number
                rest = f"; the {left} parts after it were not asked for" if left else ""
                done.errors.append(f"{where}: {_described(error)}{rest}")
                break
            self._account(done, completion)
            told += self._take(done, completion, reading, where)
        if not done.errors and not done.insights and len("".join(pieces)) >= _LONG:
            done.errors.append(self._nothing(told, len(text)))
        return done

    def _fits(self, piece: str) -> bool:
        said = messages(piece, system_prompt=self._model.follows_system_prompt)
        tokens = sum(self._count_tokens(m.content) + _TEMPLATE_TOKENS // 4 for m in said)
        return tokens + self._max_tokens <= self._model.context_window

    async def _ask(self, piece: str) -> Completion:
        request = CompletionRequest(
            model=self._model.name,
            messages=messages(piece, system_prompt=self._model.follows_system_prompt),
            max_tokens=self._max_tokens,
            seed=0,
            response_schema=SCHEMA if self._model.json_schema else None,
        )
        try:
            return await self._complete(request)
        except ProviderResponseError as error:
            if request.response_schema is None or error.status not in _CANNOT_CONSTRAIN:
                raise
            return await self._complete(request.without_schema())

    def _account(self, done: Assistance, completion: Completion) -> None:
        usage = completion.usage
        done.usage += usage
        done.cost_usd += self._model.cost_usd(usage.input_tokens, usage.output_tokens)
        done.latency_ms += completion.latency_ms
        done.calls += 1

    def _take(self, done: Assistance, completion: Completion, reading: Reading, where: str) -> int:
        """Ground the claims of one reply; how many there were."""
        reply = read_reply(completion.text)
        ended = f"finish_reason {completion.finish_reason}, {len(completion.text)} characters"
        if reply is None:
            done.errors.append(
                f"{where}: the reply is no JSON of claims ({ended}): name a model that can be "
                "bound to a JSON schema"
            )
            return 0
        if not reply.is_whole:
            done.errors.append(
                f"{where}: the reply breaks off ({ended}); the {len(reply.claims)} claims before "
                "that were read"
            )
        if reply.malformed:
            done.rejected[MALFORMED] += reply.malformed
        seen = {insight.evidence for insight in done.insights}
        for claim in reply.claims:
            insight, problem = self._checked(claim, reading)
            if insight is None:
                done.rejected[problem] += 1
            elif insight.evidence not in seen:
                seen.add(insight.evidence)
                done.insights.append(insight)
        return len(reply.claims) + reply.malformed

    def _checked(self, claim: Claim, reading: Reading) -> tuple[Insight | None, str]:
        """The claim as the text says it, or what speaks against it."""
        grounded = reading.once(_grounder).ground(claim.quote)
        if grounded is None:
            return None, NOT_GROUNDED
        span = _whole(grounded, reading)
        said = " ".join(span.of(reading.source).split())
        is_question = "?" in said[-_CLOSING:]
        if is_question or is_junk(said.lower()) or len(said.split()) < _LEAST_WORDS:
            return None, NO_STATEMENT
        insight = Insight(
            content=said,
            insight_type=claim.insight_type,
            kind=claim.kind,
            evidence=(Evidence(span.start, span.end, reading.source_sha256),),
            metadata={"assisted_by": self._model.id},
        )
        return insight, ""

    def _nothing(self, told: int, length: int) -> str:
        if not told:
            return f"{self._model.id} found nothing in {length} characters"
        return (
            f"{self._model.id} made {told} claims and none of them can be kept: the text does not "
            "say them, or they are no statements; name a model that copies more faithfully"
        )


def _grounder(reading: Reading) -> Grounder:
    return Grounder(reading.text)


def _whole(span: Span, reading: Reading) -> Span:
    """The sentences that ``span`` lies in, where they are of a length that people use."""
    start, end = span.start, span.end
    for segment in reading.segments:
        if segment.end <= span.start or not segment.is_prose:
            continue
        if segment.start >= span.end:
            break
        for first, last in sentences(reading.text, segment.start, segment.end):
            if first < span.end and span.start < last:
                start, end = min(start, first), max(end, last)
    return Span(start, end) if end - start <= MAX_STATEMENT else span


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_MAX_ERROR]


@cache
def _loop(process: int) -> asyncio.AbstractEventLoop:  # noqa: ARG001 - a fork has no thread of its parent's
    """An event loop that runs in a thread of its own for as long as the process does."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="crossmodel-assisted", daemon=True).start()
    return loop
