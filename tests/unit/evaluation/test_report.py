"""The page: whole, self-contained, and no text in it ever becomes markup."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.insight import Evidence, Insight, InsightKind
from crossmodel.domain.records import SourceText
from crossmodel.domain.witness import VerificationReport, VerificationStep
from crossmodel.evaluation.proof import Tampering
from crossmodel.evaluation.report import DemoReport, render
from crossmodel.evaluation.results import Evaluation, ItemResult
from crossmodel.evaluation.statistics import wilson_interval
from crossmodel.pages.charts import Bar, Box, bar_chart, chain, escaped

HOSTILE = "</pre></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&$model\x00\ud800"
VOID = {"meta", "link", "img", "br", "input"}
DRAWN = {"svg", "title", "desc", "text", "rect", "path"}


class Page(HTMLParser):
    """Reads the page, and refuses tags that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def item(task: str, arm: str, *, correct: bool, ids: tuple[str, ...] = ()) -> ItemResult:
    return ItemResult(task, "codes", arm, "text", correct, 100, 5, 50, 20.0, 0.001, ids)


def report(text: str = "Codes end in K7.", model: str = "small", **fields: Any) -> DemoReport:
    body = f"Before. {text} After."
    source = SourceText(body, f"strong {text}", origin=f"log {text}")
    insight = Insight(
        text,
        kind=InsightKind.RULE,
        scope=f"Codes {text}",
        evidence=(Evidence(8, 8 + len(text), source.sha256),),
        confidence_score=0.9,
    )
    arms = {"none": 0, "padding": 1, "rule": 2, "rule+examples": 9}
    items = [
        item(str(n), arm, correct=n < right, ids=(insight.id,) if "rule" in arm else ())
        for n in range(10)
        for arm, right in arms.items()
    ]
    steps = (VerificationStep(1, f"signature {text}", passed=True, detail=text),)
    refused = VerificationReport("invalid", 3, (VerificationStep(4, "leaf", False, text),))
    defaults: dict[str, Any] = {
        "evaluation": Evaluation(tuple(items), model),
        "insights": [insight],
        "shown": [(insight, source)],
        "origin": f"Our own. {text}",
        "answers": 3,
        "question": text,
        "links": [Box("Answer", text), Box("Insight", text, text), Box("Leaf 3", "ab" * 32)],
        "log": VerificationReport("valid", 7, steps),
        "evidence": VerificationReport("valid, completeness not checked", 1, steps),
        "tamperings": [Tampering(text, refused), Tampering("kept", VerificationReport("valid", 7))],
        "elapsed_seconds": 61.2,
        "made_at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    }
    return DemoReport(**(defaults | fields))


def test_the_page_shows_everything_that_it_was_given() -> None:
    page = Page(render(report()))
    said = " ".join(text for texts in page.texts.values() for text in texts)
    for expected in (
        "0% right with nothing, 90% with insights",
        "helped: 1 against 9 right",
        "90% (9 of 10)",
        "60% to 98%",
        "20 ms",
        "0.001 USD",
        "1 of 2",
        "valid, completeness not checked",
        "✓ caught",
        "✗ not noticed",
        "step 4: Codes end in K7.",
        "2026-01-02 03:04 UTC",
    ):
        assert expected in said, expected
    assert page.texts["mark"] == ["Codes end in K7."]
    assert len(page.named("svg")) == 2


def test_the_page_needs_nothing_from_anywhere() -> None:
    page = Page(render(report()))
    assert not {"script", "link", "img", "iframe", "object", "form", "a"} & {
        t for t, _ in page.tags
    }
    assert not any({"src", "href", "style"} & attrs.keys() for _, attrs in page.tags)
    assert "url(" not in page.texts["style"][0]
    assert "@import" not in page.texts["style"][0]
    policies = [meta["content"] for meta in page.named("meta") if "http-equiv" in meta]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_the_page_can_be_used_by_everybody() -> None:
    page = Page(render(report()))
    assert page.named("html") == [{"lang": "en"}]
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        for name in (attrs.get("aria-labelledby") or "").split():
            assert name in ids
    assert all(svg.get("role") == "img" for svg in page.named("svg"))
    assert all("scope" in th for th in page.named("th"))
    assert "prefers-color-scheme: dark" in page.texts["style"][0]
    assert any(m.get("name") == "viewport" for m in page.named("meta"))


def test_hostile_text_never_becomes_markup() -> None:
    hostile = Page(render(report(HOSTILE, model=HOSTILE)))
    harmless = Page(render(report("harmless", model="harmless")))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in harmless.tags]
    assert [sorted(a) for _, a in hostile.tags] == [sorted(a) for _, a in harmless.tags]
    page = render(report(HOSTILE, model=HOSTILE))
    page.encode("utf-8")
    assert "\0" not in page
    assert "$model" in page


@given(st.text(max_size=40))
def test_any_text_is_escaped_into_one_piece_of_text(text: str) -> None:
    page = Page(f"<p>{escaped(text)}</p>")
    assert page.tags == [("p", {})]
    escaped(text).encode("utf-8")


def test_no_difference_and_harm_are_called_so() -> None:
    def with_right(padding: int, examples: int) -> str:
        arms = {"none": 0, "padding": padding, "rule": 0, "rule+examples": examples}
        items = [
            item(str(n), arm, correct=n < right) for n in range(20) for arm, right in arms.items()
        ]
        return render(report(evaluation=Evaluation(tuple(items), "small")))

    assert "made no difference that these questions can show: 3 against 4" in with_right(3, 4)
    assert "did harm: 15 against 2" in with_right(15, 2)


def test_overlapping_evidence_is_marked_once_and_long_sources_are_cut() -> None:
    body = "x" * 5000 + "abcdefgh" + "y" * 5000
    source = SourceText(body, "strong")
    insight = Insight(
        "abc",
        evidence=(Evidence(5000, 5004, "s"), Evidence(5002, 5008, "s"), Evidence(9, 9**9, "s")),
    )
    page = Page(render(report(shown=[(insight, source)])))
    assert "".join(page.texts["mark"]) == body[9:]
    near = Insight("abc", evidence=(Evidence(5000, 5004, "s"), Evidence(5002, 5008, "s")))
    cut = Page(render(report(shown=[(near, source)])))
    assert "".join(cut.texts["mark"]) == "abcdefgh"
    assert len("".join(cut.texts["pre"])) < 2000
    none = Page(render(report(shown=[(Insight("abc"), source)])))
    assert "mark" not in none.texts


def test_a_page_with_nothing_to_show_is_whole() -> None:
    empty = report(
        evaluation=Evaluation((), "m"), insights=[], shown=[], links=[], tamperings=[], answers=0
    )
    Page(render(empty))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_bars_and_whiskers_stay_inside_the_picture(value: float) -> None:
    interval = wilson_interval(int(value * 10), 10)
    page = Page(bar_chart("t", [Bar("a", value, interval, "n", is_strong=True)]))
    bars = [float(r["width"] or 0) for r in page.named("rect")]
    assert all(0 <= width <= 480 for width in bars)
    assert bars[1] == pytest.approx(480 * value)
    assert {tag for tag, _ in page.tags} <= DRAWN


def test_long_values_are_shortened_in_the_chain_and_whole_in_its_description() -> None:
    page = Page(chain("t", [Box("a", "x" * 200), Box("b", "two\nlines", "leads to")]))
    assert page.texts["text"][1] == "x" * 49 + "…"
    assert "x" * 200 in page.texts["desc"][0]
    assert "two lines" in page.texts["text"]
