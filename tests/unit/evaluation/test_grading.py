"""Grading: wrapping does not matter, every character of the answer does."""

from __future__ import annotations

import pytest

from crossmodel.evaluation.grading import answer_in, is_correct


@pytest.mark.parametrize(
    "text",
    [
        "TK-lamp-2",
        "  TK-lamp-2  ",
        "A: TK-lamp-2",
        "Answer:TK-lamp-2",
        "`TK-lamp-2`",
        "A: `TK-lamp-2`",
        "**TK-lamp-2**",
        "**`TK-lamp-2`**",
        '"TK-lamp-2"',
        "```text\nTK-lamp-2\n```",
        "\n\nTK-lamp-2\n\nQ: What next?",
        "TK-lamp-2\r\nmore",
    ],
)
def test_wrapping_is_taken_off(text: str) -> None:
    assert is_correct(text, "TK-lamp-2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "```",
        "tk-lamp-2",
        "TK-lamp-2.",
        "TK-lamp-22",
        "TK-lamp-2 TK-lamp-3",
        "The code is TK-lamp-2",
        "TK-lamp-3\nTK-lamp-2",
        "TK lamp 2",
        "`TK-lamp-2",
        "TK-lamp-2 or `TK-lamp-3`",
        "Q: TK-lamp-2",
        "A: A: TK-lamp-2",
    ],
)
def test_anything_else_is_wrong(text: str) -> None:
    assert not is_correct(text, "TK-lamp-2")


def test_quotes_inside_an_answer_stay() -> None:
    assert is_correct('zput("age", 5)', 'zput("age", 5)')
    assert is_correct('`zput("age", 5)`', 'zput("age", 5)')
    assert not is_correct("zput(age, 5)", 'zput("age", 5)')
    assert answer_in('"a" and "b"') == '"a" and "b"'


def test_an_expected_answer_of_nothing_is_never_met() -> None:
    assert not is_correct("", "")
    assert not is_correct("  ", " ")


def test_white_space_may_differ() -> None:
    assert is_correct("DROP  6 >>\tTAPE", "DROP 6 >> TAPE")


def test_hostile_answers_take_no_time() -> None:
    assert answer_in("`" * 1_000_000)
    assert answer_in("A:" * 500_000)
