"""How an insight reads: in one line, able to stand alone, or as the two sides of an example."""

from __future__ import annotations

import re
from typing import Final

from crossmodel.domain.insight import Insight, InsightKind

_ANNOUNCED: Final = re.compile(
    r"""[*_\s]*(?:note|notes|nb|n\.b\.|important|remember|reminder|warning|caution|caveat|tip|hint
    |fyi|rule(?:\ of\ thumb)?|key\ (?:point|fact|rule)|fact|for\ the\ record|good\ to\ know
    |in\ short|also|please\ note(?:\ that)?|to\ be\ clear|the\ rule)
    [*_]*\s*[:\uff1a][*_]*\s+(?=\S)""",
    re.VERBOSE | re.IGNORECASE,
)
"""What only says that something comes."""

_WORDS: Final = re.compile(r"[^\W_]{3,}")


def worked_example(insight: Insight) -> tuple[str, str] | None:
    """Input and output of a worked example that says both; ``None`` for anything else."""
    if insight.kind != InsightKind.EXAMPLE:
        return None
    given, result = insight.metadata.get("input"), insight.metadata.get("output")
    if not (isinstance(given, str) and isinstance(result, str)):
        return None
    given, result = given.strip(), result.strip()
    return (given, result) if given and result else None


def unannounced(text: str) -> str:
    """``text`` without words that only announce it, such as "Note:"."""
    return _ANNOUNCED.sub("", text, count=1)


def one_line(text: str) -> str:
    """``text`` with every run of white space as one space."""
    return " ".join(text.split())


def is_row(insight: Insight) -> bool:
    """Whether it is a row of a table whose key asks nothing: a value to look up."""
    example = worked_example(insight)
    return bool(example and insight.metadata.get("columns") and "?" not in example[0])


def statement(insight: Insight) -> str:
    """What an insight says, in one line that can stand alone.

    A row names its columns; a sentence whose heading it needs to be understood begins with that;
    words that only announce it ("Note:", "For the record:") are left out.
    """
    said = one_line(insight.content)
    example = worked_example(insight)
    if example is not None and is_row(insight):
        (first, second), (given, result) = insight.metadata["columns"], example
        said = f"{first} {one_line(given)}: {second} {one_line(result)}"
    else:
        said = unannounced(said)
    scope = one_line(insight.scope)
    stands_alone = not scope or any(
        word in said.casefold() for word in _WORDS.findall(scope.casefold())
    )
    return said if stands_alone else f"{scope}: {said}"
