"""Settings become a running CrossModel: the only place that picks adapters."""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, cast

import msgspec

from crossmodel import extraction, transfer
from crossmodel.desk import InsightDesk, LogDesk, ReportDesk, TrafficDesk
from crossmodel.domain.answer import Answer, Ask
from crossmodel.domain.completion import Message, Role
from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.period import utc_now
from crossmodel.domain.replay import ExplainedSelection, Replay
from crossmodel.domain.selection import ModelSelection, RequestContext, TaskRequirement
from crossmodel.domain.transfer import TransferTarget, utf8_bytes
from crossmodel.domain.witness import LogKey
from crossmodel.engine import Engine
from crossmodel.errors import ConfigurationError, CrossModelError, InvalidInputError
from crossmodel.hooks import Hooks
from crossmodel.inputs import InputRecorder
from crossmodel.lazy import loader
from crossmodel.performance import keep_rolling_up
from crossmodel.ports import Provider, Store
from crossmodel.providers import create_provider, takes_seed
from crossmodel.selection import CostOptimizer, ModelSelector, learned
from crossmodel.settings import ProviderSettings, Settings, load_settings
from crossmodel.store import open_store
from crossmodel.text.embedding import best_name
from crossmodel.transfer.feedback import Grader, graded
from crossmodel.witness import CrossModelVIF, Ledger, settle_keys
from crossmodel.witness.tracing import current_trace_id, note_answer, trace_id_of
from crossmodel.writing import (
    WriterSettings,
    batches,
    folder_keyring,
    keys_for,
    open_handover,
    settle_others,
    write_what_is_left,
)

if TYPE_CHECKING:
    from crossmodel.extraction.bulk import Extracted, ExtractionJob, extract_all
    from crossmodel.extraction.logs import LoggedAnswer, UnreadableRow, read_path, read_text
    from crossmodel.telemetry.otlp import Export
    from crossmodel.transfer import Exported

__all__ = [
    "CrossModel",
    "Exported",
    "Extracted",
    "ExtractionJob",
    "LoggedAnswer",
    "UnreadableRow",
    "build_extractor",
    "create_keys",
    "extract_all",
    "read_path",
    "read_text",
    "restore_budgets",
]

_MODULE_OF: Final = {
    "Exported": "transfer",
    "Extracted": "extraction.bulk",
    "ExtractionJob": "extraction.bulk",
    "LoggedAnswer": "extraction.logs",
    "UnreadableRow": "extraction.logs",
    "extract_all": "extraction.bulk",
    "read_path": "extraction.logs",
    "read_text": "extraction.logs",
}
"""Where those names are that load when they are used, as their stages do."""

Stage = TypeVar("Stage")

CONTEXT_SHARE: Final = 4
"""Insights may take at most one part in this many of a model's context window."""

SETTLING_SECONDS: Final = 10.0
"""How long opening waits for the records of a process that was killed."""

WEAK: Final = 0.5
"""Models below this quality, 0..1, copy worked examples better than they follow rules."""

__getattr__ = loader(__name__, _MODULE_OF, within="crossmodel")


Conversation = str | Message | Mapping[str, str] | Sequence[Message | Mapping[str, str]]
"""What can be asked: a question, or the turns of a conversation as messages or dictionaries."""


