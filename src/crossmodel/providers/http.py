"""One request to an HTTP API: time limits, retries, size limit, and errors without secrets.

The HTTP client is loaded by the first request: it takes a tenth of a second, and a gateway, which
has its own, may never need this one.
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar
from urllib.parse import urlsplit

import msgspec

from crossmodel.errors import (
    SERVER_ERROR,
    ConfigurationError,
    InvalidInputError,
    ProviderAuthenticationError,
    ProviderConnectionError,
    ProviderError,
    ProviderRateLimitError,
    ProviderResponseError,
    ProviderTimeoutError,
)

if TYPE_CHECKING:
    import httpx

MAX_RESPONSE_BYTES: Final = 64 * 1024 * 1024
"""An answer longer than this is refused before it fills the memory."""

CONNECT_SECONDS: Final = 10.0
ATTEMPTS: Final = 4
EXCERPT: Final = 300
"""Characters of an error's body that are shown."""

Answer = TypeVar("Answer")


class Where(TypedDict):
    """What an error says of its origin."""

    provider: str
    model: str


class HttpApi:
    """A JSON API under one address. Its key appears in its headers and nowhere else.

    Args:
        provider_id: for error messages.
        base_url: http or https, without credentials.
        headers: sent with every request; may hold the key.
        secret: the key itself, so that it can be kept out of error messages.
        timeout_seconds: most seconds that one call may take, retries included.
        attempts: how often a call is tried that may succeed later.

    Raises:
        ConfigurationError: if the address or the key cannot be used.
    """

    def __init__(
        self,
        *,
        provider_id: str,
        base_url: str,
        headers: dict[str, str],
        secret: str,
        timeout_seconds: float,
        attempts: int = ATTEMPTS,
    ) -> None:
        _check_key(secret, provider_id)
        self._provider_id = provider_id
        self._secret = secret
        self._timeout = timeout_seconds
        self._attempts = attempts
        self._base_url = _checked_url(base_url, provider_id)
        self._headers = headers
        self._client: httpx.AsyncClient | None = None
        self._is_closed = False

    async def post(
        self, path: str, body: dict[str, Any], answer: type[Answer], model: str
    ) -> Answer:
        """Send ``body`` as JSON and read the answer as ``answer``.

        Raises:
            ConfigurationError: if the address has a host that no request can be sent to.
            InvalidInputError: if ``body`` cannot be written as JSON.
            ProviderError: of the kind that fits what went wrong.
        """
        import stamina  # noqa: PLC0415 - see the module

        if self._is_closed:
            raise ProviderError("it is closed", provider=self._provider_id, model=model)
        client = self._client = self._client or self._new_client()
        sent = json_bytes(body)
        deadline = time.monotonic() + self._timeout
        try:
            async with asyncio.timeout(self._timeout):
                async for attempt in stamina.retry_context(
                    on=lambda error: _retry(error, deadline - time.monotonic()),
                    attempts=self._attempts,
                    timeout=self._timeout,
                    wait_initial=0.2,
                    wait_max=10.0,
                ):
                    with attempt:
                        return await self._post_once(client, path, sent, answer, model)
        except TimeoutError as error:
            if isinstance(error, ProviderError):
                raise
            raise ProviderTimeoutError(
                f"no answer within {self._timeout:g} s", provider=self._provider_id, model=model
            ) from None
        raise AssertionError("the last attempt returns or raises")

    async def close(self) -> None:
        """Close the connections; safe to call twice."""
        self._is_closed = True
        if self._client is not None:
            await self._client.aclose()

    def _new_client(self) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 - see the module

        try:
            url = httpx.URL(self._base_url)
            url.host  # noqa: B018 - it raises if it is no name (RFC 5891)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ConfigurationError(
                f"base_url of provider {self._provider_id!r}: {error}"
            ) from None
        return httpx.AsyncClient(
            base_url=url,
            headers=self._headers,
            timeout=httpx.Timeout(self._timeout, connect=min(CONNECT_SECONDS, self._timeout)),
            follow_redirects=False,  # a redirect could carry the key elsewhere
            trust_env=False,
        )

    async def _post_once(
        self, client: httpx.AsyncClient, path: str, body: bytes, answer: type[Answer], model: str
    ) -> Answer:
        import httpx  # noqa: PLC0415 - see the module

        where: Where = {"provider": self._provider_id, "model": model}
        try:
            async with client.stream(
                "POST",
                path,
                content=body,
                headers={"content-type": "application/json"},
            ) as response:
                raw = await self._read(response, where)
        except httpx.TimeoutException:
            raise ProviderTimeoutError("no answer in time", **where) from None
        except httpx.HTTPError as error:
            # from None: httpx errors carry the request, and with it the key
            raise ProviderConnectionError(
                self._scrubbed(f"{type(error).__name__}: {error}"), **where
            ) from None
        if response.status_code != HTTPStatus.OK:
            raise self._refusal(response, raw, where)
        try:
            return msgspec.json.decode(raw, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderResponseError(
                self._scrubbed(f"the answer cannot be read: {error}"), status=200, **where
            ) from None

    async def _read(self, response: httpx.Response, where: Where) -> bytes:
        raw = bytearray()
        async for chunk in response.aiter_bytes():
            raw += chunk
            if len(raw) > MAX_RESPONSE_BYTES:
                raise ProviderResponseError(
                    f"the answer is longer than {MAX_RESPONSE_BYTES:,} bytes", **where
                )
        return bytes(raw)

    def _refusal(self, response: httpx.Response, raw: bytes, where: Where) -> ProviderError:
        status = response.status_code
        # scrubbed before it is cut: half a key is too much
        said = " ".join(self._scrubbed(raw.decode("utf-8", "replace")).split())
        message = f"HTTP {status}: {said[:EXCERPT]}"
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return ProviderAuthenticationError(message, **where)
        if status == HTTPStatus.REQUEST_TIMEOUT:
            return ProviderTimeoutError(message, **where)
        wait = retry_after_seconds(response.headers.get("retry-after"))
        asks_to_wait = wait is not None and status >= SERVER_ERROR  # a 503, most often
        if status == HTTPStatus.TOO_MANY_REQUESTS or asks_to_wait:
            return ProviderRateLimitError(message, retry_after_seconds=wait, **where)
        return ProviderResponseError(message, status=status, **where)

    def _scrubbed(self, text: str) -> str:
        return text.replace(self._secret, "[key]") if self._secret else text


def _retry(error: Exception, seconds_left: float) -> bool | float:
    """Whether to try again, or after how many seconds if the provider named a time.

    A time past the limit is not waited for: the caller learns of it at once.
    """
    if not isinstance(error, ProviderError) or not error.retryable:
        return False
    wait: float | None = getattr(error, "retry_after_seconds", None)
    if wait is None:
        return True
    return wait if wait < seconds_left else False


def json_bytes(body: dict[str, Any]) -> bytes:
    """The body of a request.

    Raises:
        InvalidInputError: if it holds what JSON has no form for.
    """
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        raise InvalidInputError(
            "a message holds half of a surrogate pair, which cannot be sent: remove it"
        ) from None
    except (TypeError, RecursionError) as error:
        raise InvalidInputError(f"the request cannot be written as JSON: {error}") from None


def retry_after_seconds(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for: a number or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        seconds = (until - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _checked_url(base_url: str, provider_id: str) -> str:
    try:
        url = urlsplit(base_url)
        url.port  # noqa: B018 - it raises if it is no port
    except ValueError as error:
        raise ConfigurationError(f"base_url of provider {provider_id!r}: {error}") from None
    is_whole = url.scheme in {"http", "https"} and url.hostname and base_url.isprintable()
    if not is_whole or "@" in url.netloc or url.query or url.fragment:
        raise ConfigurationError(
            f"base_url of provider {provider_id!r} must be http(s)://host/… without credentials "
            "and without a query"
        )
    return base_url


def _check_key(key: str, provider_id: str) -> None:
    """Refuses what no header can carry; the HTTP library's own error would show the key."""
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigurationError(
            f"the key of provider {provider_id!r} holds a space, a line end or another character "
            "that a key cannot have: look at the variable that it comes from"
        )
