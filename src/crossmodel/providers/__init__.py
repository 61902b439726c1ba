"""Providers: whoever runs models, each kind a row of one registry."""

from crossmodel.providers.fake import FakeProvider
from crossmodel.providers.registry import (
    API_VERSION,
    HttpEndpoint,
    ProviderKind,
    create_provider,
    http_endpoint,
    key_variables,
    provider_kinds,
    register_provider,
    takes_seed,
)

__all__ = [
    "API_VERSION",
    "FakeProvider",
    "HttpEndpoint",
    "ProviderKind",
    "create_provider",
    "http_endpoint",
    "key_variables",
    "provider_kinds",
    "register_provider",
    "takes_seed",
]
