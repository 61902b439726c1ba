"""Asking a provider whether it is there and takes our key, without paying for an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from crossmodel.errors import (
    SERVER_ERROR,
    ConfigurationError,
    ProviderAuthenticationError,
    ProviderConnectionError,
    ProviderError,
    ProviderResponseError,
    ProviderTimeoutError,
)
from crossmodel.providers.registry import API_VERSION, http_endpoint
from crossmodel.providers.weights import find_weights

FRESH_SECONDS: Final = 2.0
"""For how long an answer counts: a provider's models are probed together, and it is asked once."""

REFUSALS: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class ProviderProbe:
    """Asks one provider.

    Over HTTP it asks for the list of its models, which costs nothing; of a local one it looks for
    the file. Of other kinds nothing can be said: they count as there. Several addresses
    count as there if one of them is. Safe to share among threads: whoever asks while somebody else
    does gets the same answer.

    Args:
        kind: of the provider.
        provider_id: for messages.
        base_urls: its addresses; the kind's own if empty.
        api_key: for it; empty for the kind's own.
        model_path: of a local one.
        timeout_seconds: how long an address may take.
    """

    def __init__(
        self,
        kind: str,
        *,
        provider_id: str,
        base_urls: Sequence[str] = (),
        api_key: str = "",
        model_path: str = "",
        timeout_seconds: float = 5.0,
    ) -> None:
        self._kind = kind
        self._id = provider_id
        self._urls = tuple(base_urls) or ("",)
        self._api_key = api_key
        self._model_path = model_path
        self._timeout = timeout_seconds
        self._lock = threading.Lock()
        self._asked_at = -FRESH_SECONDS
        self._error: Exception | None = None

    def __call__(self) -> None:
        """Ask.

        Raises:
            ConfigurationError: if there is no model file, or no key.
            ProviderError: of the kind that fits, if no address answers.
        """
        with self._lock:
            if time.monotonic() - self._asked_at >= FRESH_SECONDS:
                self._error = _raised(self._ask)
                self._asked_at = time.monotonic()
            error = self._error
        if error is not None:
            raise error.with_traceback(None)

    def _ask(self) -> None:
        if self._kind == "local":
            find_weights(self._model_path)
            return
        errors = [error for url in self._urls if (error := self._ask_address(url)) is not None]
        if len(errors) == len(self._urls):
            raise errors[0]

    def _ask_address(self, base_url: str) -> Exception | None:
        endpoint = http_endpoint(
            self._kind, provider_id=self._id, base_url=base_url, api_key=self._api_key
        )
        if endpoint is None:
            return None
        url = endpoint.base_url.rstrip("/")
        if endpoint.dialect == "messages":
            url = f"{url.removesuffix('/v1')}/v1"
            headers = {"anthropic-version": API_VERSION, "x-api-key": endpoint.api_key}
        else:
            headers = {"authorization": f"Bearer {endpoint.api_key}"}
        return self._get(f"{url}/models", headers if endpoint.api_key else {})

    def _get(self, url: str, headers: dict[str, str]) -> Exception | None:
        import httpx  # noqa: PLC0415 - 0.1 s, and few processes probe

        try:
            with httpx.stream("GET", url, headers=headers, timeout=self._timeout) as response:
                status = response.status_code
        except httpx.TimeoutException:
            return ProviderTimeoutError(f"no answer within {self._timeout:g} s", provider=self._id)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            return ProviderConnectionError(type(error).__name__, provider=self._id)
        if status in REFUSALS:
            return ProviderAuthenticationError(
                f"it refused our key with status {status}", provider=self._id
            )
        if status >= SERVER_ERROR:
            return ProviderResponseError(
                f"it answered with status {status}", provider=self._id, status=status
            )
        return None  # it answers, even if it knows no such list


def _raised(call: Callable[[], None]) -> Exception | None:
    try:
        call()
    except (ProviderError, ConfigurationError) as error:
        return error
    return None
