"""Each way of judging an answer, on answers whose verdict is known."""

import time

import pytest

from crossmodel.evaluation.extraction.checkers import CHECKERS, folded, numbers
from crossmodel.evaluation.extraction.rows import AnswerRow

BLOCK = '>> FINAL ANSWER:\n"""\n{}\n"""'
CLAMP = "def clamp(x):\n    return max(0, x)\n"
SONNET = "\n".join(["The harbour sleeps beneath a marble moon,"] * 13 + ["And quinces ripen."])
ENDS = "It rained. Nobody danced."


def row(check, output, reference=None, prompt=""):
    return AnswerRow("r", output, check=check, reference=reference, prompt=prompt)


@pytest.mark.parametrize(
    ("check", "output", "reference", "stated"),
    [
        ("last_number", "3 * 5 = 15\nSo it costs $1,015.50 in all.", "1015.5", "$1,015.50"),
        ("last_number", "#### -7", "-7", "-7"),
        ("last_number", "It falls to \u22127 degrees.", "-7", "\u22127"),
        ("bbh_answer_is", "The answer is known. So the answer is (B).", "(B)", "(B)"),
        ("bbh_answer_is", "So the answer is apple fig.", "apple fig", "apple fig"),
        ("multiple_choice", "<answer>(A)</answer> no:\n<answer>\n(C)\n</answer>", "(C)", "(C)"),
        ("multiple_choice", "It is (C).\n<answer>\n(C) 5 N", "(C)", "(C) 5 N"),
        ("final_answer_block", BLOCK.format("(B) heptagon"), "(B)", "(B) heptagon"),
        ("final_answer_block", BLOCK.format("29. Ne7#"), "Ne7#", "29. Ne7#"),
        ("final_answer_block", BLOCK.format("fig, pear"), "fig pear", "fig, pear"),
        ("final_answer_block", "FINAL ANSWER: -48", "-48", "-48"),
        ("rating_tag", "First [[3]], in the end: Rating: [[10]]", "10", "10"),
    ],
)
def test_values_are_read_and_recognised(check, output, reference, stated):
    checker, answer = CHECKERS[check], row(check, output, reference)
    assert checker.stated(answer) == stated
    assert checker.is_right(stated, answer)
    assert checker.holds(answer)
    assert checker.group == "answer"


@pytest.mark.parametrize(
    ("check", "text", "reference"),
    [
        ("last_number", "15", "150"),
        ("last_number", "no number", "15"),
        ("last_number", "0.84", "84"),
        ("last_number", "7", "-7"),
        ("bbh_answer_is", "(A)", "(B)"),
        ("bbh_answer_is", "Banana", "(B)"),
        ("bbh_answer_is", "invalid", "valid"),
        ("bbh_answer_is", "fig apple", "apple fig"),
        ("final_answer_block", "30. Ne7+", "Ne7#"),
        ("rating_tag", "9.5", "9"),
        ("multiple_choice", "", "(B)"),
        ("bbh_answer_is", "anything", ""),
    ],
)
def test_other_values_are_not_the_reference(check, text, reference):
    assert not CHECKERS[check].is_right(text, row(check, text, reference))


@pytest.mark.parametrize("check", list(CHECKERS))
def test_an_answer_that_was_cut_off_states_nothing_right(check):
    answer = row(check, "Let us begin with the first of them, which", "(B)", prompt="Why?")
    said = CHECKERS[check].stated(answer)
    assert said is None or not CHECKERS[check].is_right(said, answer)


def test_the_reference_is_looked_for_as_a_whole():
    holds = CHECKERS["bbh_answer_is"].holds
    assert not holds(row("bbh_answer_is", "It is invalid.", "valid"))
    assert not holds(row("bbh_answer_is", "Bananas cost more", "(B)"))
    assert not CHECKERS["last_number"].holds(row("last_number", "184 and 8.4", "84"))
    assert CHECKERS["last_number"].holds(row("last_number", "84.0, that is 12 * 7", "84"))


