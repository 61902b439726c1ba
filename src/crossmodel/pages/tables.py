"""Tables that can be read aloud, and scrolled on a phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crossmodel.pages.charts import escaped


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; columns in which every cell starts with a digit, or is empty, are set as numbers."""
    body = [list(row) for row in rows]
    numeric = [
        position > 0 and all(row[position][:1] in "0123456789<" for row in body)
        for position in range(len(head))
    ]
    classes = [' class="number"' if each else "" for each in numeric]
    top = "".join(
        f'<th scope="col"{kind}>{escaped(name)}</th>'
        for name, kind in zip(head, classes, strict=True)
    )
    lines = "".join(
        f'<tr><th scope="row" dir="auto">{escaped(row[0])}</th>'
        + "".join(
            f'<td{kind} dir="auto">{escaped(cell)}</td>'
            for cell, kind in zip(row[1:], classes[1:], strict=True)
        )
        + "</tr>"
        for row in body
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(caption)}"><table>'
        f"<caption>{escaped(caption)}</caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )
