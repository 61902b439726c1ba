"""Providers: whoever runs models, each kind a row of one registry."""

from crossmodel.providers.fake import FakeProvider
from crossmodel.providers.registry import (
    ProviderKind,
    create_provider,
    provider_kinds,
    register_provider,
    takes_seed,
)

__all__ = [
    "FakeProvider",
    "ProviderKind",
    "create_provider",
    "provider_kinds",
    "register_provider",
    "takes_seed",
]
