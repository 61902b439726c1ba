"""What the tests ask, and how they hear the answer of whichever client."""

from __future__ import annotations

import base64
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gateway.process import Gateway

AT_ONCE = 8
"""Requests under way where many are needed."""

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "units": {"enum": ["C", "F"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
CHAT_TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "description": "d", "parameters": SCHEMA}}
    for name in ("weather", "forecast")
]
CLAUDE_TOOLS: list[Any] = [
    {"name": name, "description": "d", "input_schema": SCHEMA} for name in ("weather", "forecast")
]
ASKED: list[Any] = [{"role": "user", "content": "Wie wird das Wetter in Zürich? 🙂"}]
PIXEL = b"\x89PNG\r\n\x1a\n not much of an image"
PIXEL_BASE64 = base64.b64encode(PIXEL).decode()
PIXEL_URL = f"data:image/png;base64,{PIXEL_BASE64}"
FAR_URL = "https://images.test/cat.png?size=1&v=é"


def chat_image(url: str) -> list[Any]:
    """A question with an image, as chat has it."""
    parts = [{"type": "text", "text": "What is this?"},
             {"type": "image_url", "image_url": {"url": url}}]  # fmt: skip
    return [{"role": "user", "content": parts}]


def claude_image(source: dict[str, str]) -> list[Any]:
    """A question with an image, as Messages has it."""
    parts = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    return [{"role": "user", "content": parts}]


BASE64_SOURCE = {"type": "base64", "media_type": "image/png", "data": PIXEL_BASE64}
URL_SOURCE = {"type": "url", "url": FAR_URL}


async def settled(result: Any) -> Any:
    """What a client gave: at once, or when it has come."""
    return await result if inspect.isawaitable(result) else result


async def listed(stream: Any) -> list[Any]:
    """All events of a stream."""
    stream = await settled(stream)
    if hasattr(stream, "__aiter__"):
        return [event async for event in stream]
    return list(stream)


def body_of(path: str, model: str, **more: Any) -> dict[str, Any]:
    """A request for any path with a question."""
    asked: dict[str, dict[str, Any]] = {
        "/v1/chat/completions": {"messages": ASKED},
        "/v1/messages": {"messages": ASKED, "max_tokens": 9000},
        "/v1/completions": {"prompt": "Wie wird das Wetter?"},
        "/v1/responses": {"input": "Wie wird das Wetter?"},
    }
    return {"model": model, **asked[path], **more}


def at_every_cut(
    gateway: Gateway, path: str, body: dict[str, Any], size: int, *, step: int = 1, ends: str = ""
) -> list[tuple[int, bytes]]:
    """The bodies of answers whose first ``n`` bytes come alone, for each ``n`` up to ``size``."""

    def share(first: int) -> list[tuple[int, bytes]]:
        found = []
        with gateway.connect() as client:
            for at in range(first * step, size, AT_ONCE * step):
                headers = [("x-api-key", gateway.key), ("x-behave", f"halt-{at}{ends}")]
                answer = client.ask("POST", path, body, headers)
                assert answer.complete, (at, answer)
                found.append((at, answer.body))
        return found

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return [one for some in threads.map(share, range(AT_ONCE)) for one in some]


def model_for(path: str, behaviour: str) -> str:
    """The model that behaves so and speaks what is spoken on that path."""
    return f"claude/{behaviour}" if path == "/v1/messages" else behaviour
