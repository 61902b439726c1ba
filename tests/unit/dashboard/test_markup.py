"""What others wrote is text on every page, whatever it looks like."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from crossmodel.dashboard.charts import bars, calibration, intervals, scatter
from crossmodel.dashboard.markup import (
    empty,
    facts,
    moment,
    sentence,
    share,
    short,
    shown,
    table,
    tag,
    usd,
)
from crossmodel.dashboard.pages.insight import highlighted
from crossmodel.dashboard.signing_in import _within

HOSTILE = st.text(alphabet=st.characters(codec=None), max_size=60) | st.sampled_from(
    [
        "<script>x</script>",
        '"><img src=x onerror=y>',
        "' onload='z",
        "</pre>",
        "{{7*7}}",
        "&lt;b&gt;",
        "`${x}`",
        "]]>",
        "<!--",
    ]
)


class Read(HTMLParser):
    """The tags and attributes of some HTML, and its text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, name, attributes):
        self.tags.append(name)
        self.attributes += attributes

    def handle_data(self, data):
        self.text += data


@given(HOSTILE)
def test_text_stays_text(text):
    read = Read(tag("p", text))
    assert read.tags == ["p"]
    assert read.text == shown(text)


@given(HOSTILE)
def test_values_of_attributes_stay_values(text):
    read = Read(tag("a", "x", href=text, aria_label=text))
    assert read.tags == ["a"]
    assert [name for name, _ in read.attributes] == ["href", "aria-label"]
    assert [value for _, value in read.attributes] == [shown(text)] * 2


@given(HOSTILE, HOSTILE)
def test_nothing_gets_out_of_what_pages_are_made_of(one, other):
    pieces = [
        table(one, [one, other], [[one, other]], numeric={1}),
        facts((one, other)),
        empty(one, other, one),
        sentence(other),
        intervals(one, [(other, -5.0, 1.0, 7.0)]),
        scatter(one, other, one, [(other, 0.0, 0.5), (one, 2.0, 1.0)]),
        calibration(one, [(0.5, 0.6, 3)]),
        bars(one, [1, 2], other, one),
    ]
    for piece in pieces:
        plain = Read(re.sub(r"[^<>/=\" a-zA-Z0-9.:-]", "", str(piece)))
        assert not {"script", "img", "b"} & set(Read(str(piece)).tags), plain.tags
        assert all(not name.startswith("on") for name, _ in Read(str(piece)).attributes)


@given(HOSTILE)
def test_what_is_shown_can_be_sent_and_hides_nothing(text):
    made = shown(text)
    made.encode("utf-8")  # raises where it cannot be
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", made)
    assert shown(made) == made


def test_markup_is_not_escaped_twice():
    assert tag("p", tag("b", "<"), Markup("<i>x</i>")) == "<p><b>&lt;</b><i>x</i></p>"


@given(
    st.text(max_size=200),
    st.lists(st.tuples(st.integers(0, 210), st.integers(1, 60)), max_size=6),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_evidence_is_marked_where_it_stands_and_the_text_is_whole(text, starts, first, last):
    spans = sorted((start, min(start + size, len(text))) for start, size in starts)
    first, last = sorted((min(first, len(text)), min(last, len(text))))
    html = str(highlighted(text, spans, first, last))
    marked = Read(html).text
    around = ("…" if first else "") + "{}" + ("…" if last < len(text) else "")
    cut = text[first:last]
    if "\r" not in text:
        assert marked == around.format(shown(cut).replace("{", "{")) or "{" in cut
    inside = [at for at in range(first, last) if any(start <= at < end for start, end in spans)]
    marks = "".join(re.findall(r"<mark>(.*?)</mark>", html, re.DOTALL))
    if "\r" not in text:
        assert Read(marks).text == shown("".join(text[at] for at in inside))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"),
        (0.0, "$0.00"),
        (12.345, "$12.35"),
        (0.000123, "$0.000123"),
        (1e9, "$1,000,000,000.00"),
    ],
)
def test_amounts(value, said):
    assert usd(value) == said


def test_shares_and_times():
    assert share(None) == "–"
    assert share(0.1234) == "12.3 %"
    assert "2026-01-02 03:04:05 UTC" in moment(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert moment(None) == "–"
    assert short("a\n b" + "c" * 200, 20) == "a b" + "c" * 16 + "…"


@given(HOSTILE)
def test_after_signing_in_one_stays_here(wanted):
    where = _within(wanted)
    assert where.startswith("/")
    assert not where.startswith(("//", "/\\"))
    assert "\n" not in where


@given(st.lists(st.tuples(st.text("xyz", max_size=5), *[st.floats(-100, 100)] * 3), max_size=70))
def test_a_chart_of_anything_can_be_drawn(rows):
    made = str(intervals("t", rows))
    assert "nan" not in made
    assert ("<svg" in made) == bool(rows)


@given(
    st.lists(st.tuples(st.text("abc", max_size=5), st.floats(0, 1e6), st.floats(0, 1)), max_size=20)
)
def test_a_map_of_anything_can_be_drawn(marks):
    made = str(scatter("t", "x", "y", marks))
    assert "nan" not in made
    assert "inf" not in made
    assert ("<svg" in made) == bool(marks)
