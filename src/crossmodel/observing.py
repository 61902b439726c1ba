"""Settings become telemetry: where it goes, and what it must never say."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from crossmodel.errors import ConfigurationError
from crossmodel.providers import key_variables
from crossmodel.settings import ProviderSettings, Settings

if TYPE_CHECKING:
    from crossmodel.telemetry.otlp import Export
    from crossmodel.telemetry.spans import Place

PORTS: Final = {"http": 80, "https": 443}


def open_export(settings: Settings, *, serves: bool) -> Export:
    """Begin to send to the collector that the settings name.

    A gateway chooses itself which requests are traced, and counts them itself.

    Raises:
        MissingExtraError: if OpenTelemetry is not installed.
        ConfigurationError: if the variable with the headers is not set, or holds none.
    """
    from crossmodel import __version__  # noqa: PLC0415 - the package itself
    from crossmodel.telemetry.otlp import Collector, Export, headers_from  # noqa: PLC0415 - heavy

    telemetry = settings.telemetry
    collector = Collector(
        endpoint=telemetry.otlp_endpoint,
        headers=headers_from(_said(telemetry.headers_env)),
        service_name=telemetry.service_name,
        version=__version__,
        places={row.id: _place(row) for row in settings.providers},
    )
    sampling = None if serves else telemetry.sampling
    return Export(collector, sampling=sampling, with_metrics=not serves)


def secrets_of(settings: Settings) -> list[str]:
    """Every key and password that the settings lead to: no line of the log may say any."""
    found = [os.environ.get(name, "") for name in _variables(settings)]
    found += [os.environ.get(name, "") for name in key_variables()]
    headers = os.environ.get(settings.telemetry.headers_env, "")
    found += [piece.partition("=")[2].strip() for piece in headers.split(",")]
    urls = [settings.store.url, settings.telemetry.otlp_endpoint]
    for row in settings.providers:
        urls += [row.base_url, *row.base_urls]
    found += [_password(url) for url in urls]
    return [secret for secret in found if secret]


def _variables(settings: object) -> Iterator[str]:
    """The values of all keys that name a variable, wherever they stand."""
    if isinstance(settings, tuple):
        for each in settings:
            yield from _variables(each)
    elif dataclasses.is_dataclass(settings):
        for each in dataclasses.fields(settings):
            value = getattr(settings, each.name)
            if each.name.endswith("_env") and isinstance(value, str):
                yield value
            else:
                yield from _variables(value)


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:  # no URL at all: whoever uses it says so
        return ""


def _said(variable: str) -> str:
    if variable and variable not in os.environ:
        raise ConfigurationError(
            f"the environment variable {variable} is not set", path="telemetry.headers_env"
        )
    return os.environ.get(variable, "")


def _place(row: ProviderSettings) -> Place:
    from crossmodel.telemetry.spans import Place  # noqa: PLC0415 - heavy

    if row.base_urls or not row.base_url:  # there are several, or it is the kind's own
        return Place(row.kind)
    url = urlsplit(row.base_url)
    return Place(row.kind, url.hostname or "", url.port or PORTS.get(url.scheme, 0))
