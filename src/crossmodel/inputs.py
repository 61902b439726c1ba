"""The recorded inputs of a selection: what a third party needs to make it again, by content.

Three bodies of plain JSON, each kept once under its SHA-256, however many requests there are: the
profiles as they were, the settings of the stages, and the root, which names the two. The SHA-256 of
the root stands in the signed statement of the selection. There is nothing of anybody's request in
them, and no secret; budgets, which decide whether a call is made but not which, are left out.

What is cheap to notice is noticed: a changed profile by its table, settings by comparing them. A
learned router is known by the digest of its file. What it learned since is not kept.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from crossmodel import __version__, extraction
from crossmodel.domain.config import (
    CostOptimizationConfig,
    InsightExtractorConfig,
    ModelSelectorConfig,
)
from crossmodel.domain.models import ModelCapability, ModelCapabilityProfile, ModelSpec
from crossmodel.domain.replay import Inputs
from crossmodel.domain.selection import ModelSelection
from crossmodel.domain.transfer import TransferTarget, utf8_bytes
from crossmodel.errors import InvalidInputError, VerificationError
from crossmodel.ports import Transaction
from crossmodel.selection import ModelSelector, learned
from crossmodel.selection.decision import Decision
from crossmodel.selection.table import CAPABILITIES, ProfileTable, feature_names

if TYPE_CHECKING:
    from crossmodel.transfer import InsightTransfer

FORMAT: Final = "crossmodel-inputs/1"

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

MOST_KNOWN: Final = 1024
"""Latest states that are known to be kept; to keep one again is no error."""

_INFINITE: Final = {math.inf: "Infinity", -math.inf: "-Infinity"}
"""JSON has no infinity; reading by type makes numbers of these words again."""


@dataclass(frozen=True, slots=True)
class RouterState:
    """The router of a learned selection: the digest of its file, and whether it learned since."""

    sha256: str
    has_learned: bool


@dataclass(frozen=True, slots=True)
class TargetState:
    """What was known of a model that insights are handed to; ``tokenizer``: by its own count."""

    token_budget: int
    protocol: str
    follows_system_prompt: bool
    prefers: str
    tokenizer: bool


@dataclass(frozen=True, slots=True)
class ModelState:
    """Where a model lived, and how good it was taken to be."""

    provider: str
    name: str
    quality: float


@dataclass(frozen=True, slots=True)
class StageSettings:
    """The settings of the stages. Foreign protocols and patterns are known by their class alone."""

    selector: ModelSelectorConfig
    extractor: InsightExtractorConfig
    calibration: Mapping[str, Any] | None
    patterns: Mapping[str, str]
    assistant: str | None
    targets: Mapping[str, TargetState]
    protocols: Mapping[str, str]
    models: Mapping[str, ModelState]
    teacher_quality: float


@dataclass(frozen=True, slots=True)
class RecordedInputs:
    """Recorded inputs as they are read again; ``version`` is that of the code that made them."""

    version: str
    profiles: tuple[ModelCapabilityProfile, ...]
    settings: StageSettings
    router: RouterState | None


class _Profiles(msgspec.Struct, forbid_unknown_fields=True):
    """Profiles by column, in the order of their ids here: there may be thousands of them."""

    model_id: list[str]
    capabilities: dict[str, list[float | None]]
    cost_per_token: list[float]
    latency_ms: list[float]
    quality_score: list[float]
    availability: list[float]
    context_window: list[int | None]
    features: list[list[str]]


class _Root(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: str
    profiles: str
    settings: str
    router: RouterState | None


@dataclass(frozen=True, slots=True, eq=False)
class _Body:
    """One body and its digest, as long as what it was made ``of`` is the same."""

    of: Any
    sha256: str
    body: bytes


class InputRecorder:
    """Knows the recorded inputs of selections as they are made; thread-safe.

    ``extractor`` and ``transfer`` give the stages, always the same ones, when they are asked.
    """

    def __init__(
        self,
        selector: ModelSelector,
        extractor: Callable[[], extraction.InsightExtractor],
        transfer: Callable[[], InsightTransfer],
        models: Mapping[str, ModelSpec],
        *,
        teacher_quality: float,
        assistant: str | None = None,
    ) -> None:
        self._selector = selector
        self._extractor = extractor
        self._transfer = transfer
        self._models = models
        self._teacher_quality = teacher_quality
        self._assistant = assistant
        self._profiles: _Body | None = None
        self._settings: _Body | None = None
        self._root: _Body | None = None
        self._known: dict[str, None] = {}
        self._lock = threading.Lock()
        router = selector.policy.router
        self._cells = router.cells if router else None
        self._router_sha256 = learned.router_sha256(router) if router else ""

    def of(self, selection: ModelSelection) -> Inputs:
        """What a selection was made from. Costs microseconds where nothing has changed."""
        basis = selection.basis
        table = basis.table if isinstance(basis, Decision) else self._selector.table
        with self._lock:
            profiles, settings = self._profiles_of(table), self._settings_now()
            root = self._root_of(profiles, settings)
            if root.sha256 in self._known:
                return Inputs(root.sha256)
            bodies = {each.sha256: each.body for each in (root, profiles, settings)}
            return Inputs(root.sha256, bodies)

    def kept(self, inputs: Inputs) -> None:
        """Told that these are durable: they need not be kept again."""
        with self._lock:
            self._known[inputs.sha256] = None
            while len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]

    def _profiles_of(self, table: ProfileTable) -> _Body:
        known = self._profiles
        if known is None or known.of is not table:
            body = msgspec.json.encode(_columns(table))  # fast, and it knows nothing infinite
            known = self._profiles = _body(table, body)
        return known

    def _settings_now(self) -> _Body:
        known = self._settings
        state = self._state()
        if known is None or known.of != state:
            known = self._settings = _body(_kept_apart(state), _json(self._written()))
        return known

    def _root_of(self, profiles: _Body, settings: _Body) -> _Body:
        router = self._router_state()
        key = profiles.sha256, settings.sha256, router
        known = self._root
        if known is None or known.of != key:
            root = _Root(FORMAT, __version__, profiles.sha256, settings.sha256, router)
            known = self._root = _body(key, _json(root))
        return known

    def _router_state(self) -> RouterState | None:
        router = self._selector.policy.router
        if router is None or self._selector.config.strategy != "learned":
            return None
        return RouterState(self._router_sha256, has_learned=router.cells is not self._cells)

    def _state(self) -> tuple[Any, ...]:
        """What settings are made of: equal as long as they would come out the same."""
        extractor, transfer = self._extractor(), self._transfer()
        calculator = extractor.confidence_calculator
        is_ours = isinstance(calculator, extraction.ConfidenceCalculator)
        return (
            self._selector.config,
            extractor.config,
            transfer.config.token_budget,
            transfer.targets,
            transfer.protocols,
            extractor.extraction_patterns,
            calculator.maps if is_ours else calculator,
        )

    def _written(self) -> StageSettings:
        config, transfer, extractor = self._selector.config, self._transfer(), self._extractor()
        calculator = extractor.confidence_calculator
        is_ours = isinstance(calculator, extraction.ConfidenceCalculator)
        costs = config.cost_optimization
        enabled, factor = costs.enable_cost_optimization, costs.cost_weight_factor
        selector = replace(
            config,
            cost_optimization=CostOptimizationConfig(enabled, factor),
            created_at=EPOCH,  # else each start would make a state of its own
        )
        return StageSettings(
            selector=selector,
            extractor=extractor.config,
            calibration=calculator.to_dict() if is_ours else None,
            patterns=_classes(extractor.extraction_patterns),
            assistant=self._assistant,
            targets={
                model: _target(each, transfer.config.token_budget)
                for model, each in transfer.targets.items()
            },
            protocols=_classes(transfer.protocols),
            models={
                model: ModelState(spec.provider, spec.name, spec.quality)
                for model, spec in self._models.items()
            },
            teacher_quality=self._teacher_quality,
        )


def read_inputs(tx: Transaction, sha256: str) -> RecordedInputs | None:
    """The recorded inputs of that digest; ``None`` if they are not kept.

    Raises:
        VerificationError: if what is kept is not what the digest says.
        InvalidInputError: if another version wrote them in a form that this one cannot read.
    """
    bodies: list[bytes] = []
    wanted = [sha256]
    for digest in wanted:
        body = tx.get_snapshot(digest)
        if body is None:
            return None
        found = hashlib.sha256(body).hexdigest()
        if found != digest:
            raise VerificationError(
                f"the recorded inputs {digest[:16]}… have been changed: their SHA-256 is "
                f"{found[:16]}…"
            )
        bodies.append(body)
        if len(bodies) == 1:
            root = _decoded(body, _Root)
            if root.format != FORMAT:
                raise InvalidInputError(f"the recorded inputs are {root.format!r}, not {FORMAT!r}")
            wanted += [root.profiles, root.settings]
    return RecordedInputs(
        version=root.version,
        profiles=tuple(_restored(_decoded(bodies[1], _Profiles))),
        settings=_decoded(bodies[2], StageSettings),
        router=root.router,
    )


def class_of(thing: object) -> str:
    """Where a pattern's or protocol's code is: all that can be recorded of it."""
    given = getattr(thing, "writer", thing)  # a protocol may be made of a function alone
    kind = given if hasattr(given, "__qualname__") else type(given)
    return f"{kind.__module__}:{kind.__qualname__}"


def _classes(registered: Mapping[str, object]) -> dict[str, str]:
    return {name: class_of(each) for name, each in registered.items()}


def _columns(table: ProfileTable) -> _Profiles:
    return _Profiles(
        model_id=list(table.ids),
        capabilities={
            str(capability): [None if math.isnan(score) else score for score in scores]
            for capability, scores in zip(CAPABILITIES, table.scores.T.tolist(), strict=True)
        },
        cost_per_token=table.cost.tolist(),
        latency_ms=table.latency.tolist(),
        quality_score=table.quality.tolist(),
        availability=table.availability.tolist(),
        context_window=[None if math.isinf(n) else int(n) for n in table.context.tolist()],
        features=[feature_names(bits) for bits in table.features.tolist()],
    )


def _restored(columns: _Profiles) -> Iterator[ModelCapabilityProfile]:
    for row, model_id in enumerate(columns.model_id):
        yield ModelCapabilityProfile(
            model_id,
            {
                ModelCapability(name): score
                for name, scores in columns.capabilities.items()
                if (score := scores[row]) is not None
            },
            columns.cost_per_token[row],
            columns.latency_ms[row],
            columns.quality_score[row],
            columns.availability[row],
            context_window=columns.context_window[row],
            features=frozenset(columns.features[row]),
        )


def _target(target: TransferTarget, budget: int) -> TargetState:
    return TargetState(
        min(target.token_budget, budget),
        target.protocol,
        target.follows_system_prompt,
        target.prefers,
        tokenizer=target.count_tokens is not utf8_bytes,
    )


def _kept_apart(state: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copies of what may be changed in place."""
    selector, extractor, budget, targets, protocols, patterns, calibration = state
    return (
        copy.deepcopy(selector),
        copy.deepcopy(extractor),
        budget,
        dict(targets),
        dict(protocols),
        dict(patterns),
        calibration,
    )


def _body(of: Any, body: bytes) -> _Body:
    return _Body(of, hashlib.sha256(body).hexdigest(), body)


def _json(value: Any) -> bytes:
    plain = _finite(msgspec.to_builtins(value))
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return _INFINITE.get(value, value)
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def _decoded(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.convert(json.loads(body), kind, strict=False)
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidInputError(f"recorded inputs cannot be read here: {error}") from error
