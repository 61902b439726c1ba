"""Settings become an engine: the only place that picks adapters."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from crossmodel import extraction, transfer
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.period import utc_now
from crossmodel.domain.transfer import TransferTarget, utf8_bytes
from crossmodel.domain.witness import LogKey
from crossmodel.engine import Engine
from crossmodel.errors import ConfigurationError, InvalidInputError
from crossmodel.hooks import Hooks
from crossmodel.inputs import InputRecorder
from crossmodel.ports import Provider, Store
from crossmodel.providers import create_provider
from crossmodel.selection import CostOptimizer, ModelSelector, learned
from crossmodel.settings import ProviderSettings, Settings
from crossmodel.store import open_store
from crossmodel.text.embedding import best_name
from crossmodel.witness import CrossModelVIF, Ledger, settle_keys
from crossmodel.writing import (
    WriterSettings,
    batches,
    folder_keyring,
    keys_for,
    open_handover,
    settle_others,
    write_what_is_left,
)

Stage = TypeVar("Stage")

CONTEXT_SHARE: Final = 4
"""Insights may take at most one part in this many of a model's context window."""

SETTLING_SECONDS: Final = 10.0
"""How long opening waits for the records of a process that was killed."""

WEAK: Final = 0.5
"""Models below this quality, 0..1, copy worked examples better than they follow rules."""


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


async def build(
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
        providers[row.id] = open_provider(row, position)
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
    selector = ModelSelector(settings.model_selector, router=open_router(settings))
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
        made.register_target(target_of(model, providers.get(model.provider), settings))
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


def _assistant(settings: Settings) -> ModelSpec | None:
    name = settings.insight_extractor.model_assisted.model
    return next((model for model in settings.models if model.id == name), None)


def open_router(settings: Settings) -> learned.LearnedRouter | None:
    """The learned router that the settings name, if they name one.

    Raises:
        ConfigurationError: if it cannot be read, or is none.
    """
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


def open_provider(row: ProviderSettings, position: int) -> Provider:
    """A provider of the settings; ``position`` is where it stands among them.

    Raises:
        ConfigurationError: naming its key if that is not set, or what else cannot be used.
    """
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


def target_of(model: ModelSpec, provider: Provider | None, settings: Settings) -> TransferTarget:
    """A model as insights are handed over to it."""
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
