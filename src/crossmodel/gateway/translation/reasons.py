"""Why an answer ended, in both dialects' words."""

from __future__ import annotations

from typing import Final

_TO_CHAT: Final = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # not finished: to say "stop" would call it complete
    "refusal": "content_filter",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}
_TO_MESSAGES: Final = {
    "content_filter": "refusal",
    "function_call": "tool_use",
    "length": "max_tokens",
    "stop": "end_turn",
    "tool_calls": "tool_use",
}


def finish_reason(stop_reason: object) -> str:
    """A Messages stop reason in chat's words; one that nobody knows yet is a plain stop."""
    return _TO_CHAT.get(stop_reason, "stop") if isinstance(stop_reason, str) else "stop"


def stop_reason(finish_reason: object, *, called: bool, refused: bool = False) -> str:
    """A chat finish reason in Messages' words.

    Args:
        finish_reason: chat's word; one that nobody knows yet is a plain end.
        called: whether the answer calls tools: many servers then say "stop" all the same, and a
            Messages client would not run them.
        refused: whether the model refused in the field that chat has for it.
    """
    known = _TO_MESSAGES.get(finish_reason) if isinstance(finish_reason, str) else None
    if refused and known in {None, "end_turn"}:
        return "refusal"
    if called and known in {None, "end_turn"}:
        return "tool_use"
    return known or "end_turn"
