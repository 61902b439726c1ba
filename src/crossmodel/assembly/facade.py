"""The whole loop behind one door."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from crossmodel.assembly.building import build, open_provider, open_router, target_of
from crossmodel.desk import InsightDesk, LogDesk, ReportDesk, TrafficDesk
from crossmodel.domain.answer import Answer, Ask
from crossmodel.domain.completion import Message, Role
from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.replay import ExplainedSelection, Replay
from crossmodel.domain.selection import ModelSelection, RequestContext, TaskRequirement
from crossmodel.engine import Engine
from crossmodel.errors import ConfigurationError, CrossModelError, InvalidInputError
from crossmodel.hooks import Hooks
from crossmodel.performance import keep_rolling_up
from crossmodel.ports import Provider
from crossmodel.providers import takes_seed
from crossmodel.selection import learned
from crossmodel.settings import Settings, load_settings
from crossmodel.transfer.feedback import Grader, graded
from crossmodel.witness.tracing import current_trace_id, note_answer, trace_id_of

if TYPE_CHECKING:
    from crossmodel.telemetry.otlp import Export

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
            self._engine = await build(
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
            lambda: open_router(self.settings),
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

        explainer = Explainer(self.engine, lambda: open_router(self.settings))
        return await explainer.explain(tenant or self.settings.loop.tenant, id)

    def models(self) -> list[ModelSpec]:
        """The configured models."""
        return list(self.engine.models.values())

    def replace_model(self, model: ModelSpec) -> None:
        """Go on with another row of a model: its scores, prices and limits count from now on."""
        engine = self.engine
        engine.selector.register_model(model.profile())
        provider = engine.providers.get(model.provider)
        engine.transfer.register_target(target_of(model, provider, self.settings))
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
            row.id: open_provider(row, position)
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


async def _stop(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


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
