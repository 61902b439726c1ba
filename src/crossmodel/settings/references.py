"""Whether what sections say of each other is so."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from crossmodel.domain import checks
from crossmodel.errors import ConfigurationError
from crossmodel.settings.loop import KeySettings
from crossmodel.settings.whole import Settings


def check_references(settings: Settings) -> None:
    """See whether everything that is named is there.

    Raises:
        ConfigurationError: at the first that is not, naming the nearest that is.
    """
    for section, rows, named in (
        ("providers", settings.providers, "id"),
        ("models", settings.models, "id"),
        ("keys", settings.keys, "name"),
        ("dashboard.users", settings.dashboard.users, "name"),
    ):
        seen: set[str] = set()
        for position, row in enumerate(rows):
            name = getattr(row, named)
            if name in seen:
                raise ConfigurationError(
                    f"{name!r} is there twice", path=f"{section}[{position}].{named}"
                )
            seen.add(name)
    providers = {provider.id for provider in settings.providers}
    for position, model in enumerate(settings.models):
        if model.provider not in providers:
            raise ConfigurationError(
                f"there is no provider {model.provider!r}{hint(model.provider, providers)}",
                path=f"models[{position}].provider",
            )
    models = {model.id for model in settings.models}
    for position, model in enumerate(settings.models):
        for fallback in model.fallbacks:
            if fallback not in models or fallback == model.id:
                raise ConfigurationError(
                    f"there is no other model {fallback!r}{hint(fallback, models)}",
                    path=f"models[{position}].fallbacks",
                )
    _check_keys(settings.keys, models)
    _check_watch(settings, models)
    assistant = settings.insight_extractor.model_assisted.model
    if assistant and assistant not in models:
        raise ConfigurationError(
            f"there is no model {assistant!r}{hint(assistant, models)}",
            path="insight_extractor.model_assisted.model",
        )


def _check_watch(settings: Settings, models: Collection[str]) -> None:
    for position, model in enumerate(settings.health.required_models):
        if model not in models:
            raise ConfigurationError(
                f"there is no model {model!r}{hint(model, models)}",
                path=f"health.required_models[{position}]",
            )
    names = [sink.name for sink in settings.alerts.sinks]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise ConfigurationError(
                f"{name!r} is there twice", path=f"alerts.sinks[{position}].name"
            )


def _check_keys(keys: Iterable[KeySettings], models: Collection[str]) -> None:
    for position, key in enumerate(keys):
        for place, model in enumerate(key.models):
            if model not in models:
                raise ConfigurationError(
                    f"there is no model {model!r}{hint(model, models)}",
                    path=f"keys[{position}].models[{place}]",
                )


def hint(key: str, known: Iterable[str]) -> str:
    """What may have been meant, to be put behind a message; empty if nothing is near."""
    close = checks.nearest(key, sorted(known))
    return f"; did you mean {close!r}?" if close else ""
