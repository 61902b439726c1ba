"""Verdicts on final answers: misses of extraction against wrong answers of models."""

import pytest

from crossmodel.evaluation.extraction.answers import (
    FinalAnswers,
    Verdict,
    judge_answer,
    judge_answers,
)

SUM = "There are 3 * 5 = 15 boxes.\n#### 15"
GSM = {"check": "last_number", "reference": "15", "task": "sums"}
BBH = {"check": "bbh_answer_is", "task": "choices"}


@pytest.mark.parametrize(
    ("found", "correct", "verdict"),
    [
        ([("final_answer", "15 boxes")], True, Verdict.FOUND),
        ([], True, Verdict.MISSED),
        ([("claim", "15 boxes")], True, Verdict.MISSED),
        ([("final_answer", "3 * 5")], True, Verdict.ANOTHER),
        ([("final_answer", "15 boxes")], False, Verdict.MODEL_WRONG),
        ([], False, Verdict.MODEL_WRONG),
        ([("final_answer", "15 boxes")], None, Verdict.FOUND),
        ([], None, Verdict.MISSED),
    ],
)
def test_a_broken_extractor_gets_bad_figures(of, found, correct, verdict):
    judged = judge_answer(of(SUM, found, correct=correct, **GSM))
    assert judged.verdict is verdict
    assert judged.by_label is (correct is not None)


def test_our_extractor_finds_it(of):
    assert judge_answer(of(SUM, correct=True, **GSM)).verdict is Verdict.FOUND


def test_the_most_confident_final_answer_counts(of):
    both = [("final_answer", "15 boxes", "math", 0.9), ("final_answer", "3 * 5", "math", 0.8)]
    assert judge_answer(of(SUM, both, **GSM)).verdict is Verdict.FOUND
    both = [("final_answer", "15 boxes", "math", 0.7), ("final_answer", "3 * 5", "math", 0.8)]
    assert judge_answer(of(SUM, both, **GSM)).verdict is Verdict.ANOTHER


def test_what_the_answer_never_says_cannot_be_missed(of):
    judged = judge_answer(of("So it is 16.", correct=True, **GSM))
    assert judged.verdict is Verdict.NOT_HELD
    cut = judge_answer(of("Let us look at", **BBH, reference="(B)"))
    assert cut.verdict is Verdict.MODEL_WRONG
    unclear = judge_answer(of("Option (B) is green.", [], **BBH, reference="(B)"))
    assert unclear.verdict is Verdict.UNCLEAR
    assert not unclear.by_label


@pytest.mark.parametrize("fields", [{}, {"check": "essay", "reference": "x"}, {"check": "game24"}])
def test_without_reference_or_known_check_nothing_is_judged(of, fields):
    judged = judge_answer(of(SUM, **fields))
    assert judged.verdict is Verdict.NOT_JUDGED
    assert FinalAnswers((judged,)).tasks == []


def test_wrong_answers_are_to_be_read_as_stated(of):
    wrong = "So the answer is (C)."
    kept = judge_answer(of(wrong, [("final_answer", "(C)")], **BBH, reference="(B)"))
    lost = judge_answer(of(wrong, [("final_answer", "So the")], **BBH, reference="(B)"))
    assert (kept.verdict, kept.is_faithful) == (Verdict.MODEL_WRONG, True)
    assert (lost.verdict, lost.is_faithful) == (Verdict.MODEL_WRONG, False)
    assert FinalAnswers((kept, lost)).faithful == (1, 2)


def test_options_with_their_text_are_the_option(of):
    output = ">> FINAL ANSWER:\n(B) heptagon"
    judged = judge_answer(
        of(output, [("final_answer", "(B)")], check="final_answer_block", reference="(D)")
    )
    assert judged.is_faithful


def test_figures_are_by_task_with_intervals_and_ids(of):
    found = judge_answers(
        [
            of(SUM, [("final_answer", "15 boxes")], id="a", correct=True, **GSM),
            of(SUM, [], id="b", correct=True, **GSM),
            of(SUM, [("final_answer", "3 * 5")], id="c", correct=True, **GSM),
            of(SUM, [("final_answer", "15 boxes")], id="d", correct=False, **GSM),
            of("So the answer is (B).", id="e", **BBH, reference="(B)"),
        ]
    )
    sums, choices = found.tasks
    assert (sums.recall.found, sums.recall.missed, sums.recall.another) == (1, 1, 1)
    assert sums.recall.share == pytest.approx(1 / 3)
    assert sums.recall.interval.low < 1 / 3 < sums.recall.interval.high
    assert choices.recall.right == 1
    assert found.labelled.right == 3
    assert found.of_group("answer").right == 4
    assert found.right_against_label == ["d"]
    document = found.to_dict()
    assert document["tasks"][0]["missed_ids"] == ["b", "c"]
    assert document["groups"]["code"]["recall"] is None


def test_code_counts_where_it_is_found(of):
    prompt = "def twice(x):\n"
    output = "def twice(x):\n    return 2 * x\n"
    fields = {"check": "unit_tests", "reference": "…", "correct": True, "prompt": prompt}
    assert judge_answer(of(output, **fields)).verdict is Verdict.FOUND
    half = judge_answer(of(output, [("code", "return 2 * x")], **fields))
    assert half.verdict is Verdict.ANOTHER
    assert judge_answer(of(output, [], **fields)).verdict is Verdict.MISSED


def test_works_count_as_they_are_written(of):
    output = "Passage:\nIt was hot. It rained.\n\nThe band waited. Nobody danced."
    work = output.removeprefix("Passage:\n")
    fields = {"check": "end_sentences", "reference": "It rained. Nobody danced."}
    for kind in ("final_answer", "composition"):
        judged = judge_answer(of(output, [(kind, work)], **fields))
        assert (judged.verdict, judged.group) == (Verdict.FOUND, "work")
    assert judge_answer(of(output, [("composition", "It was hot.")], **fields)).verdict is (
        Verdict.ANOTHER
    )
