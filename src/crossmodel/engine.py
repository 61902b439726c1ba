"""The loop: select a model, hand it the insights that fit, ask it, extract, witness, store."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from crossmodel import extraction
from crossmodel import transfer as transfers
from crossmodel.domain import checks
from crossmodel.domain.answer import Answer, Ask, Turn
from crossmodel.domain.completion import Completion, CompletionRequest
from crossmodel.domain.events import (
    ExtractionEvent,
    RequestEvent,
    SelectionEvent,
    TransferEvent,
    WitnessEvent,
)
from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.insight import RELEASED, ExtractionResult, Insight, Standing
from crossmodel.domain.leases import Wanted
from crossmodel.domain.models import ModelCapability, ModelCapabilityProfile, ModelSpec
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import DEFAULT_TENANT, RankedInsight, SourceText
from crossmodel.domain.scope import RequestScope, current_scope, within
from crossmodel.domain.selection import ModelSelection, Outcome, RequestContext, TaskRequirement
from crossmodel.domain.traffic import dearest_prices
from crossmodel.domain.transfer import RejectedInsight, TransferResult, utf8_bytes
from crossmodel.errors import (
    BudgetExceededError,
    CrossModelError,
    ModelNotFoundError,
    NoAvailableModelsError,
    ProviderError,
)
from crossmodel.hooks import Hooks
from crossmodel.inputs import InputRecorder
from crossmodel.ports import Provider, Store, Transaction
from crossmodel.reliability import observe_score, set_standing
from crossmodel.selection import ModelSelector, routing_text
from crossmodel.witness import Ledger

BYTES_PER_TOKEN: Final = 3
"""Fewer than tokens have in nearly every text: what a context window is checked against."""

Extract = Callable[[str, str, Mapping[str, object]], ExtractionResult]
"""Applies the patterns to a text of a source model, in a context."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Runs the loop over the stages and adapters that it is given.

    Answers of models of at least ``teacher_quality`` become insights; the ``assistant``, where
    there is one, is asked what they say. With ``inputs`` the log says what a selection was made
    from, so that it can be replayed. ``hooks`` are told of what happens. The two stages that are
    about insights are made when they are first used, always the same ones: an engine that only
    selects does without.
    """

    selector: ModelSelector
    transfer_stage: Callable[[], transfers.InsightTransfer]
    extractor_stage: Callable[[], extraction.InsightExtractor]
    ledger: Ledger
    store: Store
    providers: Mapping[str, Provider]
    models: Mapping[str, ModelSpec]
    teacher_quality: float
    assistant: ModelSpec | None = None
    inputs: InputRecorder | None = None
    hooks: Hooks = field(default_factory=Hooks)

    @property
    def transfer(self) -> transfers.InsightTransfer:
        """The stage that hands insights over."""
        return self.transfer_stage()

    @property
    def extractor(self) -> extraction.InsightExtractor:
        """The stage that finds insights."""
        return self.extractor_stage()

    async def complete(self, ask: Ask) -> Answer:
        """Run the whole loop once."""
        request_id, started_at = time_ordered_id("req_"), utc_now()
        with within(RequestScope(request_id, ask.tenant, ask.trace_id)):
            turn = self._begin(ask, request_id)
            try:
                answer = await self._carry_out(turn)
            except (Exception, asyncio.CancelledError) as error:
                self._tell_of(turn, started_at, error)
                raise
            self._tell_of(turn, started_at)
            return answer

    def _begin(self, ask: Ask, request_id: str) -> Turn:
        """Choose the model."""
        context = self.context_of(ask)
        try:
            selection = self.select(ask, context)
        except CrossModelError as error:
            if self.hooks:
                failed = type(error).__name__
                self.hooks(
                    SelectionEvent(
                        tenant=ask.tenant, model_id="", error=failed, request_id=request_id
                    )
                )
            raise
        if self.hooks:
            self.hooks(SelectionEvent.of(selection, ask.tenant, request_id))
        turn = Turn(request_id, ask, selection, self.models[selection.model_id])
        turn.dearest = dearest_prices(self.models.values())
        if self.inputs is not None:
            turn.inputs = self.inputs.of(selection)
        self.selector.expect_feedback(turn.id, selection, context)
        return turn

    async def _carry_out(self, turn: Turn) -> Answer:
        """Everything from the choice on."""
        ask = turn.ask
        turn.transfer, losers = await self.hand_over(ask, turn.model, turn.id)
        turn.handed_over_at = utc_now()
        try:
            turn.completion = await self._call(turn)
            turn.answered_at = utc_now()
        except ProviderError:
            self.selector.record_outcome((await self.ledger.record_turn(turn)).outcome)
            raise
        turn.extraction = await self._extract(turn)
        began = time.perf_counter()
        recorded = await self.ledger.record_turn(turn, self._curate)
        self._tell_of_record(turn.id, ask.tenant, len(recorded.leaves), began)
        if self.inputs is not None and turn.inputs is not None:
            self.inputs.kept(turn.inputs)
        await self.set_aside(ask.tenant, losers)
        self.selector.record_outcome(recorded.outcome)
        return Answer(
            id=turn.id,
            text=turn.completion.text,
            model_id=turn.model.id,
            served_model=turn.completion.model,
            selection=turn.selection,
            transfer=turn.transfer,
            extraction=turn.extraction,
            usage=turn.completion.usage,
            cost_usd=turn.cost_usd,
            latency_ms=turn.completion.latency_ms,
            leaves=recorded.leaves,
            question=ask.question,
        )

    def select(self, ask: Ask, context: RequestContext) -> ModelSelection:
        """The model that was asked for, or the best one for the task."""
        if ask.model is None:
            return self.choose(ask.task, context)
        if ask.model not in self.models:
            raise self.unknown(ask.model)
        if lacking := context.features - self.models[ask.model].features:
            raise NoAvailableModelsError(
                f"{ask.model!r} was named and cannot answer this request",
                reasons={ask.model: f"cannot do {', '.join(sorted(lacking))}"},
            )
        return named(ask.model, ask.task or any_task(self.selector.model_profiles.values()))

    def unknown(self, model: str) -> ModelNotFoundError:
        """What to tell somebody who named a model that is not configured."""
        known = ", ".join(sorted(self.models))
        return ModelNotFoundError(f"model not found: {model!r:.200} (known: {known})")

    def choose(self, task: TaskRequirement | None, context: RequestContext) -> ModelSelection:
        """The best model for a task; for one that nothing is said of, what most can do."""
        wanted = task or any_task(self.selector.model_profiles.values())
        return self.selector.select_optimal_model(wanted, context)

    async def find(self, question: str, tenant: str = DEFAULT_TENANT) -> list[RankedInsight]:
        """The insights that may have to do with a question, and those linked with them."""
        handover = transfers.Handover(self.transfer)
        return await self.store.read(lambda tx: handover.find(tx, tenant, question))

    async def hand_over(
        self, ask: Ask, model: ModelSpec, request_id: str
    ) -> tuple[TransferResult | None, Sequence[RejectedInsight]]:
        """What the request's arm gets of the insights of better models that fit the question.

        Or why it gets nothing; ``None`` if nothing is known that could fit. With it, which insights
        a clearly trusted side speaks against.
        """
        task = ask.task.required_capabilities if ask.task else ()
        result, plan = await self._prepare(
            transfers.HandoverRequest(
                ask.question,
                model.id,
                ask.tenant,
                task_type=str(task[0]) if task else "",
                request_id=request_id,
                admits=lambda insight: self._is_better(insight, model),
            )
        )
        if not plan.candidates:
            return None, plan.losers
        if self.hooks:
            self.hooks(TransferEvent.of(result, ask.tenant, model.id, request_id))
        return result, plan.losers

    async def prepare(
        self, question: str, model: ModelSpec, tenant: str = DEFAULT_TENANT
    ) -> TransferResult:
        """What the insights of better models come to for a question, or why to nothing.

        For measuring and explaining: no request goes without by chance.
        """
        request = transfers.HandoverRequest(
            question, model.id, tenant, admits=lambda insight: self._is_better(insight, model)
        )
        return (await self._prepare(request))[0]

    async def _prepare(
        self, request: transfers.HandoverRequest
    ) -> tuple[TransferResult, transfers.Plan]:
        handover = transfers.Handover(self.transfer)
        plan = await self.store.read(lambda tx: handover.plan(tx, request))
        return await asyncio.to_thread(handover.carry_out, plan), plan

    async def learn(
        self,
        text: str,
        source_model: str,
        *,
        tenant: str = DEFAULT_TENANT,
        origin: str = "",
        source_request: str | None = None,
        key: str | None = None,
        injected: Sequence[str] = (),
        extract: Extract | None = None,
    ) -> ExtractionResult:
        """Extract, witness and keep the insights of an answer that was given elsewhere.

        ``source_request`` is the request on our record that it answers, if there is one. Others
        are as for :meth:`extract`.
        """
        with within(RequestScope(source_request or "", tenant)):
            result = await self.extract(
                text, source_model, tenant=tenant, key=key, injected=injected, extract=extract
            )
            source = SourceText(text, source_model, tenant, origin or source_request or "")
            began = time.perf_counter()
            leaves = await self.ledger.record_insights(
                source, result, self._curate, source_request=source_request
            )
            self._tell_of_record(source_request or source.sha256, tenant, len(leaves), began)
            return result

    async def keep(
        self,
        extracted: Sequence[tuple[SourceText, ExtractionResult]],
        *,
        mark: str,
        count: int,
    ) -> int:
        """Witness and keep what was extracted elsewhere, as one step; see ``record_sources``.

        Returns how many insights are new.

        Raises:
            StoreConflictError: if somebody else has done this step; nothing was kept then.
        """
        began = time.perf_counter()
        trusted = [(source, self._trusted(result)) for source, result in extracted]
        leaves = await self.ledger.record_sources(trusted, self._curate, mark=mark, count=count)
        if self.hooks:
            for source, result in trusted:
                self.hooks(ExtractionEvent.of(result, source.tenant))
            if trusted:
                self._tell_of_record(mark, trusted[0][0].tenant, len(leaves), began)
        return len(leaves)

    async def extract(
        self,
        text: str,
        source_model: str,
        *,
        tenant: str = DEFAULT_TENANT,
        key: str | None = None,
        injected: Sequence[str] = (),
        extract: Extract | None = None,
    ) -> ExtractionResult:
        """Extract by the patterns and, where there is one, the assistant; nothing is kept.

        ``injected`` are texts that the model was handed; ``key`` is the client key that pays for
        the assistant. ``extract`` applies the patterns, in a thread, instead of the extractor.
        """
        context: dict[str, object] = {"injected": injected}
        if self.assistant is not None:
            checks.text("source_model", source_model)  # before anything is paid for
            context[extraction.ASSISTANCE] = await self._assist(self.assistant, text, tenant, key)
        extract = extract or self.extractor.extract
        result = await asyncio.to_thread(extract, text, source_model, context)
        result = self._trusted(result)
        if self.hooks:
            scope = current_scope()
            request_id = scope.request_id or None if scope is not None else None
            self.hooks(ExtractionEvent.of(result, tenant, request_id))
        return result

    async def feedback(
        self, tenant: str, request_id: str, score: float, *, source: str = "feedback"
    ) -> None:
        """Keep what somebody thinks of an answer, 0..1, and let selection learn of it."""
        most = self.transfer.config.playbook.max_items

        def learn(tx: Transaction, before: float | None) -> None:
            observe_score(tx, tenant, request_id, score, before=before)
            transfers.learn_from_score(tx, tenant, request_id, score, before=before, max_items=most)

        outcome = await self.ledger.record_feedback(
            tenant, request_id, score, source=source, learn=learn
        )
        if outcome.model_id in self.models:
            self.selector.record_outcome(outcome)

    def _tell_of(
        self, turn: Turn, started_at: datetime, error: BaseException | None = None
    ) -> None:
        """Tell the hooks of a turn that is over."""
        if self.hooks:
            self.hooks(RequestEvent.of(turn, started_at, error=error))

    def _tell_of_record(self, about: str, tenant: str, records: int, began: float) -> None:
        """Tell the hooks of what is on the record since ``began``, in seconds."""
        if self.hooks:
            took = (time.perf_counter() - began) * 1000
            self.hooks(WitnessEvent(tenant=tenant, about=about, records=records, latency_ms=took))

    async def _call(self, turn: Turn) -> Completion:
        ask, model, messages = turn.ask, turn.model, turn.ask.messages
        if turn.transfer is not None and turn.transfer.success:
            messages = self.transfer.place(messages, turn.transfer, model.id)
        request = CompletionRequest(
            model=model.name,
            messages=messages,
            max_tokens=ask.max_tokens,
            temperature=ask.temperature,
            seed=ask.seed,
        )
        return await self.paid(model, request, ask.tenant, ask.key)

    async def paid(
        self, model: ModelSpec, request: CompletionRequest, tenant: str, key: str | None
    ) -> Completion:
        """Ask, within the budgets: what the call may cost is reserved, what it did cost is kept."""
        budget = self.selector.cost_optimizer
        at_most = sum(utf8_bytes(message.content) for message in request.messages)
        if request.response_schema is not None:
            at_most += utf8_bytes(str(request.response_schema))  # providers charge for it
        most = model.cost_usd(at_most, request.max_tokens or model.context_window)
        try:
            reservation = budget.reserve(most, tenant=tenant, key=key)
        except BudgetExceededError as error:
            if budget.renew is None or not error.is_passing:
                raise
            await budget.renew(Wanted(most, tenant, key))
            reservation = budget.reserve(most, tenant=tenant, key=key)
        spent = 0.0
        try:
            completion = await self.providers[model.provider].complete(request)
            usage = completion.usage
            spent = model.cost_usd(usage.input_tokens, usage.output_tokens)
        finally:
            budget.settle(reservation, spent)
        return completion

    async def _assist(
        self, model: ModelSpec, text: str, tenant: str, key: str | None
    ) -> extraction.Assistance:
        """What the assistant makes of ``text``. Its cost is kept, so that budgets survive us."""
        counter = self.providers[model.provider].token_counter(model.name)
        pattern = extraction.ModelAssistedPattern(
            lambda request: self.paid(model, request, tenant, key),
            model,
            count_tokens=counter or utf8_bytes,
        )
        assistance = await pattern.assist(text)
        outcome = Outcome(
            time_ordered_id("ext_"),
            model.id,
            success=not assistance.errors,
            latency_ms=assistance.latency_ms,
            cost_usd=assistance.cost_usd,
            recorded_at=utc_now(),
            price_version=model.price_version,
            key=key,
        )
        if assistance.calls:
            await self.ledger.record_spending(tenant, outcome)
        return assistance

    async def _extract(self, turn: Turn) -> ExtractionResult | None:
        completion = turn.completion
        if completion is None or turn.model.quality < self.teacher_quality:
            return None
        if not completion.text.strip():
            return None
        given = (
            [insight.content for insight in turn.transfer.transferred_insights]
            if turn.transfer
            else []
        )
        return await self.extract(
            completion.text,
            turn.model.id,
            tenant=turn.ask.tenant,
            key=turn.ask.key,
            injected=given,
        )

    def _curate(self, tx: Transaction, tenant: str, insights: Sequence[Insight]) -> None:
        """Playbooks take in new insights where some model is handed them."""
        if transfers.PLAYBOOK in self._protocols_in_use():
            transfers.tend(tx, tenant, insights, max_items=self.transfer.config.playbook.max_items)

    def _protocols_in_use(self) -> set[str]:
        return {self.transfer.protocol_of(model_id) for model_id in self.models}

    async def set_aside(self, tenant: str, losers: Sequence[RejectedInsight]) -> None:
        """Quarantine what a clearly trusted side speaks against.

        What a person has released stays so; what was erased meanwhile is passed over, since the
        answer must not be lost over it.
        """
        fresh = [each for each in losers if each.insight.standing_reason != RELEASED]

        def work(tx: Transaction) -> None:
            for loser in fresh:
                ids = [loser.insight.id]
                set_standing(tx, tenant, ids, Standing.QUARANTINED, loser.reason, moment=utc_now())

        if fresh:
            await self.store.transact(work)

    def _trusted(self, result: ExtractionResult) -> ExtractionResult:
        """The same, each insight with the trust in its source."""
        qualities = {model.id: model.quality for model in self.models.values()}
        for insight in result.insights:
            trust = self.transfer.config.trust
            insight.trust = transfers.trust_of(insight.source_model, trust, qualities)
        return result

    @staticmethod
    def context_of(ask: Ask) -> RequestContext:
        """The request as selection sees it."""
        users = [message.content for message in ask.messages if message.role == "user"]
        size = sum(utf8_bytes(message.content) for message in ask.messages)
        return RequestContext(
            prompt=routing_text(users),
            input_tokens=size // BYTES_PER_TOKEN,
            output_tokens=ask.max_tokens,
            features=ask.needs,
            conversation_id=f"{ask.tenant}\0{ask.conversation}" if ask.conversation else None,
        )

    def _is_better(self, insight: Insight, model: ModelSpec) -> bool:
        """Whether a better model than ``model`` said it; models that are not ours count as such."""
        source = self.models.get(insight.source_model)
        return source is None or source.quality > model.quality


def named(model_id: str, task: TaskRequirement) -> ModelSelection:
    """The selection of a model that the caller has named: there was no choice."""
    return ModelSelection(model_id, task, 1.0, selection_metadata={"selection_algorithm": "named"})


def any_task(profiles: Iterable[ModelCapabilityProfile]) -> TaskRequirement:
    """What most of the models can do: the requirement of a caller who has none.

    Raises:
        NoAvailableModelsError: if there is no model.
    """
    counts = Counter(capability for profile in profiles for capability in profile.capabilities)
    if not counts:
        raise NoAvailableModelsError("no model is configured: add [[models]] to the settings")
    return TaskRequirement([max(ModelCapability, key=lambda each: counts[each])])
