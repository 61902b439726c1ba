"""Settings and an open engine become models that can be asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from crossmodel.balancing import Balancer, LoadBalancerConfig
from crossmodel.domain.models import ModelSpec
from crossmodel.errors import ConfigurationError
from crossmodel.gateway.inprocess import InProcess
from crossmodel.gateway.targets import Address, Target
from crossmodel.gateway.upstream import Upstream
from crossmodel.ports import Provider
from crossmodel.providers import HttpEndpoint, http_endpoint
from crossmodel.providers.openai import limit_field
from crossmodel.settings import ProviderSettings, Settings
from crossmodel.wire.dialect import Dialect


class Switchboard:
    """Keeps connections and what is known of addresses while models come, change and go."""

    def __init__(self) -> None:
        self._addresses: dict[str, Upstream] = {}
        self._balancers: dict[str, Balancer] = {}

    def targets(
        self,
        settings: Settings,
        providers: Mapping[str, Provider],
        config: LoadBalancerConfig,
    ) -> dict[str, Target]:
        """The models of the settings, by id.

        What stays keeps its connections and its state; addresses that nobody asks any more are let
        go of when what is under way has ended.

        Raises:
            ConfigurationError: if an address or a key is missing or cannot be used.
        """
        self.check(settings)
        rows = {row.id: row for row in settings.providers}
        made = [
            self._target(model, rows[model.provider], providers, config)
            for model in settings.models
        ]
        self._forget({name for target in made for name in target.addresses})
        self._balancers = {target.model.id: target.balancer for target in made}
        return {target.model.id: target for target in made}

    def check(self, settings: Settings) -> None:
        """See whether all addresses can be used; nothing is changed.

        Raises:
            ConfigurationError: naming the key of one that cannot.
        """
        for position, row in enumerate(settings.providers):
            try:
                endpoint = _endpoint(row)
            except ConfigurationError as error:
                raise ConfigurationError(str(error), path=f"providers[{position}]") from error
            for at, url in enumerate(_urls(endpoint, row) if endpoint is not None else ()):
                key = f"base_urls[{at}]" if row.base_urls else "base_url"
                try:
                    if url not in self._addresses:
                        Upstream(url)
                except ConfigurationError as error:
                    path = f"providers[{position}].{key}"
                    raise ConfigurationError(str(error), path=path) from error

    def _target(
        self,
        model: ModelSpec,
        row: ProviderSettings,
        providers: Mapping[str, Provider],
        config: LoadBalancerConfig,
    ) -> Target:
        endpoint = _endpoint(row)
        if endpoint is None:
            return Target(
                model,
                Dialect.CHAT,
                {row.id: InProcess(providers[row.id])},
                self._balancer(model.id, [row.id], config),
                seconds=row.timeout_seconds,
                talks_only=True,
            )
        urls = _urls(endpoint, row)
        addresses: dict[str, Address] = {url: self._upstream(url) for url in urls}
        key = endpoint.api_key.encode()
        return Target(
            model,
            Dialect(endpoint.dialect),
            addresses,
            self._balancer(model.id, urls, config),
            credentials=b"authorization: Bearer %b\r\n" % key if key else b"",
            secret=key,
            seconds=row.timeout_seconds,
            limit_field=limit_field(endpoint.base_url),
        )

    def _upstream(self, url: str) -> Upstream:
        if url not in self._addresses:
            self._addresses[url] = Upstream(url)
        return self._addresses[url]

    def _balancer(self, model: str, ids: Iterable[str], config: LoadBalancerConfig) -> Balancer:
        known = self._balancers.get(model)
        if known is None:
            known = self._balancers[model] = Balancer(ids, config)
        else:
            known.config = config
            known.set_endpoints(ids)
        return known

    def _forget(self, used: set[str]) -> None:
        for url in [url for url in self._addresses if url not in used]:
            self._addresses.pop(url).retire()


def _endpoint(row: ProviderSettings) -> HttpEndpoint | None:
    return http_endpoint(
        row.kind,
        provider_id=row.id,
        base_url=row.base_url or next(iter(row.base_urls), ""),
        api_key=os.environ.get(row.api_key_env, "") if row.api_key_env else "",
    )


def _urls(endpoint: HttpEndpoint, row: ProviderSettings) -> list[str]:
    """The addresses, each once, as all paths are put behind them."""
    urls = [url.rstrip("/") for url in row.base_urls or (endpoint.base_url,)]
    if endpoint.dialect == Dialect.MESSAGES.value:
        urls = [url.removesuffix("/v1") for url in urls]
    return list(dict.fromkeys(urls))
