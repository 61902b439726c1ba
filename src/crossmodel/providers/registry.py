"""A kind of provider is a row; its adapter is loaded when the first provider of it is made.

Other packages add kinds by an entry point in the group ``crossmodel.providers`` that names a
:class:`ProviderKind`, or by calling :func:`register_provider`. Ours come through the same table.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, field
from typing import Any, Final

from crossmodel.domain import checks
from crossmodel.errors import ConfigurationError
from crossmodel.ports import Provider

API_VERSION: Final = "2026-10-21"
"""The dialect of Anthropic's API that we speak; it asks for that in a header."""

ENTRY_POINTS: Final = "crossmodel.providers"


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """One kind of provider.

    Attributes:
        kind: what settings call it.
        adapter: ``module:Class``; the class takes ``provider_id`` and the arguments it names in
            ``takes``.
        takes: which of the settings' arguments the adapter wants.
        base_url: where it is, when the settings do not say.
        api_key_env: the variable that holds its key, when the settings name none.
        takes_seed: whether its models say the same again when they are asked with the same seed.
        dialect: what the gateway may pass on to it byte by byte: ``chat`` or ``messages``; empty if
            it can only be asked through its adapter.
    """

    kind: str
    adapter: str
    takes: tuple[str, ...] = ()
    base_url: str = ""
    api_key_env: str = ""
    takes_seed: bool = False
    dialect: str = ""


@dataclass(frozen=True, slots=True)
class HttpEndpoint:
    """Where a provider is asked over HTTP, and with which key."""

    dialect: str
    base_url: str
    api_key: str = field(default="", repr=False)


_HTTP = ("base_url", "api_key", "timeout_seconds")

_KINDS: Final[dict[str, ProviderKind]] = {
    row.kind: row
    for row in (
        ProviderKind(
            kind="openai",
            adapter="crossmodel.providers.openai:OpenAIProvider",
            takes=_HTTP,
            base_url="https://api.openai.com/v1",
            api_key_env="OPENAI_API_KEY",
            takes_seed=True,
            dialect="chat",
        ),
        ProviderKind(
            kind="anthropic",
            adapter="crossmodel.providers.anthropic:AnthropicProvider",
            takes=_HTTP,
            base_url="https://api.anthropic.com",
            api_key_env="ANTHROPIC_API_KEY",
            dialect="messages",
        ),
        ProviderKind(
            kind="local",
            adapter="crossmodel.providers.local:LocalProvider",
            takes=("model_path", "threads", "timeout_seconds"),
            takes_seed=True,
        ),
        ProviderKind(
            kind="fake",
            adapter="crossmodel.providers.fake:FakeProvider",
            takes_seed=True,
        ),
    )
}


def register_provider(row: ProviderKind) -> None:
    """Make a kind known.

    Raises:
        ConfigurationError: if another adapter has that name already, or this is no row.
    """
    if not isinstance(row, ProviderKind):
        raise ConfigurationError(f"a provider kind must be a ProviderKind, not {row!r}")
    known = _KINDS.get(row.kind)
    if known is not None and known != row:
        raise ConfigurationError(f"there is another provider kind {row.kind!r} already")
    _KINDS[row.kind] = row


def provider_kinds() -> dict[str, ProviderKind]:
    """Every known kind by name, those of installed packages included."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, and ours need it not

    for entry_point in entry_points(group=ENTRY_POINTS):
        if entry_point.name not in _KINDS:
            register_provider(entry_point.load())
    return dict(_KINDS)


def key_variables() -> list[str]:
    """The variables that hold the keys of our kinds of providers, where settings name none."""
    return [row.api_key_env for row in _KINDS.values() if row.api_key_env]


def takes_seed(kind: str) -> bool:
    """Whether models of that kind of provider can be asked for the same answer again."""
    row = _KINDS.get(kind) or provider_kinds().get(kind)
    return row is not None and row.takes_seed


def create_provider(kind: str, *, provider_id: str, **arguments: Any) -> Provider:
    """A provider of that kind; arguments that it has no use for are left out.

    An empty ``base_url`` or ``api_key`` becomes the kind's own. A key may be missing only where the
    address is not the kind's own: servers of one's own often need none.

    Raises:
        ConfigurationError: for an unknown kind (naming the nearest), or a missing key.
        MissingExtraError: if the kind needs a package that is not installed.
    """
    row = _row(kind)
    wanted = {name: arguments[name] for name in row.takes if name in arguments}
    if "base_url" in row.takes:
        wanted["base_url"], wanted["api_key"] = _address(
            row, provider_id, wanted.get("base_url", ""), wanted.get("api_key", "")
        )
    module, _, name = row.adapter.partition(":")
    adapter = getattr(importlib.import_module(module), name)
    provider: Provider = adapter(provider_id=provider_id, **wanted)
    return provider


def http_endpoint(
    kind: str, *, provider_id: str, base_url: str = "", api_key: str = ""
) -> HttpEndpoint | None:
    """Where to pass requests on to; ``None`` if that kind is asked through its adapter alone.

    Raises:
        ConfigurationError: as :func:`create_provider` does.
    """
    row = _row(kind)
    if not row.dialect:
        return None
    return HttpEndpoint(row.dialect, *_address(row, provider_id, base_url, api_key))


def _row(kind: str) -> ProviderKind:
    row = _KINDS.get(kind) or provider_kinds().get(kind)
    if row is None:
        known = sorted(_KINDS)
        raise ConfigurationError(
            f"unknown provider kind {kind!r}; did you mean {checks.nearest(kind, known)!r}? "
            f"(known: {', '.join(known)})"
        )
    return row


def _address(row: ProviderKind, provider_id: str, base_url: str, api_key: str) -> tuple[str, str]:
    """Where it is, and its key: the kind's own where nothing is given."""
    if not api_key and row.api_key_env and not base_url:
        api_key = os.environ.get(row.api_key_env, "")
        if not api_key:
            raise ConfigurationError(
                f"provider {provider_id!r} needs a key: set {row.api_key_env}, or name another "
                "variable in api_key_env"
            )
    return base_url or row.base_url, api_key
