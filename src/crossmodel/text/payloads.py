"""What the payloads of a turn say: texts, and the messages inside of a recorded request."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


def texts_in(values: Iterable[bytes]) -> set[str]:
    """The payloads themselves as texts, and the contents of messages of those that are requests."""
    texts: set[str] = set()
    for value in values:
        text = value.decode("utf-8", "surrogatepass")
        texts.add(text)
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            continue
        messages = document.get("messages", ()) if isinstance(document, dict) else document
        texts |= set(_contents(messages))
    return texts


def _contents(messages: Any) -> Iterable[str]:
    """The contents of messages, as far as these are messages: an answer may be any JSON."""
    for each in messages if isinstance(messages, list) else ():
        if isinstance(each, dict) and isinstance(each.get("content"), str):
            yield each["content"]
