"""A provider's key is taken out of its answers: some servers repeat what they were asked with."""

from __future__ import annotations

from typing import Final

LEAST_HIDDEN: Final = 16
"""Shorter keys are words such as ``none``, that local servers take, and answers may say them."""


def redacted(text: bytes, secret: bytes) -> bytes:
    """The whole ``text`` with stars for ``secret``; an empty ``secret`` hides nothing."""
    return text.replace(secret, b"*" * len(secret)) if secret and secret in text else text


def without(secret: bytes, data: bytes) -> tuple[bytes, bytes]:
    """``data`` with stars for ``secret``, without its end if that may be a beginning of it.

    Both parts together are as long as ``data``, so that what was said of its length holds.

    Returns:
        What may be sent, and what must wait until it is known what follows.
    """
    data = redacted(data, secret)
    if not data or data[-1] not in secret:
        return data, b""
    at = data.find(secret[0], max(0, len(data) - len(secret) + 1))
    while at >= 0:
        if secret.startswith(data[at:]):
            return data[:at], data[at:]
        at = data.find(secret[0], at + 1)
    return data, b""
