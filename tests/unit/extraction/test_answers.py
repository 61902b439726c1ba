"""The final answer, by whatever sign it is given."""

import pytest

from crossmodel.extraction.answers import final_answer
from crossmodel.extraction.reading import Reading


@pytest.mark.parametrize(
    ("text", "answer", "insight_type"),
    [
        ("So x = 4.\n\\[ \\boxed{\\frac{1}{2}} \\]", "\\frac{1}{2}", "math"),
        ("Two and two are 4.\n#### 4", "4", "math"),
        ("It takes \\boxed{2^{10}} steps.", "2^{10}", "math"),
        ("The answer is 10^6.", "10^6", "math"),
        ("2 * 3 = 6 of each. So all in all 10^2 * 10^4 = 10^6.", "10^6", "math"),
        ("2 * 3 = 6 of each. So it weighs 10^{-4} g.", "10^{-4}", "math"),
        ("The answer is version 2.10.3.", "version 2.10.3", "reasoning"),
        ("FINAL ANSWER:\n<answer>\n(C)\n</answer>", "(C)", "reasoning"),
        ('>> FINAL ANSWER:\n"""\nalpha beta\n"""', "alpha beta", "reasoning"),
        ("**Final answer:** 42 apples", "42 apples", "math"),
        ("Some steps. So the answer is (B).", "(B)", "reasoning"),
        ("The correct answer is **D**.", "D", "reasoning"),
        ("So the answer is (A) and (B).", "(A) and (B)", "reasoning"),
        ("The answer is\n\n42", "42", "math"),
        ("He has 3.\nAnswer: 7", "7", "math"),
        ("3 + 4 = 7\nA: 7", "7", "math"),
        ("It is good, but not perfect.\nRating: [[8]]", "8", "analysis"),
        ("He buys 3 * 4 = 12 eggs. So he has 12 + 1 = 13 eggs.", "13", "math"),
        ("3 x 4 = 12. In total she pays $1,200.50 a year.", "$1,200.50", "math"),
        ("We get 12 / 4 = 3 of them.\n\nI hope that this helps.", "3", "math"),
    ],
)
def test_answers(text, answer, insight_type):
    (find,) = final_answer(Reading(text))
    assert find.metadata["answer"] == answer
    assert text[slice(*find.metadata["answer_span"])] == answer
    assert find.start <= find.metadata["answer_span"][0]
    assert find.metadata["answer_span"][1] <= find.end
    assert find.insight_type == insight_type


@pytest.mark.parametrize(
    "text",
    [
        "The room has 4 walls.",
        "What is the answer?",
        "#### A heading of the fourth level",
        "Therefore the whole loop becomes O(n) instead of O(n^2).",
        "Therefore it needs about 2^n steps.",
        "Therefore the error falls as n^-2.",
        "Therefore the error falls as $n^{-2}$.",
        "\\boxed{",
        "Q: a?\nA: 1\n\nQ: b?\nA: 2",
        "",
    ],
)
def test_no_answer(text):
    assert final_answer(Reading(text)) == []


@pytest.mark.parametrize(
    "text",
    ["答案: 42", "**答え**: 42", "Answer: 42", "Final answer: 42", "The answer is: 42",
     "## Answer:\n\n42", "FINAL ANSWER:\n42", "Q: 6 * 7?\n\nA: 42"],
)  # fmt: skip
def test_a_colon_may_be_set_in_full_width(text):
    for said in (text, text.replace(": ", "\uff1a"), text.replace(":", "\uff1a")):
        (find,) = final_answer(Reading(said))
        assert find.metadata["answer"] == "42"


def test_the_last_answer_counts_and_explicit_marks_win():
    text = "The answer is 3. No, wait. The answer is 4."
    assert final_answer(Reading(text))[0].metadata["answer"] == "4"
    text = "\\boxed{5}\nSo the answer is about 4.9."
    assert final_answer(Reading(text))[0].metadata["answer"] == "5"


