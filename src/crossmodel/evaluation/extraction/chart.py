"""Two pictures as SVG: whether confidences come true, and which final answers are found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from crossmodel.evaluation.extraction.answers import TaskAnswers
from crossmodel.evaluation.extraction.calibration import Bin, Calibration
from crossmodel.evaluation.extraction.judge import Judgement
from crossmodel.pages.charts import escaped

WIDTH: Final = 760
STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #222 }
.tick { fill: #555 } .axis { stroke: #888; fill: none } .grid { stroke: #e4e4e4; fill: none }
.ideal { stroke: #888; stroke-dasharray: 4 4; fill: none } .track { fill: #eee }
.raw { fill: #9a9a9a; stroke: #9a9a9a } .ours { fill: #d1264a; stroke: #d1264a }
.bar { fill: #8db4e2 } .whisker { stroke: #222; fill: none }
"""
_SIDE: Final = 380
_LEFT, _TOP, _BELOW = 70, 46, 56
_GAP: Final = 24
_ROW: Final = 26
_LABEL: Final = 290
_BAR: Final = 300
_MAX_LABEL: Final = 40


def pictures(found: Judgement) -> dict[str, str]:
    """Each picture that there is something to draw for, by the name of its file."""
    drawn = {}
    if found.calibration:
        drawn["reliability.svg"] = _document(*_reliability(found.calibration))
    tasks = [task for task in found.answers.tasks if task.recall.right]
    if tasks:
        drawn["final-answers.svg"] = _document(*_recalls(tasks))
    return drawn


def picture(found: Judgement) -> str:
    """All pictures below each other, as one document."""
    parts, height, titles = [], 0, []
    panels = [_reliability(found.calibration)] if found.calibration else []
    tasks = [task for task in found.answers.tasks if task.recall.right]
    panels += [_recalls(tasks)] if tasks else []
    for title, panel_height, body in panels:
        parts.append(f'<g transform="translate(0 {height})">{body}</g>')
        height += panel_height
        titles.append(title)
    return _document("; ".join(titles) or "Nothing to draw", max(height, 1), "".join(parts))


def _document(title: str, height: int, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>{escaped(title)}</title><style>{STYLE}</style>"
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{body}</svg>\n'
    )


def _reliability(calibrations: Sequence[Calibration]) -> tuple[str, int, str]:
    """The reliability diagram of the last, which knows most: raw and calibrated."""
    shown = calibrations[-1]
    title = f"Confidence of final answers against {escaped(shown.labels)}"
    parts = [f'<text x="{_LEFT}" y="24">{title}</text>']
    parts += _axes()
    series = [("raw", "raw", shown.raw)]
    if shown.calibrated is not None:
        series.append(("calibrated, cross-validated", "ours", shown.calibrated))
    most = max(each.answers for _, _, said in series for each in said.bins)
    for position, (name, style, said) in enumerate(series):
        parts += (_dot(each, style, most) for each in said.bins)
        y = _TOP + 20 + 44 * position
        x = _LEFT + _SIDE + _GAP
        parts.append(
            f'<circle class="{style}" cx="{x + 6}" cy="{y - 4}" r="6"/>'
            f'<text x="{x + 20}" y="{y}">{name}</text>'
            f'<text class="tick" x="{x + 20}" y="{y + 18}">ECE {said.ece:.3f}, Brier '
            f"{said.brier:.3f}</text>"
        )
    return "Whether confidences come true", _TOP + _SIDE + _BELOW, "".join(parts)


def _axes() -> Iterator[str]:
    bottom, right = _TOP + _SIDE, _LEFT + _SIDE
    for tenth in range(0, 11, 2):
        share = tenth / 10
        x, y = _x(share), _y(share)
        yield (
            f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}M{x:.1f} {_TOP}V{bottom}"/>'
            f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>'
            f'<text class="tick" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">'
            f"{share:g}</text>"
        )
    yield f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>'
    yield f'<path class="ideal" d="M{_LEFT} {bottom}L{right} {_TOP}"/>'
    middle = _LEFT + _SIDE / 2
    yield (
        f'<text x="{middle}" y="{bottom + 40}" text-anchor="middle">confidence</text>'
        f'<text transform="translate(24 {_TOP + _SIDE / 2}) rotate(-90)" text-anchor="middle">'
        "share that is right</text>"
    )


def _dot(each: Bin, style: str, most: int) -> str:
    x, low, high = _x(each.confidence), _y(each.interval.low), _y(each.interval.high)
    radius = 3 + 7 * (each.answers / most) ** 0.5
    return (
        f'<path class="whisker" d="M{x:.1f} {high:.1f}V{low:.1f}"/>'
        f'<circle class="{style}" cx="{x:.1f}" cy="{_y(each.share):.1f}" r="{radius:.1f}">'
        f"<title>{each.right} of {each.answers} right at {each.confidence:.2f}</title></circle>"
    )


def _x(share: float) -> float:
    return _LEFT + share * _SIDE


def _y(share: float) -> float:
    return _TOP + (1 - share) * _SIDE


def _recalls(tasks: Sequence[TaskAnswers]) -> tuple[str, int, str]:
    """A bar for each task with right answers, its 95 % interval as a whisker."""
    parts = ['<text x="10" y="24">Right final answers that are found, by task</text>']
    for position, task in enumerate(tasks):
        recall = task.recall
        y = _TOP + _ROW * position
        middle = y + _ROW / 2 - 2
        low, high = (_LABEL + each * _BAR for each in recall.interval)
        name = task.task or task.check
        name = name if len(name) <= _MAX_LABEL else name[: _MAX_LABEL - 1] + "…"
        parts.append(
            f'<text x="{_LABEL - 10}" y="{middle + 4}" text-anchor="end">{escaped(name)}</text>'
            f'<rect class="track" x="{_LABEL}" y="{y}" width="{_BAR}" height="{_ROW - 6}" rx="3"/>'
            f'<rect class="bar" x="{_LABEL}" y="{y}" width="{(recall.share or 0) * _BAR:.1f}" '
            f'height="{_ROW - 6}" rx="3"/>'
            f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}'
            f'M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8"/>'
            f'<text class="tick" x="{_LABEL + _BAR + 10}" y="{middle + 4}">'
            f"{recall.found} of {recall.right}</text>"
        )
    height = _TOP + _ROW * len(tasks) + 20
    return "Right final answers that are found, by task", height, "".join(parts)
