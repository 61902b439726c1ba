"""Charts as SVG in the page: they take the page's colours, and a table beside them says the same.

Coordinates are in CSS pixels. For people who do not see it, each has one sentence in its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from crossmodel.dashboard.markup import join, short, tag

WIDTH: Final = 640
LABELS: Final = 220
"""Of which the names take so many."""

ROW: Final = 26
PLOT: Final = 300
"""The side of a square plot."""

MARGIN: Final = 56
MOST_ROWS: Final = 60
"""Rows of a chart: more are in the table."""


def intervals(title: str, rows: Sequence[tuple[str, float, float, float]]) -> Markup:
    """Names with low end, middle and high end, around a line at 0; nothing if there are no rows."""
    if not rows:
        return Markup()
    listed = rows[:MOST_ROWS]
    reach = max(1.0, *(abs(value) for _, low, _, high in listed for value in (low, high)))
    wide = WIDTH - LABELS - 20

    def x(value: float) -> float:
        return LABELS + wide * (value + reach) / (2 * reach)

    height = ROW * len(listed) + 34
    drawn: list[Markup] = [_line(x(0), 4, x(0), height - 24, "axis")]
    for position, (name, low, middle, high) in enumerate(listed):
        y = ROW * position + ROW / 2 + 4
        drawn += [
            _text(LABELS - 10, y + 4, short(name, 30), anchor="end"),
            _line(x(low), y, x(high), y, "stroke"),
            _line(x(low), y - 5, x(low), y + 5, "stroke"),
            _line(x(high), y - 5, x(high), y + 5, "stroke"),
            _dot(x(middle), y),
        ]
    for value in (-reach, 0.0, reach):
        drawn.append(
            _text(
                x(value),
                height - 6,
                f"{value:+.0f}" if value else "0",
                anchor="middle",
                kind="muted",
            )
        )
    return _figure(title, f"{title}. The table below has the numbers.", WIDTH, height, drawn)


def scatter(
    title: str, x_name: str, y_name: str, marks: Sequence[tuple[str, float, float]]
) -> Markup:
    """Named points; x grows by factors (or stands still at 0), y is 0..1."""
    if not marks:
        return Markup()
    positive = [x for _, x, _ in marks if x > 0]
    low = math.log10(min(positive)) - 0.3 if positive else 0.0
    high = max(math.log10(max(positive)) + 0.3 if positive else 1.0, low + 0.6)
    wide, tall = WIDTH - MARGIN - 130, PLOT

    def at(x: float, y: float) -> tuple[float, float]:
        along = (math.log10(x) - low) / (high - low) if x > 0 else 0.0
        return MARGIN + 12 + along * (wide - 12), 10 + (1 - y) * tall

    drawn = _grid(wide, tall)
    for name, x, y in marks:
        left, top = at(x, min(max(y, 0.0), 1.0))
        drawn += [_dot(left, top), _text(left + 9, top + 4, short(name, 24))]
    drawn += [
        _text(at(price, 0)[0], tall + 26, f"{price:g}", anchor="middle", kind="muted")
        for price in (10.0**power for power in range(math.ceil(low), math.floor(high) + 1))
    ]
    drawn += _axes(wide, tall, x_name, y_name)
    return _figure(title, f"{title}. The table below has the numbers.", WIDTH, tall + MARGIN, drawn)


def calibration(title: str, bins: Sequence[tuple[float, float, int]]) -> Markup:
    """Mean confidence against accuracy of each bin, both 0..1, with how many it holds."""
    if not bins:
        return Markup()
    most = max(n for _, _, n in bins)
    drawn = _grid(PLOT, PLOT)
    drawn.append(_line(MARGIN, 10 + PLOT, MARGIN + PLOT, 10, "axis"))
    for said, came, n in bins:
        radius = 4 + 6 * math.sqrt(n / most)
        drawn.append(_dot(MARGIN + said * PLOT, 10 + (1 - came) * PLOT, radius))
    drawn += _axes(PLOT, PLOT, "Confidence that was said", "Share that came true", percent=True)
    said_aloud = f"{title}. On the line, confidence comes true as often as it says."
    return _figure(title, said_aloud, PLOT + 2 * MARGIN, PLOT + MARGIN, drawn)


def bars(title: str, values: Sequence[int], first: str, last: str) -> Markup:
    """Counts one after another in time."""
    if not any(values):
        return Markup()
    most, wide = max(values), WIDTH / len(values)
    drawn = [
        tag(
            "rect",
            x=f"{position * wide + 1:.1f}",
            y=f"{4 + 76 * (1 - value / most):.1f}",
            width=f"{wide - 2:.1f}",
            height=f"{76 * value / most:.1f}",
            class_="dot",
        )
        for position, value in enumerate(values)
    ]
    drawn += [
        _line(0, 80, WIDTH, 80, "axis"),
        _text(0, 98, first, kind="muted"),
        _text(WIDTH, 98, last, anchor="end", kind="muted"),
    ]
    said = f"{title}: {sum(values)} from {first} to {last}, {most} at most in one part."
    return _figure(title, said, WIDTH, 104, drawn)


def _figure(title: str, said: str, width: float, height: float, drawn: Sequence[Markup]) -> Markup:
    svg = tag(
        "svg",
        join(drawn),
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        aria_label=said,
    )
    return tag("figure", tag("figcaption", title), svg, class_="scrolls", tabindex=0)


def _grid(wide: float, tall: float) -> list[Markup]:
    lines = []
    for tenth in (0, 25, 50, 75, 100):
        y = 10 + tall * (1 - tenth / 100)
        lines.append(_line(MARGIN, y, MARGIN + wide, y, "grid"))
        lines.append(_text(MARGIN - 8, y + 4, f"{tenth / 100:g}", anchor="end", kind="muted"))
    return lines


def _axes(
    wide: float, tall: float, x_name: str, y_name: str, *, percent: bool = False
) -> list[Markup]:
    drawn = [
        _text(MARGIN + wide / 2, tall + 44, x_name, anchor="middle", kind="muted"),
        tag(
            "text",
            y_name,
            x="0",
            y="0",
            transform=f"translate(14 {10 + tall / 2:.0f}) rotate(-90)",
            text_anchor="middle",
            class_="muted",
        ),
    ]
    if percent:
        drawn += [
            _text(MARGIN + wide * t, tall + 26, f"{t:g}", anchor="middle", kind="muted")
            for t in (0.0, 0.5, 1.0)
        ]
    return drawn


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=kind)


def _dot(x: float, y: float, radius: float = 5.0) -> Markup:
    return tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{radius:.1f}", class_="dot")


def _text(x: float, y: float, said: str, *, anchor: str = "start", kind: str = "") -> Markup:
    return tag("text", said, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind or None)
