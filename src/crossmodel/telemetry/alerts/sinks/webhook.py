"""A program is told over HTTP, signed as Standard Webhooks has it.

The specification: https://github.com/standard-webhooks/standard-webhooks, ``spec/``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from crossmodel.balancing.retry_after import retry_after_seconds
from crossmodel.domain.alerts import Notification, Severity
from crossmodel.errors import ConfigurationError
from crossmodel.telemetry.alerts.sink import SinkError

if TYPE_CHECKING:
    import httpx

PREFIX: Final = "whsec_"
LEAST_BYTES: Final = 24
MOST_BYTES: Final = 64
"""What the specification asks of a secret's length."""

FINAL: Final = frozenset({400, 413, 422})
"""Statuses that refuse this very message. Others may pass: receivers are mended, keys changed."""


def parse_secret(text: str) -> bytes:
    """The bytes of a secret ``whsec_…`` in base64.

    Raises:
        ConfigurationError: if it is none; the message does not show it.
    """
    encoded = text.removeprefix(PREFIX)
    try:
        secret = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if encoded == text or not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise ConfigurationError(
            f"the webhook's secret must be {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in "
            "base64: python -c \"import base64, os; print('whsec_' + "
            'base64.b64encode(os.urandom(32)).decode())" makes one'
        )
    return secret


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature``: HMAC-SHA256 (RFC 2104) of id, time and body."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


class WebhookSink:
    """``POST`` of a notification's body. Redirects are not followed: they could lead anywhere.

    Args:
        name: of the sink.
        url: http or https, without credentials; it may hold a token in its path or query, so no
            message shows it.
        secret: signs it, see :func:`parse_secret`; empty for receivers that check nothing.
        least_severity: what matters less is not sent.
        time_limit_seconds: how long it may take.
        clock: seconds since 1970.

    Raises:
        ConfigurationError: if the address or the secret cannot be used.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        secret: str = "",
        least_severity: Severity = Severity.INFO,
        time_limit_seconds: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.least_severity = least_severity
        self.time_limit_seconds = time_limit_seconds
        self._url = url
        self._host = _host(url, name)
        self._secret = parse_secret(secret) if secret else b""
        self._clock = clock
        self._client: httpx.Client | None = None

    def deliver(self, notification: Notification) -> None:
        """Send it; taken once the receiver answers with a status of 2xx.

        Raises:
            SinkError: if it was not taken.
        """
        import httpx  # noqa: PLC0415 - 0.1 s, and only who alerts needs it

        if self._client is None:
            self._client = httpx.Client(timeout=self.time_limit_seconds, follow_redirects=False)
        try:
            with self._client.stream(
                "POST", self._url, content=notification.body, headers=self._headers(notification)
            ) as response:  # whatever the receiver says beside its status is not read
                status, retry_after = response.status_code, response.headers.get("retry-after", "")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SinkError(f"{self._host}: {type(error).__name__}") from None
        if not httpx.codes.is_success(status):
            raise SinkError(
                f"{self._host} answered with status {status}",
                is_final=status in FINAL,
                retry_after_seconds=retry_after_seconds(
                    retry_after.encode("latin-1"), self._clock()
                ),
            )

    def _headers(self, notification: Notification) -> dict[str, str]:
        at = int(self._clock())
        headers = {
            "content-type": "application/json",
            "user-agent": "crossmodel-alerts",
            "webhook-id": notification.id,
            "webhook-timestamp": str(at),
        }
        if self._secret:
            headers["webhook-signature"] = sign(
                self._secret, notification.id, at, notification.body
            )
        return headers


def _host(url: str, name: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            f"the url of sink {name!r} must be http:// or https://, with a host and without "
            "credentials"
        )
    return str(parts.hostname)
