"""How good extraction is, on files of answers: ``python benchmarks/extraction.py FILE…``.

``benchmarks/extraction.md`` is its tables on 675 published answers of eleven models over the six
domains (RouteLLM, grade-school-math, BIG-Bench Hard, meta-prompting, dynamic cheatsheet, Reflexion,
tree of thought, FastChat). ``crossmodel eval extraction`` shows the same on your own file, and with
``--json`` the ids of the rows where something is wrong.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from crossmodel import InsightExtractor
from crossmodel.evaluation.extraction.judge import judge
from crossmodel.evaluation.extraction.rows import read_answers
from crossmodel.evaluation.extraction.tables import Table, tables


def markdown(table: Table) -> Iterator[str]:
    """The table and its notes as Markdown."""
    yield f"## {table.title}"
    yield ""
    yield f"| {' | '.join(table.columns)} |"
    yield f"| --- {'| ---: ' * (len(table.columns) - 1)}|"
    for row in table.rows:
        yield f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |"
    for note in table.notes:
        yield ""
        yield note
    yield ""


def measure(files: list[Path]) -> str:
    """The whole page."""
    where = f"Python {platform.python_version()} on {platform.machine()}"
    lines = ["# Extraction", "", f"Written by `benchmarks/extraction.py`: {where}."]
    for file in files:
        found = judge(read_answers(file), InsightExtractor())
        lines += ["", f"{file.name}: {len(found.extracted):,} answers.", ""]
        for table in tables(found):
            lines += markdown(table)
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> None:
    """Measure, print and write the page."""
    text = measure([Path(name) for name in sys.argv[1:]])
    sys.stdout.write(text)
    Path(__file__).with_suffix(".md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
