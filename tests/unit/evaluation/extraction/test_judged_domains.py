"""How well insights tell the domain of an answer."""

from collections import defaultdict

import numpy as np
import pytest

from crossmodel.evaluation.extraction.domains import fold_of, judge_domains, naive_bayes
from crossmodel.evaluation.extraction.rows import AnswerRow

TEXT = "one two three four five"


def test_the_most_frequent_and_the_most_confident_type_are_judged(of):
    found = [
        ("claim", "one", "math", 0.2),
        ("step", "two", "math", 0.3),
        ("risk", "three", "analysis", 0.9),
    ]
    figures = judge_domains([of(TEXT, found, domain="math")])
    assert figures.most_frequent.share == 1
    assert figures.most_confident.share == 0
    assert figures.by_domain["math"].right == 1
    assert figures.learned_across is None


def test_an_answer_without_insights_is_wrong(of):
    figures = judge_domains([of(TEXT, [], domain="math", id="a")])
    assert figures.most_frequent.right == 0
    assert figures.without_insights == 1


def test_without_domains_there_is_nothing_to_judge(of):
    assert judge_domains([of(TEXT)]) is None


@pytest.mark.parametrize("telling", [True, False])
def test_what_is_learned_is_judged_on_other_questions_and_sources(of, telling):
    kinds = {"math": "equation", "coding": "code"} if telling else defaultdict(lambda: "claim")
    answers = [
        of(
            TEXT,
            [(kinds[domain], "one", "reasoning")],
            domain=domain,
            id=f"{domain}{n}",
            prompt=f"{domain} question {n}",
            repo=f"source {n % 2}",
        )
        for domain in ("math", "coding")
        for n in range(10)
    ]
    figures = judge_domains(answers)
    assert figures.most_frequent.share == 0
    assert (figures.learned.share == 1) is telling
    assert (figures.learned_across.share == 1) is telling
    assert figures.majority.share <= 0.5
    assert figures.learned.answers == figures.learned_across.answers == 20


def test_answers_to_one_question_share_a_fold():
    rows = [AnswerRow(f"{n}", "x", prompt=f"question {n % 7}") for n in range(40)]
    folds = defaultdict(set)
    for row, fold in zip(rows, fold_of(rows), strict=True):
        folds[row.prompt].add(fold)
    assert all(len(each) == 1 for each in folds.values())
    assert set.union(*folds.values()) == set(range(5))


def test_naive_bayes_weighs_counts_by_class():
    predict = naive_bayes(np.array([[3.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), np.array(["a", "a", "b"]))
    assert predict(np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])).tolist() == ["a", "b", "a"]