class CrossModel(InsightDesk, LogDesk, ReportDesk, TrafficDesk):
    """The whole loop behind one door.

    Use as ``async with CrossModel.open("crossmodel.toml") as cm``: everything is opened on entry,
    or nothing; everything is let go of on exit, after the last checkpoint is signed.

    ``hooks`` are told of all that happens; ``telemetry`` is the one of them that sends it to the
    collector that the settings name, if they name one.

    ``with_models=False`` opens the state alone: for reading and verifying, where no model is asked
    and no provider's key is needed. Otherwise what is older than
    ``cross_model_vif.provenance_tracking.retention_period_days`` is erased on opening, and then
    once a day. ``with_assistant`` opens the model that assists extraction,
    if the settings name one, even so. With ``serves`` answers do not wait for the log: see
    ``[witness] writer``.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        with_models: bool = True,
        with_assistant: bool = False,
        serves: bool = False,
    ) -> None:
        self.settings = settings
        self._serves = serves
        self._with_models = with_models
        self._with_assistant = with_models or with_assistant
        self._exit = AsyncExitStack()
        self._engine: Engine | None = None
        self.hooks = Hooks()
        self.telemetry: Export | None = None

    @classmethod
    def open(
        cls,
        source: str | Path | Mapping[str, Any] | None = None,
        *,
        with_models: bool = True,
    ) -> Self:
        """A CrossModel over a settings file, a dictionary, or the built-in defaults (``None``).

        Raises:
            ConfigurationError: naming the key that is wrong; nothing has been opened then.
        """
        return cls(load_settings(source), with_models=with_models)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            if self._with_models and self.settings.telemetry.otlp_endpoint:
                self._open_export(opening)
            self._engine = await _build(
                self.settings,
                self.hooks,
                opening,
                with_models=self._with_models,
                with_assistant=self._with_assistant,
                serves=self._serves,
            )
            if self._with_models:  # who only looks changes nothing
                retaining = asyncio.create_task(self._retention.keep_applying())
                opening.push_async_callback(_stop, retaining)
                rolling_up = asyncio.create_task(keep_rolling_up(self._engine.store))
                opening.push_async_callback(_stop, rolling_up)
            self._exit = opening.pop_all()
        return self

    def _open_export(self, opening: AsyncExitStack) -> None:
        from crossmodel.observing import open_export  # noqa: PLC0415 - few have a collector

        export = self.telemetry = open_export(self.settings, serves=self._serves)
        self.hooks.add(export)
        opening.push_async_callback(asyncio.to_thread, export.close)
        opening.callback(self.hooks.remove, export)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._engine = None
        await self._exit.__aexit__(kind, error, trace)

    @property
    def engine(self) -> Engine:
        """The loop itself, with its stages and adapters."""
        if self._engine is None:
            raise CrossModelError("not open: use 'async with CrossModel.open(…) as cm'")
        return self._engine

    async def complete(
        self,
        prompt_or_messages: Conversation,
        *,
        task: TaskRequirement | str | Iterable[str] | None = None,
        model: str | None = None,
        tenant: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        needs: Iterable[str] = (),
        conversation: str | None = None,
        key: str | None = None,
        trace_id: str | None = None,
    ) -> Answer:
        """Answer a prompt or conversation with the best model for the task, and learn from it.

        ``task`` may be a requirement or the names of the capabilities that are needed; ``model``
        names a model instead. ``needs`` are features that the model must have, such as ``tools``;
        ``conversation`` names the conversation, which stays with its model unless leaving pays;
        ``key`` names the client key whose budget is charged; ``trace_id``, 32 hex digits or a W3C
        ``traceparent``, is kept in the log: that of OpenTelemetry's current span, if there is one
        and none is given.

        Raises:
            InvalidInputError: if there is nothing to answer, or a value is out of range.
            SelectionError: if no model may answer.
            ProviderError: if the model could not.
        """
        if not self._with_models:
            raise CrossModelError("opened without models: open it with them to ask one")
        loop = self.settings.loop
        ask = Ask(
            messages=_messages(prompt_or_messages),
            task=_requirement(task),
            model=model,
            tenant=tenant or loop.tenant,
            max_tokens=loop.max_output_tokens if max_tokens is None else max_tokens,
            temperature=temperature,
            seed=seed,
            needs=frozenset(needs),
            conversation=conversation,
            key=key,
            trace_id=current_trace_id() if trace_id is None else trace_id_of(trace_id) or trace_id,
        )
        answer = await self.engine.complete(ask)
        note_answer(answer.id)
        return answer

    def select(
        self,
        task: TaskRequirement | str | Iterable[str] | None = None,
        *,
        prompt: str = "",
        needs: Iterable[str] = (),
    ) -> ModelSelection:
        """The model that :meth:`complete` would ask, without asking it."""
        context = RequestContext(prompt=prompt, features=frozenset(needs))
        return self.engine.choose(_requirement(task), context)

    def router_bytes(self) -> bytes:
        """The learned router with what feedback has taught it since, as a file's bytes.

        Raises:
            ConfigurationError: if there is none.
        """
        router = self.engine.selector.policy.router
        if router is None:
            raise ConfigurationError(
                "no router is configured: train one with crossmodel train-router",
                path="model_selector.router",
            )
        return learned.dump_router(router)

    async def extract(
        self,
        text: str,
        *,
        source_model: str,
        tenant: str | None = None,
        origin: str = "",
        keep: bool = True,
    ) -> ExtractionResult:
        """Extract, witness and keep the insights of an answer that was given elsewhere.

        With ``keep=False`` they are only returned.

        Raises:
            InvalidInputError: if the text or the source model is empty.
        """
        of = tenant or self.settings.loop.tenant
        if not keep:
            return await self.engine.extract(text, source_model, tenant=of)
        return await self.engine.learn(text, source_model, tenant=of, origin=origin)

    async def feedback(self, id: str, score: float, *, tenant: str | None = None) -> None:  # noqa: A002 - the public interface's name
        """Say how good the answer ``id`` was: 0 is useless, 1 is perfect.

        Raises:
            InvalidInputError: if the score lies outside of 0..1.
            NotFoundError: if there is no such answer.
        """
        await self.engine.feedback(tenant or self.settings.loop.tenant, id, score)

    async def feedback_once(self, id: str, score: float, *, tenant: str | None = None) -> bool:  # noqa: A002 - likewise
        """Like :meth:`feedback`, unless that was the last word on the answer already.

        Returns whether anything was recorded.
        """
        of = tenant or self.settings.loop.tenant
        await self.engine.ledger.settle()
        outcomes = await self.engine.store.read(lambda tx: tx.outcomes(of, id))
        scores = [outcome.score for outcome in outcomes if outcome.score is not None]
        if scores and scores[-1] == score:
            return False
        await self.engine.feedback(of, id, score)
        return True

    async def grade(self, answer: Answer, grader: Grader, *, tenant: str | None = None) -> float:
        """Have ``grader(question, answer)`` score an answer, 0..1 or a bool, as its feedback.

        Raises:
            InvalidInputError: if the grader fails or gives no score; nothing is recorded then.
            NotFoundError: if there is no such answer.
        """
        score = await graded(grader, answer.question, answer.text)
        of = tenant or self.settings.loop.tenant
        await self.engine.feedback(of, answer.id, score, source="grader")
        return score

    async def replay(
        self,
        id: str,  # noqa: A002 - the public interface's name
        *,
        ask: bool = False,
        tenant: str | None = None,
    ) -> Replay:
        """Make the parts of the request ``id`` again from what was recorded, and compare.

        Of each part it says whether it is the same as in the signed log, what differs, or why it
        cannot be replayed. With ``ask`` the model is asked again, where it was asked with a seed.

        Raises:
            NotFoundError: if the log has no record of such a request.
            ProviderError: if the model was to be asked again and could not answer.
        """
        from crossmodel.replay import Replayer  # noqa: PLC0415 - few processes ever replay

        seeded = {row.id for row in self.settings.providers if takes_seed(row.kind)}
        replayer = Replayer(
            self.engine,
            lambda: _router(self.settings),
            seeded=seeded if self._with_models else frozenset(),
        )
        of = tenant or self.settings.loop.tenant
        return await replayer.replay(of, id, ask=ask and self._with_models)

    async def explain(
        self,
        id: str,  # noqa: A002 - the public interface's name
        *,
        tenant: str | None = None,
    ) -> ExplainedSelection:
        """Why the request ``id`` went to its model: what the log says, and each term of each score.

        The terms are worked out again from the recorded inputs. Of a request that came through the
        gateway, or was erased, what was required of the model is all that they are worked out from.

        Raises:
            NotFoundError: if the log has no record of such a decision.
            VerificationError: if its record must not be believed.
        """
        from crossmodel.replay import Explainer  # noqa: PLC0415 - few processes ever explain

        explainer = Explainer(self.engine, lambda: _router(self.settings))
        return await explainer.explain(tenant or self.settings.loop.tenant, id)

    def models(self) -> list[ModelSpec]:
        """The configured models."""
        return list(self.engine.models.values())

    def replace_model(self, model: ModelSpec) -> None:
        """Go on with another row of a model: its scores, prices and limits count from now on."""
        engine = self.engine
        engine.selector.register_model(model.profile())
        provider = engine.providers.get(model.provider)
        engine.transfer.register_target(_target(model, provider, self.settings))
        cast("dict[str, ModelSpec]", engine.models)[model.id] = model

    def adopt(self, settings: Settings) -> list[str]:
        """Go on with the models and providers of other settings; a phrase for each change.

        What is under way ends as it began. All else, such as the store, stays as it was opened.

        Raises:
            ConfigurationError: if a provider cannot be made; nothing has changed then.
        """
        old, engine = self.settings, self.engine
        rows = {row.id: row for row in old.providers}
        made = {
            row.id: _provider(row, position)
            for position, row in enumerate(settings.providers)
            if rows.get(row.id) != row
        }
        for provider in made.values():
            self._exit.push_async_callback(provider.close)
        cast("dict[str, Provider]", engine.providers).update(made)
        self.settings = settings
        changes = [f"provider {name}" for name in made]
        known = cast("dict[str, ModelSpec]", engine.models)
        wanted = {model.id: model for model in settings.models}
        for name in known.keys() - wanted.keys():
            del known[name], engine.selector.model_profiles[name]
            changes.append(f"model {name} is gone")
        for name, model in wanted.items():
            if known.get(name) != model:
                changes.append(f"model {name} {'changed' if name in known else 'is new'}")
                self.replace_model(model)
        return changes


def build_extractor(settings: Settings) -> extraction.InsightExtractor:
    """The extractor alone, for work that needs no store and no models.

    Raises:
        ConfigurationError: if its calibration cannot be read.
    """
    extractor = extraction.InsightExtractor(settings.insight_extractor)
    path = settings.insight_extractor.confidence_config.calibration_file
    if path:
        key = "insight_extractor.confidence_config.calibration_file"
        try:
            extractor.confidence_calculator.restore(msgspec.json.decode(Path(path).read_bytes()))
        except OSError as error:
            raise ConfigurationError(f"cannot read {path}: {error.strerror}", path=key) from error
        except (msgspec.DecodeError, InvalidInputError) as error:
            raise ConfigurationError(f"{path}: {error}", path=key) from error
    return extractor


def create_keys(settings: Settings) -> list[LogKey]:
    """Make the log's first keys, where the settings say; nothing else is opened.

    Raises:
        InvalidInputError: if there are keys already, or the settings name signers elsewhere.
        WitnessError: if they cannot be written.
    """
    folder = Path(settings.witness.key_dir)
    if settings.witness.rsa_signer or settings.witness.ed25519_signer:
        raise InvalidInputError("the settings name signers elsewhere: there are no keys to make")
    if folder.exists():
        raise InvalidInputError(
            f"{folder} exists already and is not overwritten: crossmodel keys rotate replaces keys"
        )
    keyring = folder_keyring(settings.witness)
    vif = CrossModelVIF(settings.cross_model_vif, keys=keyring, origin=settings.witness.origin)
    return keyring.describe(vif.trust)


async def _build(
    settings: Settings,
    hooks: Hooks,
    opening: AsyncExitStack,
    *,
    with_models: bool,
    with_assistant: bool,
    serves: bool,
) -> Engine:
    """Open everything that the settings name; ``opening`` closes it again, in reverse order."""
    assistant = _assistant(settings) if with_assistant else None
    providers: dict[str, Provider] = {}
    for position, row in enumerate(settings.providers):
        if not with_models and (assistant is None or row.id != assistant.provider):
            continue
        providers[row.id] = _provider(row, position)
        opening.push_async_callback(providers[row.id].close)
    store = await open_store(settings.store.url, embedder=best_name())
    opening.push_async_callback(store.close)
    keys = await keys_for(store, settings.witness)
    vif = CrossModelVIF(settings.cross_model_vif, keys=keys, origin=settings.witness.origin)
    await settle_keys(store, vif)
    writer = settings.witness.writer if with_models else "inline"
    ledger = await _ledger(settings, vif, store, writer, serves=serves)
    if ledger.handover is not None:
        opening.push_async_callback(ledger.handover.close)
    opening.push_async_callback(ledger.seal)
    await store.transact(lambda tx: tx.put_models(settings.models))
    selector = ModelSelector(settings.model_selector, router=_router(settings))
    await restore_budgets(selector.cost_optimizer, store)
    for model in settings.models:
        selector.register_model(model.profile())
    extractor = _Once(lambda: build_extractor(settings))
    transferring = _Once(lambda: _transfer(settings, providers))
    if settings.insight_extractor.confidence_config.calibration_file:
        extractor()  # what is wrong with it is told now
    if settings.insight_transfer.transfer_protocols.custom_protocols:
        transferring()  # likewise
    models = {model.id: model for model in settings.models}
    inputs = InputRecorder(
        selector,
        extractor,
        transferring,
        models,
        teacher_quality=settings.loop.teacher_quality,
        assistant=assistant.id if assistant else None,
    )
    return Engine(
        selector=selector,
        transfer_stage=transferring,
        extractor_stage=extractor,
        ledger=ledger,
        store=store,
        providers=providers,
        models=models,
        teacher_quality=settings.loop.teacher_quality,
        assistant=assistant,
        inputs=inputs,
        hooks=hooks,
    )


class _Once(Generic[Stage]):
    """A stage that is made, and its code loaded, when it is first asked for; thread-safe."""

    def __init__(self, make: Callable[[], Stage]) -> None:
        self._make = make
        self._made: Stage | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Stage:
        """The stage, always the same one."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._make()
        return self._made


