"""Quality against cost as a picture: the hull of each router, and the single models as dots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossmodel.evaluation.routing.judge import ROUTER, Judgement
from crossmodel.evaluation.routing.metrics import Point
from crossmodel.pages.charts import escaped

WIDTH: Final = 760
HEIGHT: Final = 470
LEFT, RIGHT, TOP, BOTTOM = 70, 230, 20, 60
TICKS: Final = 6
STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #222 }
.tick { fill: #555 } .axis { stroke: #888; fill: none } .grid { stroke: #e4e4e4; fill: none }
.curve { fill: none; stroke-width: 1.6 } .ours { stroke-width: 3.2 } .dot { fill: #222 }
"""
COLOURS: Final = {
    "random": "#9a9a9a",
    "static": "#6b6b6b",
    "domain prior (true label)": "#2a7f62",
    "kNN": "#8450b5",
    "TF-IDF+logistic": "#b5651d",
    ROUTER: "#d1264a",
    "oracle": "#2463b3",
}


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where costs (USD per 1,000 queries) and qualities are in the picture."""

    cost: tuple[float, float]
    quality: tuple[float, float]

    @classmethod
    def around(cls, points: Sequence[Point]) -> _Frame:
        costs = [1000 * point.cost for point in points]
        qualities = [point.quality for point in points]
        margin = max(max(qualities) - min(qualities), 0.01) * 0.1
        return cls(
            (0.0, max(*costs, 1e-9) * 1.05),
            (max(min(qualities) - margin, 0.0), min(max(qualities) + margin, 1.0)),
        )

    def holds(self, point: Point) -> bool:
        """Whether the point lies in the picture."""
        return self.quality[0] <= point.quality <= self.quality[1]

    def x(self, cost: float) -> float:
        low, high = self.cost
        return LEFT + (cost - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, quality: float) -> float:
        low, high = self.quality
        return HEIGHT - BOTTOM - (quality - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def quality_against_cost(found: Judgement) -> str:
    """The picture as one SVG document."""
    curves = {name: found.curves[name] for name in COLOURS if name in found.curves}
    # bad models would squeeze what is to be compared: those that nobody would choose stay outside
    on_curves = [point for curve in curves.values() for point in curve]
    dearest = max(found.singles.values(), key=lambda point: point.cost)
    frame = _Frame.around([*on_curves, Point(dearest.cost, on_curves[0].quality)])
    described = "; ".join(
        f"{line.name}: AIQ {line.aiq:.3f}" for line in found.lines if line.aiq is not None
    )
    parts = [
        *_axes(frame),
        *(part for name, curve in curves.items() for part in _curve(frame, name, curve)),
        *_dots(frame, found),
        *_legend(list(curves)),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>Quality against cost</title><desc>{escaped(described)}</desc>"
        f'<style>{STYLE}</style><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _axes(frame: _Frame) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for quality in _round_numbers(*frame.quality):
        y = frame.y(quality)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>'
        yield (
            f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{quality:g}</text>"
        )
    for cost in _round_numbers(*frame.cost):
        yield (
            f'<text class="tick" x="{frame.x(cost):.1f}" y="{bottom + 18}" text-anchor="middle">'
            f"{cost:g}</text>"
        )
    yield f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>'
    middle = (LEFT + right) / 2
    yield (
        f'<text x="{middle}" y="{HEIGHT - 16}" text-anchor="middle">USD per 1,000 queries</text>'
        f'<text transform="translate(18 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        "mean quality</text>"
    )


def _round_numbers(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two numbers, at most a handful."""
    least = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))
    return [round(n * step, 12) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _curve(frame: _Frame, name: str, curve: Sequence[Point]) -> Iterator[str]:
    points = " ".join(f"{frame.x(1000 * p.cost):.1f},{frame.y(p.quality):.1f}" for p in curve)
    ours = " ours" if name == ROUTER else ""
    yield f'<polyline class="curve{ours}" stroke="{COLOURS[name]}" points="{points}"/>'


def _dots(frame: _Frame, found: Judgement) -> Iterator[str]:
    for name, point in found.singles.items():
        if not frame.holds(point):
            continue
        x, y = frame.x(1000 * point.cost), frame.y(point.quality)
        yield (
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
            f"<title>{escaped(name)}: {point.quality:.3f}</title></circle>"
        )


def _legend(names: Sequence[str]) -> Iterator[str]:
    x = WIDTH - RIGHT + 18
    for position, name in enumerate(names):
        y = TOP + 14 + 24 * position
        ours = " ours" if name == ROUTER else ""
        yield (
            f'<path class="curve{ours}" stroke="{COLOURS[name]}" d="M{x} {y - 4}h22"/>'
            f'<text x="{x + 28}" y="{y}">{escaped(name)}</text>'
        )
    y = TOP + 14 + 24 * len(names)
    yield f'<circle class="dot" cx="{x + 11}" cy="{y - 4}" r="3.5"/>'
    yield f'<text x="{x + 28}" y="{y}">single models</text>'
