"""What somebody's own grader says of an answer, as a score."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError

Grader = Callable[[str, str], float | bool | Awaitable[float | bool]]
"""Says how good an answer is: from the question and the answer to 0..1, or whether it is right."""


async def graded(grader: Grader, question: str, answer: str) -> float:
    """The grader's score of the answer, 0..1. A grader that is no coroutine runs in a thread.

    Raises:
        InvalidInputError: if the grader fails, or what it says is no score.
    """
    name = getattr(grader, "__name__", type(grader).__name__)
    try:
        if inspect.iscoroutinefunction(grader):
            said = await grader(question, answer)
        else:
            said = await asyncio.to_thread(grader, question, answer)
            if inspect.isawaitable(said):
                said = await said
    except Exception as error:
        raise InvalidInputError(
            f"grader {name!r} failed, so nothing was recorded: {type(error).__name__}: {error}"
        ) from error
    score = float(said) if isinstance(said, bool) else said
    return float(checks.unit_interval(f"the score of grader {name!r}", score))
