"""What is left out of a translated request: fields whose loss does not change the answer's meaning.

All else that the other dialect cannot express is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

CHAT_HINTS: Final = frozenset({
    "metadata",  # labels for the provider's own dashboard
    "prediction",  # makes a known text come faster
    "prompt_cache_key",  # these three steer a cache; the answer is the same without
    "prompt_cache_options",
    "prompt_cache_retention",
    "seed",  # best effort by its own definition
    "service_tier",  # how fast, and at what price
    "store",  # whether the provider keeps a copy
})  # fmt: skip
"""Fields of a chat request that are left out for a Messages model.

``user`` is not among them: it becomes ``metadata.user_id``.
"""

CHAT_NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "presence_penalty": (0,),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
}
"""Fields of a chat request that Messages lacks, and the values that ask for nothing."""

MESSAGES_HINTS: Final = frozenset({
    "cache_control",  # these two steer and explain a cache
    "diagnostics",
    "service_tier",  # how fast, and at what price
    "speed",
})  # fmt: skip
"""Fields of a Messages request that are left out for a chat model.

Of ``thinking``, how much and how it is shown is left out as well: a chat model has its own measure
of it (``output_config.effort``), and only the order not to think at all is passed on.
"""

BLOCK_HINTS: Final = frozenset({
    "cache_control",  # steers a cache
    "caller",  # who called a tool, where only the model itself can have
    "citations",  # where an earlier text came from; the text itself is kept
    "transformations",  # what to do with an image that is too large
})  # fmt: skip
"""Fields of a content block that are left out for a chat model.

Thinking blocks of earlier turns are left out whole: they are signed for one provider.
"""

PART_HINTS: Final = frozenset({"prompt_cache_breakpoint"})
"""Fields of a content part that are left out for a Messages model; so is an image's ``detail``."""

TURN_HINTS: Final = frozenset({
    "annotations",  # where an earlier text came from
    "reasoning",  # what other servers call the next one
    "reasoning_content",  # what an earlier turn thought; Messages takes only signed thoughts
})  # fmt: skip
"""Fields of an assistant's turn that are left out for a Messages model."""

TOOL_HINTS: Final = frozenset({
    "cache_control",  # steers a cache
    "eager_input_streaming",  # how finely arguments are cut while they stream
})  # fmt: skip
"""Fields of a Messages tool that are left out for a chat model."""
