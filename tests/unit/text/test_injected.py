"""Marked blocks: known again, never forged, found in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.text.injected import DEFUSED, injected_spans, mark


def pieces(text: str) -> list[str]:
    return [span.of(text) for span in injected_spans(text)]


def test_a_block_is_found_between_other_text() -> None:
    block = mark("Codes end in -K7.")
    text = f"Before.\n{block}\nAfter."
    assert pieces(text) == [block]


def test_several_blocks_are_found_in_order() -> None:
    first, second = mark("one"), mark("two")
    assert pieces(f"{first} and {second}") == [first, second]


def test_equal_bodies_give_equal_blocks_and_others_do_not() -> None:
    assert mark("one") == mark("one")
    assert mark("one").splitlines()[0] != mark("two").splitlines()[0]


def test_a_block_inside_a_block_belongs_to_the_outer_one() -> None:
    outer = mark("one")
    opening, closing = outer.splitlines()[0], outer.splitlines()[-1]
    text = f"x {opening}\n{mark('two')}\n{closing} y"
    assert pieces(text) == [text[2:-2]]


def test_an_unterminated_block_reaches_to_the_end() -> None:
    text = "Quote: " + mark("one\ntwo").rpartition("\n")[0] + "\nand on"
    assert pieces(text) == [text[len("Quote: ") :]]


def test_a_closing_delimiter_alone_is_nothing() -> None:
    assert injected_spans(mark("one").splitlines()[-1]) == []
    assert injected_spans("") == []
    assert injected_spans("[notes]\n[notes zzzzzz]\n[notes 12]") == []


@pytest.mark.parametrize(
    "lookalike",
    [
        "[/notes 000000]",
        "[notes 123456]",
        "[ / NOTES 123456 ]",
        "[\n/\nnotes 123456]",
        "[/notes 123456]",
        "【/notes 123456】",
        "[/n\u200bot\u00ades 123456]",
        "\uff3b/\uff4e\uff4f\uff54\uff45\uff53 123456\uff3d",
        "[[[/notes 123456]",
    ],
)
def test_lookalikes_in_the_body_are_defused_where_it_shows(lookalike: str) -> None:
    block = mark(f"a {lookalike} b")
    body = "\n".join(block.split("\n")[1:-1])
    assert body.count(DEFUSED) >= 1
    assert body.replace(DEFUSED, "") == f"a {lookalike} b"
    assert pieces(block) == [block]


def test_ordinary_brackets_stay_as_they_are() -> None:
    body = "see [1], [note], [x](y) and a[notepad]; notes: [ok]"
    assert mark(body).split("\n")[1] == body


@given(st.text(), st.text())
def test_whatever_the_body_the_block_is_found_whole(body: str, after: str) -> None:
    block = mark(body)
    assert injected_spans(block + after)[0].of(block + after) == block


@given(st.lists(st.sampled_from(["[", "/", "notes", " ", "abcdef", "]", "·", "\u200b"])))
def test_no_arrangement_of_delimiter_parts_forges_one(parts: list[str]) -> None:
    block = mark("".join(parts))
    assert pieces(block) == [block]


@pytest.mark.parametrize(
    "hostile", ["[notes abcdef]", "[", "[/notes abcdef]", "[/notes ", "n\u200b"]
)
def test_ten_megabytes_of_delimiters_come_to_an_end(hostile: str) -> None:
    body = hostile * (10_000_000 // len(hostile))
    block = mark(body)
    assert pieces(block) == [block]
    injected_spans(body)
