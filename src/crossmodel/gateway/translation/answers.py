"""Whole answers: a message as a chat completion, and back."""

from __future__ import annotations

from typing import Any

from crossmodel.errors import InvalidInputError, ProviderResponseError
from crossmodel.gateway.translation.content import text_block
from crossmodel.gateway.translation.counts import chat_usage, messages_usage
from crossmodel.gateway.translation.reading import Json, list_of, object_of, refuse, text_of
from crossmodel.gateway.translation.reasons import finish_reason, stop_reason
from crossmodel.gateway.translation.tools import block_to_call, call_to_block


def message_to_completion(message: Json, *, created: int) -> Json:
    """A Messages answer as a chat completion.

    Thoughts become ``reasoning_content``, where many chat servers put theirs and clients look.

    Args:
        message: the answer's body.
        created: Unix time in seconds, which chat states and Messages does not.

    Raises:
        ProviderResponseError: if it is no message, or holds what chat cannot express.
    """
    try:
        return _completion(message, created)
    except InvalidInputError as error:
        raise _unreadable(error) from None


def completion_to_message(completion: Json) -> Json:
    """A chat completion as a Messages answer; of several choices the first.

    The reasoning that some servers show is left out: a thinking block needs its provider's
    signature, and without one the next turn would be refused.

    Raises:
        ProviderResponseError: if it is no completion, or a tool call's arguments are no object.
    """
    try:
        return _message(completion)
    except InvalidInputError as error:
        raise _unreadable(error) from None


def _unreadable(error: InvalidInputError) -> ProviderResponseError:
    return ProviderResponseError(f"the answer cannot be translated: {error}", status=200)


def _completion(message: Json, created: int) -> Json:
    object_of(message, "answer")
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Json] = []
    for n, given in enumerate(list_of(message.get("content"), "content")):
        path = f"content[{n}]"
        block = object_of(given, path)
        kind = block.get("type")
        if kind == "text":
            texts.append(text_of(block.get("text"), f"{path}.text"))
        elif kind == "tool_use":
            calls.append(block_to_call(block, path))
        elif kind == "thinking":
            thoughts.append(text_of(block.get("thinking"), f"{path}.thinking"))
        elif kind != "redacted_thinking":  # which nobody but its provider can read
            raise refuse(f"{path}.type", f"chat has nothing like {kind!r}")
    made: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "refusal": _explanation(message),
    }
    if thoughts:
        made["reasoning_content"] = "".join(thoughts)
    if calls:
        made["tool_calls"] = calls
    reason = finish_reason(message.get("stop_reason"))
    return {
        "id": text_of(message.get("id"), "id"),
        "object": "chat.completion",
        "created": created,
        "model": text_of(message.get("model"), "model"),
        "choices": [{"index": 0, "message": made, "logprobs": None, "finish_reason": reason}],
        "usage": chat_usage(message.get("usage")),
    }


def _explanation(message: Json) -> str | None:
    details = message.get("stop_details")
    said = details.get("explanation") if isinstance(details, dict) else None
    return said if message.get("stop_reason") == "refusal" and isinstance(said, str) else None


def _message(completion: Json) -> Json:
    object_of(completion, "answer")
    choices = list_of(completion.get("choices"), "choices")
    if not choices:
        raise refuse("choices", "must hold at least one choice")
    choice = object_of(choices[0], "choices[0]")
    answer = object_of(choice.get("message"), "choices[0].message")
    path = "choices[0].message"
    if answer.get("audio") is not None:
        raise refuse(f"{path}.audio", "Messages has nothing like it")
    content = _texts(answer.get("content"), f"{path}.content")
    refusal = answer.get("refusal")
    if refusal:
        content.append(text_block(text_of(refusal, f"{path}.refusal")))
    calls = list_of(answer.get("tool_calls") or [], f"{path}.tool_calls")
    content += [call_to_block(call, f"{path}.tool_calls[{n}]") for n, call in enumerate(calls)]
    reason = stop_reason(choice.get("finish_reason"), called=bool(calls), refused=bool(refusal))
    matched = choice.get("stop_reason")  # vLLM and its kin say which text has stopped the answer
    if reason != "end_turn" or not isinstance(matched, str):
        matched = None
    return {
        "id": text_of(completion.get("id"), "id"),
        "type": "message",
        "role": "assistant",
        "model": text_of(completion.get("model"), "model"),
        "content": content,
        "stop_reason": "stop_sequence" if matched is not None else reason,
        "stop_sequence": matched,
        "usage": messages_usage(completion.get("usage")),
    }


def _texts(content: object, path: str) -> list[Json]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [text_block(content)]
    return [
        text_block(text_of(object_of(part, f"{path}[{n}]").get("text"), f"{path}[{n}].text"))
        for n, part in enumerate(list_of(content, path))
    ]
