"""Pieces of HTML. What is no :class:`markupsafe.Markup` is text, whatever it looks like."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup, escape

Piece = object
"""Markup, or what is shown as text."""

NONE: Final = "\N{EN DASH}"
"""Stands where there is no value."""

_VOID: Final = frozenset({"br", "hr", "input", "link", "meta"})

_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Controls, half surrogate pairs, and what turns a text around: sources may lie with it."""


def shown(value: object) -> str:
    """Text that can be sent and seen: what cannot is U+FFFD, one for one; carriage returns go."""
    return _HIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(value).replace("\r\n", "\n"))


def join(pieces: Iterable[Piece]) -> Markup:
    """The pieces one after another."""
    return Markup().join(
        each if isinstance(each, Markup) else escape(shown(each)) for each in pieces
    )


def tag(element: str, /, *children: Piece, **attributes: object) -> Markup:
    """An element. ``class_`` is ``class``, ``aria_label`` ``aria-label``; ``False`` leaves out."""
    written = Markup()
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        if value is True:
            written += Markup(" {}").format(attribute)
        else:
            written += Markup(' {}="{}"').format(attribute, shown(value))
    opened = Markup("<{}{}>").format(element, written)
    if element in _VOID:
        return opened
    return opened + join(children) + Markup("</{}>").format(element)


def link(href: str, *children: Piece, **attributes: object) -> Markup:
    """A link to a page of ours."""
    return tag("a", *children, href=href, **attributes)


def code(value: object) -> Markup:
    """An id or a command."""
    return tag("code", value)


def badge(text: object, kind: str = "") -> Markup:
    """A word about how something stands: ``good``, ``bad``, ``doubtful``, or neither."""
    return tag("span", text, class_=f"badge {kind}".strip())


def moment(at: datetime | None) -> Markup:
    """A time in UTC, to the second."""
    if at is None:
        return Markup("\N{EN DASH}")
    utc = at.astimezone(UTC)
    return tag("time", f"{utc:%Y-%m-%d %H:%M:%S} UTC", datetime=utc.isoformat())


def usd(value: float | None) -> str:
    """An amount: small ones with as many digits as it takes to see them."""
    if value is None:
        return NONE
    return f"${value:,.2f}" if value == 0 or abs(value) >= 1 else f"${value:,.6f}"


def share(value: float | None) -> str:
    """A number 0..1 as a percentage."""
    return NONE if value is None else f"{100 * value:.1f} %"


def short(text: str, most: int = 160) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Piece]],
    *,
    numeric: Collection[int] = (),
) -> Markup:
    """A table that scrolls sideways by itself. The first cell of a row names the row."""
    head = tag(
        "tr",
        *(
            tag("th", name, scope="col", class_="number" if position in numeric else None)
            for position, name in enumerate(columns)
        ),
    )
    body = join(
        tag(
            "tr",
            *(
                tag("th", cell, scope="row")
                if position == 0
                else tag("td", cell, class_="number" if position in numeric else None)
                for position, cell in enumerate(row)
            ),
        )
        for row in rows
    )
    made = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body))
    return tag("div", made, class_="scrolls", tabindex=0, role="region", aria_label=caption)


def facts(*pairs: tuple[str, Piece]) -> Markup:
    """Names and values."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs))


def empty(said: str, do: str = "", command: str = "") -> Markup:
    """That there is nothing here, and what to do about it."""
    return tag(
        "div",
        tag("p", said),
        tag("p", do) if do else "",
        tag("pre", tag("code", command)) if command else "",
        class_="empty",
    )


def spoken(said: object) -> str:
    """A message as a sentence: errors begin small and end without a stop."""
    text = str(said)
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")


def sentence(said: object, kind: str = "bad") -> Markup:
    """A message that is read out at once."""
    said = spoken(said)
    return tag("p", said, role="alert" if kind == "bad" else "status", class_=f"sentence {kind}")


def section(title: str, *children: Piece, id_: str | None = None) -> Markup:
    """A part of a page, under a heading of its own."""
    return tag("section", tag("h2", title, id=id_), *children)
