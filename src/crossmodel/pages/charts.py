"""Pictures as inline SVG: they need no script, follow the page's colours and scale to a phone."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final, NamedTuple

from crossmodel.calibration import Interval

WIDTH: Final = 480
"""Of every picture, in its own units: letters of 16 units stay readable on a narrow screen."""

_BAR_ROW: Final = 62
_BAR_TOP: Final = 26
_BAR_HEIGHT: Final = 20
_BOX_HEIGHT: Final = 74
_BOX_GAP: Final = 30
_BOX_CHARACTERS: Final = 50
_REPLACED: Final = {ord("\0"): "\ufffd"} | {
    code: "\ufffd" for code in range(0x20) if chr(code) not in "\t\n\r"
}


class Bar(NamedTuple):
    """One bar: a share within 0..1 and its interval; the strong one is drawn in the accent."""

    label: str
    value: float
    interval: Interval
    note: str
    is_strong: bool = False


class Box(NamedTuple):
    """One link of a chain: what it is, what identifies it, how it hangs on to the one before."""

    name: str
    value: str
    relation: str = ""


def escaped(value: object) -> str:
    """Any text as HTML text or attribute value, whatever is in it."""
    text = str(value).translate(_REPLACED).encode("utf-8", "replace").decode("utf-8")
    return html.escape(text, quote=True)


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """Horizontal bars from 0 to 100 %, each with its interval as a whisker."""
    height = _BAR_ROW * len(bars) + 26
    described = "; ".join(f"{bar.label}: {bar.note}" for bar in bars)
    rows = [_bar(bar, _BAR_ROW * position) for position, bar in enumerate(bars)]
    axis = [
        f'<text class="tick" x="{_x(share):.1f}" y="{height - 4}" text-anchor="{anchor}">'
        f"{share:.0%}</text>"
        for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end"))
    ]
    return picture("bars", title, described, height, [*rows, *axis])


def chain(title: str, boxes: Sequence[Box]) -> str:
    """Boxes below each other, an arrow from each to the next."""
    step = _BOX_HEIGHT + _BOX_GAP
    height = step * len(boxes) - _BOX_GAP + 2
    described = "; ".join(f"{box.name}: {box.value}" for box in boxes)
    parts = []
    for position, box in enumerate(boxes):
        top = step * position + 1
        if position:
            parts.append(_arrow(top, box.relation))
        parts.append(
            f'<rect class="box" x="1" y="{top}" width="{WIDTH - 2}" height="{_BOX_HEIGHT}" '
            f'rx="10"/><text class="name" x="18" y="{top + 28}">{escaped(box.name)}</text>'
            f'<text class="value" x="18" y="{top + 54}">{escaped(_shortened(box.value))}</text>'
        )
    return picture("chain", title, described, height, parts)


def _bar(bar: Bar, top: int) -> str:
    low, high = _x(bar.interval.low), _x(bar.interval.high)
    y = top + _BAR_TOP
    middle = y + _BAR_HEIGHT / 2
    return (
        f'<text class="label" x="0" y="{top + 18}">{escaped(bar.label)}</text>'
        f'<text class="figure" x="{WIDTH}" y="{top + 18}" text-anchor="end">'
        f"{escaped(bar.note)}</text>"
        f'<rect class="track" x="0" y="{y}" width="{WIDTH}" height="{_BAR_HEIGHT}" rx="5"/>'
        f'<rect class="bar{" strong" if bar.is_strong else ""}" x="0" y="{y}" '
        f'width="{_x(bar.value):.1f}" height="{_BAR_HEIGHT}" rx="5"/>'
        f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}'
        f'M{low:.1f} {middle - 6}v12M{high:.1f} {middle - 6}v12"/>'
    )


def _x(share: float) -> float:
    return share * WIDTH


def _arrow(top: int, relation: str) -> str:
    start, tip = top - _BOX_GAP + 3, top - 4
    return (
        f'<path class="arrow" d="M34 {start}V{tip}m-6 -7l6 7l6 -7"/>'
        f'<text class="tick" x="52" y="{top - 10}">{escaped(relation)}</text>'
    )


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _BOX_CHARACTERS else line[: _BOX_CHARACTERS - 1] + "…"


def picture(name: str, title: str, described: str, height: int, parts: Sequence[str]) -> str:
    """An image with a title, and with words that say all that it shows; ``name`` is its own."""
    return (
        f'<svg class="{name}" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escaped(title)}</title>'
        f'<desc id="{name}-desc">{escaped(described)}</desc>{"".join(parts)}</svg>'
    )
