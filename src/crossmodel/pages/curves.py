"""Figures in time, and how often what was said came true, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from crossmodel.pages.charts import WIDTH, escaped, picture

HEIGHT: Final = 180
"""Of the columns alone, in the picture's units."""

_SIDE: Final = 300
_LEFT: Final = 40
_GAP: Final = 0.2


class Column(NamedTuple):
    """One stretch of time: how much there was, and how much of it is compared with that.

    ``note`` says both in words.
    """

    label: str
    value: float
    compared: float
    note: str


class Dot(NamedTuple):
    """A point of a curve, both within 0..1, and how many observations it stands for."""

    x: float
    y: float
    n: int


def columns(name: str, title: str, of: Sequence[Column]) -> str:
    """Columns side by side, the compared value in grey behind or above each.

    ``name`` must be another one for every picture of a page.
    """
    most = max((max(each.value, each.compared) for each in of), default=0.0) or 1.0
    step = WIDTH / max(len(of), 1)
    parts = [
        f'<path class="ground" d="M0 {HEIGHT}H{WIDTH}"/>',
        f'<text class="tick" x="0" y="{HEIGHT + 18}">{escaped(of[0].label if of else "")}</text>',
        (
            f'<text class="tick" x="{WIDTH}" y="{HEIGHT + 18}" text-anchor="end">'
            f"{escaped(of[-1].label if len(of) > 1 else '')}</text>"
        ),
    ]
    for position, each in enumerate(of):
        x, wide = step * (position + _GAP / 2), step * (1 - _GAP)
        drawn = [(each.compared, "bar"), (each.value, "bar strong")]
        for value, kind in sorted(drawn, reverse=True):  # the shorter one in front
            high = max(value, 0.0) / most * HEIGHT
            parts.append(
                f'<rect class="{kind}" x="{x:.2f}" y="{HEIGHT - high:.2f}" width="{wide:.2f}" '
                f'height="{high:.2f}"><title>{escaped(each.label)}: {escaped(each.note)}</title>'
                "</rect>"
            )
    described = "; ".join(f"{each.label}: {each.note}" for each in of)
    return picture(name, title, described, HEIGHT + 24, parts)


def reliability_curve(name: str, title: str, dots: Sequence[Dot]) -> str:
    """What came true, over the confidence that it was said with; the diagonal is perfect."""
    points = [(_LEFT + dot.x * _SIDE, (1 - dot.y) * _SIDE + 8) for dot in dots]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    parts = [
        f'<rect class="box" x="{_LEFT}" y="8" width="{_SIDE}" height="{_SIDE}"/>',
        f'<path class="diagonal" d="M{_LEFT} {_SIDE + 8}L{_LEFT + _SIDE} 8"/>',
        *(
            f'<text class="tick" x="{_LEFT + share * _SIDE:.0f}" y="{_SIDE + 26}" '
            f'text-anchor="middle">{share:.1f}</text>'
            f'<text class="tick" x="{_LEFT - 8}" y="{(1 - share) * _SIDE + 13:.0f}" '
            f'text-anchor="end">{share:.1f}</text>'
            for share in (0.0, 0.5, 1.0)
        ),
        f'<path class="curve" d="M{line}"/>' if points else "",
        *(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4.5"><title>said {dot.x:.2f}, came '
            f"true {dot.y:.2f}, of {dot.n:,}</title></circle>"
            for (x, y), dot in zip(points, dots, strict=True)
        ),
    ]
    described = "; ".join(
        f"said with {dot.x:.2f}, came true {dot.y:.2f}, of {dot.n:,}" for dot in dots
    )
    return picture(name, title, described, _SIDE + 34, parts)
