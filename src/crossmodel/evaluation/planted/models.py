"""Which model is asked: a configured one, the built-in one, or any GGUF file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from crossmodel.errors import ModelNotFoundError
from crossmodel.settings import DEFAULT_MODEL, DEFAULT_PROVIDER, Settings

LOCAL: Final = "local"
"""The built-in model, where no configured one has that name; also the kind of its provider."""

_FILE: Final = "gguf-file"


def with_model(settings: Settings, wanted: str) -> tuple[Settings, str]:
    """Settings in which the model that is wanted is configured, and its id.

    Raises:
        ModelNotFoundError: if it is neither configured, nor ``local``, nor a GGUF file.
    """
    configured = {model.id for model in settings.models}
    if wanted in configured:
        return settings, wanted
    if wanted in {LOCAL, DEFAULT_MODEL.id}:
        if DEFAULT_MODEL.id in configured:
            return settings, DEFAULT_MODEL.id
        return _joined(settings, DEFAULT_MODEL.id, "smollm2"), DEFAULT_MODEL.id
    if wanted.endswith(".gguf"):
        name = Path(wanted).stem
        return _joined(settings, name, wanted), name
    known = ", ".join(sorted(configured))
    raise ModelNotFoundError(
        f"model not found: {wanted!r} (known: {known}; or {LOCAL}, or the path of a GGUF file)"
    )


def _joined(settings: Settings, model_id: str, path: str) -> Settings:
    provider = replace(DEFAULT_PROVIDER, id=_FILE, model_path=path)
    model = replace(DEFAULT_MODEL, id=model_id, name="", provider=_FILE)
    others = tuple(each for each in settings.models if each.id != model_id)
    return replace(settings, providers=(*settings.providers, provider), models=(*others, model))
