"""Messy answers: a rule somewhere between greetings, digressions, tables and code."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from crossmodel.evaluation.planted.families import Invented

_OPENINGS: Final = (
    "Happy to help! This comes up a lot, so bear with me while I sort out what matters.",
    "Good question. I had to dig through three old threads for this, and two of them were wrong.",
    "Sure. Before the answer, some background, because without it the rest looks arbitrary.",
    "Hi again! Short version at the end, long version first, as usual.",
    "Right, a classic. Everybody asks it in their second week and forgets it by Friday.",
)
_PARAGRAPHS: Final = """
I once spent a whole afternoon on the old system, and I would not wish that on anybody. It
crashed whenever somebody printed.

The merger changed a few things here. Most people did not notice, and those who did were on
holiday.

You might wonder why it is done this way. So did I. The person who decided it has retired
and keeps bees now.

If you are in a hurry, skip this part. It is about the heating, which still makes a noise.

There was a plan to tidy all this up. There is always a plan, and there is always a quarter
that is busier than the last.

The kitchen on the second floor has the better coffee, in case that helps while you wait.
"""
_DIGRESSIONS: Final = tuple(" ".join(lines.split()) for lines in _PARAGRAPHS.split("\n\n"))
_CLOSINGS: Final = (
    "Hope that helps! Shout if something is unclear.",
    "That is all I know. Good luck with it.",
    "Let me know how it goes, and please update the page if you find it.",
    "In doubt ask the front desk; they are friendlier than they look.",
)
_CODE: Final = (
    '```bash\nfind . -name "*.tmp" -mtime +30 -delete\n```',
    "```python\nfor row in rows:\n    print(row)\n```",
)
_TABLE: Final = "| Day | Open |\n|---|---|\n| weekdays | yes |\n| weekends | by bell |"
_LEADS: Final = (
    "", "Note: ", "**Important:** ", "For the record: ", "Now to what you asked. ",
    "As far as I can tell nothing has changed here. ", "Remember: ",
)  # fmt: skip


def messy_answer(invented: Invented, rng: random.Random, others: Sequence[str] = ()) -> str:
    """An answer of a few hundred words in which every saying and example stands once.

    ``others`` are sayings about other matters that stand in it too.
    """
    parts = [rng.choice(_OPENINGS), *rng.sample(_DIGRESSIONS, 2)]
    body = [_paragraph(saying, rng) for saying in invented.sayings]
    if invented.examples:
        body.append(_examples(invented.examples, rng))
    if rng.random() < 0.5:  # noqa: PLR2004 - a coin
        body.insert(0, f"## {invented.topic[:1].upper()}{invented.topic[1:]}")
    parts += body
    parts += [_paragraph(saying, rng) for saying in others]
    parts.append(rng.choice(_DIGRESSIONS))
    if rng.random() < 0.5:  # noqa: PLR2004 - a coin
        parts.append(rng.choice([*_CODE, _TABLE]))
    parts.append(rng.choice(_CLOSINGS))
    return "\n\n".join(parts)


def _paragraph(saying: str, rng: random.Random) -> str:
    """The saying as people write it: in a list, behind a word of warning, amid other sentences."""
    form = rng.randrange(4)
    if form == 0:
        return f"- {saying}\n- Ask before you change anything."
    if form == 1:
        return f"{rng.choice(_LEADS)}{saying}"
    before, after = rng.sample(_DIGRESSIONS, 2)
    if form == 2:  # noqa: PLR2004 - the third form
        return f"{before} {saying} {after}"
    return f"{rng.choice(_LEADS)}{saying} {after}"


def _examples(pairs: Sequence[tuple[str, str]], rng: random.Random) -> str:
    form = rng.randrange(3)
    if form == 0:
        rows = "\n".join(f"| {given} | {result} |" for given, result in pairs)
        return f"Some that are in use now:\n\n| Question | Answer |\n|---|---|\n{rows}"
    if form == 1:
        return "\n\n".join(f"Q: {given}\nA: {result}" for given, result in pairs)
    return "\n".join(f"- {given} → `{result}`" for given, result in pairs)