@pytest.mark.parametrize(
    ("text", "prompt", "is_won"),
    [
        ("(5 - 2) * 8 = 24", "", True),
        ("(5 \u2212 2) × 8", "", True),
        ("3 * 8 * 1", "Game of 24: 1 3 8", True),
        ("3 * 8", "Game of 24: 1 3 8", False),
        ("12 + 12", "Game of 24: 1 3 8", False),
        ("4 * 5", "", False),
        ("Not possible", "", False),
        ("24 / (3 - 3)", "", False),
        ("2 ** 100", "", False),
        ("((((", "", False),
    ],
)
def test_the_game_of_24_is_calculated(text, prompt, is_won):
    answer = row("game24", f"Steps:\n1 + 1 = 2\nAnswer: {text}", "24", prompt)
    assert CHECKERS["game24"].stated(answer) == text
    assert CHECKERS["game24"].is_right(text, answer) is is_won


def test_a_program_is_the_function_that_was_asked_for():
    checker = CHECKERS["unit_tests"]
    for output in (CLAMP, f"Here it is:\n```python\n{CLAMP}```\nDone."):
        answer = row("unit_tests", output, "…", prompt="def helper(): ...\ndef clamp(x):\n")
        assert checker.stated(answer)
        assert checker.is_right(CLAMP, answer)
        assert checker.is_right("import math\n\n" + CLAMP + "# done", answer)
        assert not checker.is_right(CLAMP.replace("max", "min"), answer)
        assert not checker.is_right("def clamp(x):", answer)
    assert checker.stated(row("unit_tests", CLAMP, prompt="Write clamp.")) is None


def test_a_solution_is_the_same_program_whatever_its_layout():
    checker = CHECKERS["python_parse"]
    answer = row("python_parse", BLOCK.format("def f():\n    return [1,2]"), "")
    assert checker.is_right("def f():\n  return [1, 2]  # a list", answer)
    assert not checker.is_right("def f():\n    return [1, 3]", answer)
    assert not checker.is_right("", answer)
    broken = row("python_parse", BLOCK.format("def f(:"), "")
    assert not checker.is_right("def f(:", broken)


def test_a_sonnet_has_fourteen_lines_and_its_words():
    checker, reference = CHECKERS["sonnet_words_lines"], "ABAB CDCD EFEF GG, marble quinces"
    answer = row("sonnet_words_lines", "Sure!\n" + BLOCK.format(SONNET), reference)
    stated = checker.stated(answer)
    assert checker.is_right(stated, answer)
    assert checker.is_right(f'"""\n{stated}\n\n"""', answer)
    assert not checker.is_right(stated + "\nOne more.", answer)
    assert not checker.is_right(stated.replace("quinces", "quince"), answer)


def test_a_passage_ends_its_paragraphs_as_asked():
    checker = CHECKERS["end_sentences"]
    good = "Clouds came at noon. It rained.\n\nThe band waited. Nobody danced."
    answer = row("end_sentences", f"Plan:\n1. Rain.\n\nPassage:\n{good}", ENDS)
    assert checker.stated(answer) == good
    assert checker.is_right(good, answer)
    for bad in ("It rained. Nobody danced at all.", "Clouds came. It rained.", ENDS[::-1], ""):
        assert not checker.is_right(bad, answer)
    assert not checker.is_right(good + "\n\nThe end.", answer)


def test_numbers_and_words_are_read_as_people_write_them():
    assert numbers("from 1,200 to $3.50, -4 (10-5) x2 1{,}000") == [1200, 3.5, -4, 10, 5, 1000]
    assert folded(" **Fig,  Pear**. ") == "fig pear"


@pytest.mark.parametrize("check", list(CHECKERS))
@pytest.mark.parametrize(
    "hostile",
    [
        "\n" * 60_000, "answer is " * 8_000, "<answer>" * 8_000, "[[" * 30_000, "1," * 30_000,
        "FINAL ANSWER:" * 5_000, "(" * 60_000, "```\n" * 15_000, "1+" * 20_000 + "1",
        "- " * 30_000, "passage\n" * 8_000, "def f(x):\n" * 5_000, "x" + " \n" * 30_000, "\ud800" * 9,
    ],
)  # fmt: skip
def test_hostile_answers_take_linear_time(check, hostile):
    started = time.process_time()
    answer = row(check, hostile, "(B)", prompt=hostile[:20_000])
    said = CHECKERS[check].stated(answer)
    CHECKERS[check].is_right(said or hostile, answer)
    CHECKERS[check].holds(answer)
    assert time.process_time() - started < 3
