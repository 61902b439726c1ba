"""What a request may cost at most, before anybody has answered it."""

from __future__ import annotations

from typing import Final, NamedTuple

from crossmodel.domain.models import ModelSpec

BYTES_PER_TOKEN: Final = 4
"""What a token of English text has, roughly: for estimates, not for bounds."""

MOST_UNSTATED: Final = 16_384
"""Output tokens that are reserved where neither the request nor the model's row sets a limit."""

MOST_ANSWERS: Final = 1_000_000
"""More answers to one request than any provider gives, and still a figure to reckon with."""


class Bound(NamedTuple):
    """What a request may take of a budget, in USD, and about how many tokens it will have."""

    most_usd: float
    tokens: int


def bound(
    model: ModelSpec,
    body_bytes: int,
    max_tokens: int | None,
    *,
    answers: int = 1,
    is_text: bool = True,
) -> Bound:
    """What to reserve for a request of one model.

    Money is reserved by what the call can cost at most, since a budget that is overspent is none:

    * Input has no more tokens than bytes, as tokens stand for at least one byte each, and no more
      than the context window. Images, sound, and what is only referred to (a file, an address, an
      earlier answer) have as many tokens as the provider likes: then it is the whole window.
    * Output is limited by the request, the model's ``max_output_tokens`` and its context window.
      If neither of the first two is there, the window alone says little, as hardly any model writes
      as long as it can read; reserving all of it would shut small budgets to clients that state no
      limit, and most do not. So :data:`MOST_UNSTATED` tokens are reserved. An answer that is longer
      yet is charged in full when it ends: a budget can be passed by no more than that excess of the
      calls in flight. Who wants none gives the model its ``max_output_tokens``.

    Tokens are an estimate, of what was sent and what the request asks for. A rate is an average:
    what an answer has beyond that is charged when it ends, and then has to be waited for. To hold
    all of a context window against the rate meanwhile would let clients ask one at a time.

    Args:
        model: who would be asked.
        body_bytes: size of the request's body.
        max_tokens: most tokens of each answer, as the request says; ``None`` if it does not. Less
            than 1 counts as that, since some servers take -1 for no limit.
        answers: how many are asked for (``n``, or ``best_of`` if that is more).
        is_text: whether all that the model will read is text in the body.
    """
    window = model.context_window
    inputs = min(body_bytes, window) if is_text else window
    stated = max_tokens if max_tokens is not None and max_tokens > 0 else None
    outputs = window
    if model.max_output_tokens is not None:
        outputs = min(outputs, model.max_output_tokens)
    elif stated is None:
        outputs = min(outputs, MOST_UNSTATED)
    if stated is not None and stated < outputs:
        outputs = stated
    times = min(max(answers, 1), MOST_ANSWERS)
    asked_for = 0 if stated is None else outputs * times
    return Bound(model.cost_usd(inputs, outputs * times), body_bytes // BYTES_PER_TOKEN + asked_for)
