"""Code and formulas: what the scans see, and what a broken extractor loses."""

import time

import pytest

from crossmodel.domain.insight import InsightKind
from crossmodel.evaluation.extraction.structure import (
    display_formulas,
    fenced_blocks,
    inline_formulas,
    is_symbolic,
    judge_code,
    judge_formulas,
)

CODE = """\
Use this:

```python
def area(r):
    return 3.14 * r * r
```

- In a list:
  ```js
  let x = 1
  ```

> ~~~text
> just output
> ~~~

```py
def broken(:
```
"""
FORMULAS = r"""The law is

\[
E = m c^2
\]

and $$F = ma$$ with \( p = m v \), and it costs $5 or $6 on $x$.

\begin{align}
v &= \frac{d}{t}
\end{align}

\[ 3 \times 4 = 12 \]

```
$$not = math$$
```
"""


def said(text, spans):
    return [text[start:end] for start, end in spans]


def test_fences_are_seen_wherever_they_stand():
    blocks = list(fenced_blocks(CODE + "\n```\n\n```\n"))
    assert [language for language, _ in blocks] == ["python", "js", "text", "py"]
    assert blocks[1][1].strip() == "let x = 1"


def test_our_extractor_finds_the_code(of):
    figures = judge_code([of(CODE)])
    assert (figures.segments.there, figures.segments.found) == (4, 4)
    assert (figures.insights.there, figures.insights.found) == (3, 3)
    assert (figures.python, figures.parsing) == (2, 1)
    assert not figures.disagreeing_ids
    assert figures.to_dict()["parse_rate"] == 0.5


def test_a_broken_extractor_loses_code(of):
    figures = judge_code([of(CODE, [("code", "let x = 1")])], segments=lambda _: [])
    assert (figures.segments.found, figures.segments.missed_ids) == (0, ("r",))
    assert (figures.insights.there, figures.insights.found) == (3, 1)
    whole = of(CODE)
    for insight in whole.insights:
        if insight.kind == InsightKind.CODE:
            insight.metadata["parses"] = True
    assert judge_code([whole]).disagreeing_ids == ("r",)


def test_answers_that_are_a_program_are_code(of):
    program = "def double(x):\n    return 2 * x\n"
    assert judge_code([of(program)]).bare.found == 1
    assert judge_code([of(program, [])]).bare.missed_ids == ("r",)
    assert judge_code([of("A def f( is no program.")]).bare.there == 0


def test_formulas_are_seen_by_their_marks():
    display = list(display_formulas(FORMULAS))
    assert said(FORMULAS, display) == [
        "E = m c^2",
        "F = ma",
        "v &= \\frac{d}{t}",
        "3 \\times 4 = 12",
    ]
    inline = said(FORMULAS, inline_formulas(FORMULAS, display))
    assert inline[0] == "p = m v"
    assert "x" in inline
    assert not any("not" in each for each in inline)


@pytest.mark.parametrize(
    ("formula", "symbolic"),
    [
        ("E = m c^2", True),
        ("PV = nRT", True),
        (r"k = \frac{F}{x}", True),
        (r"\omega \approx 2 \pi f", True),
        (r"3 \times 4 = 12", False),
        (r"v = 5 \, \text{m/s}", False),
        (r"R = 0.67 \, \Omega", False),
        ("T = 90°C", False),
        ("x + y", False),
        ("", False),
    ],
)
def test_a_formula_relates_quantities_that_have_names(formula, symbolic):
    assert is_symbolic(formula) is symbolic


def test_our_extractor_finds_formulas_set_apart(of):
    figures = judge_formulas([of(FORMULAS)])
    assert (figures.display_segments.there, figures.display_symbolic.there) == (4, 3)
    assert figures.display_values.there == 1
    assert figures.inline_symbolic.there == 1
    assert figures.as_equations.there == 4
    assert figures.display_segments.found >= 3


def test_a_broken_extractor_loses_formulas(of):
    figures = judge_formulas([of(FORMULAS, [("claim", "E = m c^2")])], segments=lambda _: [])
    assert figures.display_segments.found == 0
    assert (figures.display_symbolic.found, figures.as_equations.found) == (1, 0)
    assert figures.display_symbolic.missed_ids == ("r",)
    assert judge_formulas([of("No formula.")]).display_segments.share is None


@pytest.mark.parametrize(
    "hostile",
    ["\\[" * 20_000, "$" * 40_000, "\\(" * 20_000, "\\begin{align}" * 4_000, "```\n$$" * 9_000],
)
def test_hostile_answers_take_linear_time(hostile):
    started = time.process_time()
    list(inline_formulas(hostile, list(display_formulas(hostile))))
    assert time.process_time() - started < 5