def test_a_bare_number_comes_with_the_sentence_that_says_what_it_is():
    text = "He walks. In total he walks 3 + 4 = 7 miles.\n#### 7"
    (find,) = final_answer(Reading(text))
    assert text[find.start : find.end] == "In total he walks 3 + 4 = 7 miles.\n#### 7"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So \\boxed{5 J} it is.\n\nFINAL ANSWER: <answer>(I)</answer>", "(I)"),
        ("The final answer needs care.\n\nStep 2: add.\n\n<answer>(D)</answer>", "(D)"),
        ("#### Step 2.2: Solve for B\n\nB = 3 + 4 = 7, so B is 7.", "7"),
        ("#### 2. Solve for B\n\nThe answer is 9.", "9"),
        ("They eat 4 * 4 = 16.\n#### 16", "16"),
        ("She pays.\n#### $1,250.50 per month", "$1,250.50 per month"),
        ('>> FINAL ANSWER:\n"""\nA line,\nand another.\n"""', "A line,\nand another"),
        ("FINAL ANSWER:\n```python\nx = 1\ny = 2\n```", "x = 1\ny = 2"),
    ],
)
def test_the_last_explicit_mark_wins(text, answer):
    assert [find.metadata["answer"] for find in final_answer(Reading(text))] == [answer]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So the answer is **14**.", "14"),
        ("The answer is **14** apples.", "14"),
        ("**Answer:** **14**", "14"),
        ("**Final answer:** 42 apples", "42 apples"),
        ("The answer is *snake_case*, mostly.", "snake_case"),
        ("The answer is 2 * 3 * 4.", "2 * 3 * 4"),
        ("The answer is x_1 + y_1.", "x_1 + y_1"),
    ],
)
def test_emphasis_is_no_part_of_an_answer(text, answer):
    assert [find.metadata["answer"] for find in final_answer(Reading(text))] == [answer]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("### Final Answer\n\n42 km", "42 km"),
        ("**Final Answer**\n\n$\\boxed{5}$", "5"),
        (
            "## Working\n\nWe add.\n\n## Answer\n\nThe train takes 3 hours.",
            "The train takes 3 hours",
        ),
        ("**Answer:**\n\n42", "42"),
        ("**Answer: C**", "C"),
        ("### Answer: 42 apples", "42 apples"),
        ("## The answer is 42", "42"),
        ("**Correct Answer: B) Rome**", "B"),
        ("Correct answer: **A) Photosynthesis**", "A"),
        ("My final answer is option 3.", "3"),
        ("Option (C) is correct.", "C"),
        ("I would choose option B.", "B"),
        ("The answer is $45$.", "45"),
        ("The answer is $45.", "$45"),
        ("The answer is \\( x = 3 \\).", "x = 3"),
        ("The answer is \\(a\\) and \\(b\\).", "\\(a\\) and \\(b\\)"),
        ("We count again.\n\nTherefore, John has 12 marbles left.", "12"),
        ("**Answer:** The distance is **120 km**.", "120 km"),
        ("**Antwort: 6**", "6"),
        ("We divide.\n\n91 is no prime, because 91 = 7 * 13.", None),
        ("We derive it.\n\nThe slope at x = 3 is 6.", "6"),
        ("**Answer:** No, it is **not**.", "No, it is **not**"),
        ("Delivery takes 3-5 days.\n\nWrite dates as 03.05.2024.", None),
        ("If option A is correct, then B fails.", None),
        ("Option (C) is not correct.", None),
        ("## Questions and answers\n\nThe store opens at nine each day.", None),
        ("# Answering machines\n\nThey record calls in the office.", None),
        ("Therefore, 3 of them are red.\nMore on this tomorrow.", None),
    ],
)
def test_answers_under_headings_and_in_words(text, answer):
    found = final_answer(Reading(text))
    assert [find.metadata["answer"] for find in found] == ([] if answer is None else [answer])
