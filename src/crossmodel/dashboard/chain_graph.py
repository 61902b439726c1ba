"""A chain as a graph: selection, transfer and answer of each request, insights between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from crossmodel.dashboard.markup import join, short, tag
from crossmodel.desk import Chain, InsightNode, Record, RequestNode

BOX: Final = (152, 46)
"""Width and height of a box, in CSS pixels."""

GAP: Final = (40, 18)
MOST: Final = 150
"""Boxes that are drawn; a longer chain is told by the list alone."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box: two lines of text, the record that it leads to, and whether that is in order."""

    title: str
    said: str
    leaf: int | None
    is_sound: bool = True


Edges = list[tuple[str, str]]


def graph(chain: Chain) -> Markup:
    """The drawing; nothing if there is nothing to draw, or too much."""
    boxes, edges = _boxes(chain)
    if not boxes or len(boxes) > MOST:
        return Markup()
    columns = _columns(boxes, edges)
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for name in boxes:
        column = columns[name]
        places[name] = column, rows.get(column, 0)
        rows[column] = places[name][1] + 1
    width = (BOX[0] + GAP[0]) * (max(columns.values()) + 1) - GAP[0] + 8
    height = (BOX[1] + GAP[1]) * max(rows.values()) + 8
    drawn = [_edge(places[one], places[other]) for one, other in edges]
    drawn += [_box(boxes[name], places[name]) for name in boxes]
    svg = tag(
        "svg",
        tag("defs", _arrow()),
        join(drawn),
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
        role="group",
        aria_label="The chain as a graph. The list below it says the same.",
    )
    return tag("figure", tag("figcaption", "From left to right in time"), svg, class_="scrolls")


def _boxes(chain: Chain) -> tuple[dict[str, Box], Edges]:
    """The boxes by name, sources first, and what leads from which to which."""
    boxes: dict[str, Box] = {}
    edges: Edges = []
    for request in reversed(list(chain.requests.values())):
        _add_request(request, boxes, edges)
    for insight in chain.insights.values():
        boxes[insight.id] = _insight(insight)
        source = _last(insight.source_request, boxes)
        if source:
            edges.append((source, insight.id))
    for request in chain.requests.values():
        handed = f"{request.id} transfer"
        if handed in boxes:
            edges += [(given, handed) for given in request.given if given in boxes]
    return boxes, edges


def _add_request(request: RequestNode, boxes: dict[str, Box], edges: Edges) -> None:
    parts: list[tuple[str, str, Record]] = []
    if (record := request.selection) is not None:
        parts.append(("selection", f"chose {record.predicate['model'] or 'none'}", record))
    if (record := request.transfer) is not None:
        parts.append(("transfer", f"{len(request.given)} handed, {_arm(record)}", record))
    if (record := request.outcome) is not None:
        model = record.predicate["model"]
        said = f"by {model}" if record.predicate["success"] else f"none by {model}"
        parts.append(("answer", said, record))
    names = []
    for part, said, record in parts:
        name = f"{request.id} {part}"
        boxes[name] = Box(part.capitalize(), said, record.leaf, not record.problems)
        names.append(name)
    edges += pairwise(names)


def _insight(node: InsightNode) -> Box:
    record = node.record
    standing = "erased" if node.erased_by is not None else node.standing or "not kept"
    return Box(
        f"Insight {node.id[:12]}…",
        f"{standing}, of {node.source_model or 'nobody known'}",
        None if record is None else record.leaf,
        record is not None and not record.problems,
    )


def _arm(record: Record) -> str:
    return str(record.predicate.get("arm", ""))


def _last(request_id: str | None, boxes: Mapping[str, Box]) -> str | None:
    """The last box of a request: what its insights come from."""
    names = (f"{request_id} {part}" for part in ("answer", "transfer", "selection"))
    return next((name for name in names if name in boxes), None)


def _columns(boxes: Mapping[str, Box], edges: Edges) -> dict[str, int]:
    """Each box stands right of all that lead to it; in a circle somebody gives in."""
    columns = dict.fromkeys(boxes, 0)
    for _ in range(len(boxes)):
        moved = False
        for one, other in edges:
            if columns[other] <= columns[one] < len(boxes):
                columns[other] = columns[one] + 1
                moved = True
        if not moved:
            break
    for name in sorted(boxes, key=lambda each: -columns[each]):  # close to what it leads to
        after = [columns[other] for one, other in edges if one == name]
        if after and columns[name] < min(after) - 1:
            columns[name] = min(after) - 1
    used = {column: position for position, column in enumerate(sorted(set(columns.values())))}
    return {name: used[column] for name, column in columns.items()}


def _corner(place: tuple[int, int]) -> tuple[int, int]:
    return 4 + place[0] * (BOX[0] + GAP[0]), 4 + place[1] * (BOX[1] + GAP[1])


def _box(box: Box, place: tuple[int, int]) -> Markup:
    x, y = _corner(place)
    kind = "box" if box.is_sound else "box bad-box"
    drawn = (
        tag("rect", x=x, y=y, width=BOX[0], height=BOX[1], rx=5, class_=kind)
        + tag("text", short(box.title, 22), x=x + 9, y=y + 19, font_weight=600)
        + tag("text", short(box.said, 22), x=x + 9, y=y + 37, class_="muted")
    )
    if box.leaf is None:
        return drawn
    return tag("a", drawn, href=f"#record-{box.leaf}")


def _edge(one: tuple[int, int], other: tuple[int, int]) -> Markup:
    (x1, y1), (x2, y2) = _corner(one), _corner(other)
    x1, y1, y2 = x1 + BOX[0], y1 + BOX[1] // 2, y2 + BOX[1] // 2
    bend = max(16, abs(x2 - x1) // 2)
    path = f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 2} {y2}"
    return tag("path", d=path, class_="axis", fill="none", marker_end="url(#arrow)")


def _arrow() -> Markup:
    tip = tag("path", d="M0 0 L8 4 L0 8 z", fill="currentColor")
    return tag(
        "marker", tip, id="arrow", markerWidth=8, markerHeight=8, refX=7, refY=4, orient="auto"
    )