def _transfer(settings: Settings, providers: Mapping[str, Provider]) -> transfer.InsightTransfer:
    made = transfer.InsightTransfer(settings.insight_transfer)
    for model in settings.models:
        made.register_target(_target(model, providers.get(model.provider), settings))
    return made


async def _ledger(
    settings: Settings, vif: CrossModelVIF, store: Store, writer: str, *, serves: bool
) -> Ledger:
    """The ledger, once what earlier processes handed over and nobody has written is in it."""
    ledger = Ledger(vif, store)
    # what a crash has left unsigned, above all erasures
    await ledger.seal(patient=False)
    told = WriterSettings(settings.store.url, settings.witness, settings.cross_model_vif)
    if writer == "process" or (writer == "auto" and serves):
        try:
            handover = open_handover(told)
            await settle_others(told, seconds=SETTLING_SECONDS)
            return replace(ledger, handover=handover)
        except ConfigurationError:
            if writer == "process":
                raise
    await write_what_is_left(told, store, ledger)
    if serves:
        return replace(ledger, handover=batches(store, ledger))
    return ledger


async def _stop(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _assistant(settings: Settings) -> ModelSpec | None:
    name = settings.insight_extractor.model_assisted.model
    return next((model for model in settings.models if model.id == name), None)


def _router(settings: Settings) -> learned.LearnedRouter | None:
    path = settings.model_selector.router
    if not path:
        return None
    try:
        return learned.load_router(Path(path).read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {path}: {error.strerror}", path="model_selector.router"
        ) from error
    except InvalidInputError as error:
        raise ConfigurationError(f"{path}: {error}", path="model_selector.router") from error


def _provider(row: ProviderSettings, position: int) -> Provider:
    api_key = os.environ.get(row.api_key_env, "") if row.api_key_env else ""
    if row.api_key_env and not api_key:
        raise ConfigurationError(
            f"the environment variable {row.api_key_env} is not set",
            path=f"providers[{position}].api_key_env",
        )
    return create_provider(
        row.kind,
        provider_id=row.id,
        base_url=row.base_url or next(iter(row.base_urls), ""),
        api_key=api_key,
        timeout_seconds=row.timeout_seconds,
        model_path=row.model_path,
        threads=row.threads,
    )


def _target(model: ModelSpec, provider: Provider | None, settings: Settings) -> TransferTarget:
    budget = settings.insight_transfer.token_budget
    return TransferTarget(
        model_id=model.id,
        prefers="exemplar" if model.quality < WEAK else "",
        token_budget=min(budget, model.context_window // CONTEXT_SHARE),
        follows_system_prompt=model.follows_system_prompt,
        count_tokens=(provider and provider.token_counter(model.name)) or utf8_bytes,
    )


async def restore_budgets(budgets: CostOptimizer, store: Store) -> None:
    """Budgets go on where they stood when the process ended.

    Again, it does no harm: a budget that was set meanwhile learns what was spent before.
    """
    today = utc_now().date()
    starts = {"daily_budget": today, "monthly_budget": today.replace(day=1)}
    spent = await store.read(lambda tx: {name: tx.spent_usd(at) for name, at in starts.items()})
    for budget, usd_of in spent.items():
        budgets.restore(budget, math.fsum(usd_of.values()))
        for tenant in {tenant for tenant, _ in usd_of}:
            usd = math.fsum(usd for (whose, _), usd in usd_of.items() if whose == tenant)
            budgets.restore(budget, usd, tenant=tenant)
        for key in {key for _, key in usd_of if key is not None}:
            usd = math.fsum(usd for (_, whose), usd in usd_of.items() if whose == key)
            budgets.restore(budget, usd, key=key)


def _messages(conversation: Conversation) -> tuple[Message, ...]:
    if isinstance(conversation, str):
        return (Message("user", conversation),)
    turns = [conversation] if isinstance(conversation, Message | Mapping) else conversation
    return tuple(_message(turn, position) for position, turn in enumerate(turns))


def _message(turn: Message | Mapping[str, str], position: int) -> Message:
    if isinstance(turn, Message):
        return turn
    try:
        return Message(cast("Role", turn["role"]), turn["content"])  # Message checks both
    except (KeyError, TypeError):
        raise InvalidInputError(f"messages[{position}] must have a role and a content") from None


def _requirement(task: TaskRequirement | str | Iterable[str] | None) -> TaskRequirement | None:
    if task is None or isinstance(task, TaskRequirement):
        return task
    return TaskRequirement([task] if isinstance(task, str) else list(task))
