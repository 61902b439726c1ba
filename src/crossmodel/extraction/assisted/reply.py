"""What a model's reply says: JSON as asked for, or as near to it as can be read."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.assisted.asking import KINDS, TYPES

_CLAIMS: Final = '"claims"'
_DECODER: Final = json.JSONDecoder()
_BETWEEN: Final = re.compile(r"[\s,]*")


class Claim(NamedTuple):
    """Something that the text says, says the model."""

    quote: str
    kind: str
    insight_type: str


class Reply(NamedTuple):
    """The claims, how many more had no such form, and whether the reply came to its end."""

    claims: list[Claim]
    malformed: int
    is_whole: bool


def read_reply(text: str) -> Reply | None:
    """The claims of a reply, or ``None`` if it is no JSON of claims at all.

    Takes fences, words and thoughts around the JSON, a bare list, and bare strings for claims; of
    a reply that was cut off, what came before the cut. Linear in the length of the reply.
    """
    reply = text.rpartition("</think>")[2]
    named = reply.find(_CLAIMS)
    begin = reply.rfind("{", 0, named) if named >= 0 else -1
    if begin < 0:
        begin = min((at for at in map(reply.find, "{[") if at >= 0), default=-1)
    if begin < 0:
        return None
    try:
        value, _ = _DECODER.raw_decode(reply, begin)
    except (ValueError, RecursionError):
        opening = reply.find("[", max(named, begin))
        if opening < 0:
            return None
        values = _until_cut(reply, opening + 1)
        return _reply(values, is_whole=False) if values else None
    found = value.get("claims") if isinstance(value, dict) else value
    return _reply(found, is_whole=True) if isinstance(found, list) else None


def _until_cut(reply: str, at: int) -> list[Any]:
    values: list[Any] = []
    while True:
        gap = _BETWEEN.match(reply, at)
        at = gap.end() if gap else at
        if reply[at : at + 1] not in {"{", '"'}:
            return values
        try:
            value, at = _DECODER.raw_decode(reply, at)
        except (ValueError, RecursionError):
            return values
        values.append(value)


def _reply(values: list[Any], *, is_whole: bool) -> Reply:
    claims = [claim for claim in map(_claim, values) if claim is not None]
    return Reply(list(dict.fromkeys(claims)), len(values) - len(claims), is_whole)


def _claim(value: Any) -> Claim | None:
    row = value if isinstance(value, dict) else {"quote": value}
    quote = row.get("quote")
    if not isinstance(quote, str) or not quote.strip():
        return None
    kind, insight_type = row.get("kind"), row.get("type")
    return Claim(
        quote,
        kind if kind in KINDS else str(InsightKind.CLAIM),
        insight_type if insight_type in TYPES else str(InsightType.REASONING),
    )
