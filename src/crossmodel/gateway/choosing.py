"""Which model answers, and which would be asked after it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossmodel.domain.models import ModelSpec
from crossmodel.domain.selection import ModelSelection, RequestContext, TaskRequirement
from crossmodel.engine import BYTES_PER_TOKEN, Engine, any_task, named
from crossmodel.errors import InvalidInputError, ModelNotFoundError, NoAvailableModelsError
from crossmodel.gateway.peek import Peek, user_texts
from crossmodel.gateway.routes import Route
from crossmodel.gateway.targets import Target, serving
from crossmodel.gateway.wishes import NONE, Wishes
from crossmodel.selection import check_requirement, routing_text

AUTO: Final = "auto"
PREFERENCES: Final = {"auto": "", "auto:cheap": "cheap", "auto:best": "best"}
"""Names that ask for a choice, and what decides it."""

MOST_KNOWN: Final = 4096
"""Choices that are remembered."""

MOST_ALTERNATIVES: Final = 2
"""Models that are asked one after the other when the chosen one fails."""


@dataclass(slots=True, eq=False)
class Choice:
    """The outcome.

    Attributes:
        selection: which model, and why.
        targets: it, and those that stand in for it, in order.
        reason: why, for a header.
        context: what the choice was made by.
        is_selected: whether there was a choice.
        models: those of the targets.
    """

    selection: ModelSelection
    targets: Sequence[Target]
    reason: bytes
    context: RequestContext
    is_selected: bool = False
    models: list[ModelSpec] = field(init=False)

    def __post_init__(self) -> None:
        self.models = [target.model for target in self.targets]


class Chooser:
    """Chooses among the configured models. Requests that differ in nothing share one choice.

    Args:
        engine: who selects.
        targets: the models, by id.
    """

    def __init__(self, engine: Engine, targets: Mapping[str, Target]) -> None:
        self.engine = engine
        self.targets = targets
        self._serving: dict[tuple[str, frozenset[str] | None], frozenset[str]] = {}
        self._known: dict[Hashable, Choice] = {}
        self._task: TaskRequirement | None = None
        self._revision = engine.selector.revision
        self._basis: Hashable = engine.selector.basis
        self._learns = engine.selector.learns
        self._windows = sorted({target.model.context_window for target in targets.values()})

    def choose(
        self,
        route: Route,
        seen: Peek,
        wishes: Wishes,
        *,
        tenant: str,
        allowed: frozenset[str] | None,
    ) -> Choice:
        """The model that the request names, if the key allows it, or the best one for it.

        ``allowed`` are the models that the client may use; all if ``None``.

        Raises:
            ModelNotFoundError: if there is no such model, or the client may not use it.
            InvalidInputError: if it cannot be asked on this path.
            NoAvailableModelsError: if none of those that may be used can answer.
        """
        key = self._key(route, seen, wishes, allowed)
        choice = self._known.get(key) if key is not None else None
        if choice is not None:
            if choice.is_selected:
                self.engine.selector.note(choice.selection)
            return choice
        prefer = PREFERENCES.get(seen.model)
        if prefer is None:
            choice = self._named(route, seen, wishes, tenant, allowed)
        else:
            choice = self._selected(
                route, seen, wishes, tenant=tenant, prefer=prefer, allowed=allowed
            )
        if key is not None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = choice
        return choice

    def look(self) -> None:
        """See whether the configuration has changed: a changed profile is seen by each request."""
        selector = self.engine.selector
        if selector.basis != self._basis or selector.learns != self._learns:
            self.refresh()

    def refresh(self) -> None:
        """Forget all choices."""
        selector = self.engine.selector
        self._known.clear()
        self._task = None
        self._basis, self._learns = selector.basis, selector.learns

    def _key(
        self, route: Route, seen: Peek, wishes: Wishes, allowed: frozenset[str] | None
    ) -> Hashable | None:
        """Everything that a choice depends on; ``None`` where it may differ from call to call."""
        revision = self.engine.selector.revision
        if revision != self._revision:
            self._revision = revision
            self.refresh()
        if wishes is not NONE or self._learns:
            return None
        tokens = seen.size // BYTES_PER_TOKEN + (seen.most_tokens or 0)
        fits = bisect_left(self._windows, tokens)
        return route.path, seen.model, seen.features, allowed, fits

    def _selected(
        self,
        route: Route,
        seen: Peek,
        wishes: Wishes,
        *,
        tenant: str,
        prefer: str,
        allowed: frozenset[str] | None,
    ) -> Choice:
        context = self._context(seen, wishes, tenant, prefer, self._able(route, allowed))
        task = wishes.requirement(self._any_task())
        try:
            selection = self.engine.choose(task, context)
        except NoAvailableModelsError as error:
            if allowed is None:
                raise
            raise _told_of(error, allowed) from None
        ids = [selection.model_id, *selection.alternative_models[:MOST_ALTERNATIVES]]
        reason = b"%b; algorithm=%b; score=%.4f" % (
            seen.model.encode(),
            selection.selection_metadata["selection_algorithm"].encode(),
            selection.suitability_score,
        )
        targets = [self.targets[each] for each in ids]
        return Choice(selection, targets, reason, context, is_selected=True)

    def _named(
        self,
        route: Route,
        seen: Peek,
        wishes: Wishes,
        tenant: str,
        allowed: frozenset[str] | None,
    ) -> Choice:
        target = self.targets.get(seen.model)
        if target is None or (allowed is not None and seen.model not in allowed):
            if seen.model.startswith("auto:"):
                raise InvalidInputError(f"model: there are {', '.join(PREFERENCES)}")
            raise not_found(seen.model, self.targets, allowed)
        if not target.serves(route):
            raise InvalidInputError(f"model {seen.model!r} cannot be asked on {route.path}")
        others = [
            self.targets[each]
            for each in target.model.fallbacks
            if self.targets[each].serves(route) and (allowed is None or each in allowed)
        ]
        task = wishes.requirement(self._any_task())
        check_requirement(task)  # else wishes that make no sense would go unnoticed
        context = self._context(seen, wishes, tenant, "", None)
        return Choice(named(seen.model, task), [target, *others], b"named", context)

    def _context(
        self,
        seen: Peek,
        wishes: Wishes,
        tenant: str,
        prefer: str,
        allowed: frozenset[str] | None,
    ) -> RequestContext:
        conversation = wishes.conversation
        return RequestContext(
            prompt=routing_text(user_texts(seen.fields)) if self._learns else "",
            input_tokens=seen.size // BYTES_PER_TOKEN,
            output_tokens=seen.most_tokens or 0,
            features=seen.features | wishes.features if wishes.needs else seen.features,
            conversation_id=f"{tenant}\0{conversation}" if conversation else None,
            prefer=prefer,
            allowed=allowed,
        )

    def _able(self, route: Route, allowed: frozenset[str] | None) -> frozenset[str] | None:
        """Who may be chosen; ``None`` if that is everyone."""
        key = (route.path, allowed)
        found = self._serving.get(key)
        if found is None:
            able = serving(self.targets.values(), route)
            found = self._serving[key] = able if allowed is None else able & allowed
        if not found:
            raise NoAvailableModelsError(f"no model that may be used answers on {route.path}")
        return None if len(found) == len(self.targets) else found

    def _any_task(self) -> TaskRequirement:
        """What most models can do; worked out once for each state of the registry."""
        if self._task is None:
            self._task = any_task(self.engine.selector.model_profiles.values())
        return self._task


def not_found(
    model: str, targets: Iterable[str], allowed: frozenset[str] | None
) -> ModelNotFoundError:
    """What to tell who names a model that is not there for them; other models are not told of."""
    known = ", ".join(sorted(each for each in targets if allowed is None or each in allowed))
    return ModelNotFoundError(f"model not found: {model!r:.200} (known: {known})")


def _told_of(error: NoAvailableModelsError, allowed: frozenset[str]) -> NoAvailableModelsError:
    """The same without the models that the client may not use."""
    reasons = {model: reason for model, reason in error.reasons.items() if model in allowed}
    return NoAvailableModelsError("no model that may be used is available", reasons=reasons)
