"""The planted-rule benchmark: rows, messy answers, judging, and what is made of the answers."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.errors import InvalidInputError, ModelNotFoundError
from crossmodel.evaluation.planted.arms import ALL_ARMS, distractors_of, parse_arms
from crossmodel.evaluation.planted.benchmark import distractors, planted_tasks
from crossmodel.evaluation.planted.families import FAMILIES
from crossmodel.evaluation.planted.figures import document, lies, recovered
from crossmodel.evaluation.planted.judging import judge, said_in
from crossmodel.evaluation.planted.models import with_model
from crossmodel.evaluation.planted.rows import read_tasks
from crossmodel.evaluation.planted.run import grammar
from crossmodel.evaluation.planted.tasks import PlantedTask, check_tasks, names, split_example
from crossmodel.evaluation.results import Evaluation, ItemResult
from crossmodel.settings import load_settings

TASKS = planted_tasks(12, seed=3)


def task(**changes):
    fields = {
        "id": "t", "family": "f", "source_answers": ("x",), "rule": "The code of Tavor is 47.",
        "question": "What is the code of Tavor?", "answer": "47", "choices": ("47", "12", "83"),
        "lie": "The code of Tavor is 83.",
    }  # fmt: skip
    return PlantedTask(**(fields | changes))


class TestRows:
    @pytest.mark.parametrize("each", TASKS, ids=lambda each: each.id)
    def test_each_can_be_answered_from_its_rule_and_from_nothing_else(self, each):
        assert each.answer in each.choices
        assert len(set(each.choices)) == 4
        assert not names(each.question, each.answer)
        assert each.lie != each.rule
        (answer,) = each.source_answers
        flat = " ".join(answer.split())
        for saying in re.split(r"(?<=\.) (?=[A-Z])", each.rule):
            assert flat.count(saying) == 1
        assert each.question not in flat
        assert len(flat.split()) > 60
        wrong = [c for c in each.choices if c != each.answer and each.lies_in(c)]
        assert len(wrong) == 1 or each.family == "format"

    def test_a_seed_gives_the_same_rows_again_and_another_one_others(self):
        assert planted_tasks(2, seed=3) == planted_tasks(2, seed=3)
        assert not {t.question for t in planted_tasks(2, seed=4)} & {t.question for t in TASKS}
        assert {t.family for t in TASKS} == set(FAMILIES)
        assert len({t.question for t in TASKS}) == len(TASKS)

    def test_distractors_are_about_other_rules(self):
        found = list(distractors(50))
        assert len(set(found)) == 50
        assert not any(t.rule in " ".join(d.split()) for t in TASKS for d in found)

    @pytest.mark.parametrize(
        "changes",
        [{"id": ""}, {"answer": "99"}, {"choices": ("47", "47")},
         {"choices": tuple(map(str, range(100)))}, {"rule": " "}],
    )  # fmt: skip
    def test_a_row_that_cannot_be_asked_is_refused(self, changes):
        with pytest.raises(InvalidInputError):
            task(**changes)

    def test_rows_must_be_told_apart(self):
        with pytest.raises(InvalidInputError, match="twice"):
            check_tasks([task(), task()])
        with pytest.raises(InvalidInputError, match="at least one"):
            check_tasks([])

    @pytest.mark.parametrize(
        ("example", "pair"),
        [
            ("What is the code? A-1", ("What is the code?", "A-1")),
            ("What is it? A: 5", ("What is it?", "5")),
            ("moon -> noom", ("moon", "noom")),
            ("3 May becomes 3~5", ("3 May", "3~5")),
            ("Tavor: 47", ("Tavor", "47")),
            ("nothing of the kind", None),
            ("", None),
        ],
    )
    def test_examples_are_taken_apart(self, example, pair):
        assert split_example(example) == pair

    @given(st.text(max_size=80))
    def test_any_example_is_taken_apart_or_not(self, example):
        pair = split_example(example)
        assert pair is None or all(part.strip() and part in example for part in pair)

    @pytest.mark.parametrize(
        ("lie", "statement"),
        [
            ("The code of Tavor is 83.", "The code of Tavor is 83."),
            ("83", "The code of Tavor is 83."),
            ("", ""),
        ],
    )
    def test_a_lie_is_a_statement_or_an_answer(self, lie, statement):
        told = task(lie=lie)
        assert told.false_rule == statement
        assert told.lies_in("83") == bool(lie)
        assert not told.lies_in("47")
        assert not told.lies_in("12")

    def test_a_file_may_say_it_in_several_ways(self, tmp_path):
        row = {
            "id": "t", "family": "f", "source_answers": ["x"], "rule": "Codes end in 7.",
            "question": "What do codes end in?", "answer": "7", "choices": None, "extra": 1,
            "example": {"input": "a", "output": "a7"},
            "lie": {"rule": "Codes end in 8.", "answer": "8"},
        }  # fmt: skip
        file = tmp_path / "rows.jsonl"
        file.write_text(
            json.dumps(row)
            + "\n"
            + json.dumps(row | {"id": "u", "example": ["a", "b"], "lie": None})
        )
        first, second = read_tasks(file)
        assert split_example(first.example) == ("a", "a7")
        assert first.lies_in("8")
        assert "Codes end in 8." in first.false_rule
        assert (second.example, second.lie, second.choices) == ("a -> b", "", ())
        file.write_text(json.dumps(row | {"choices": ["8"]}))
        with pytest.raises(InvalidInputError, match="choices must hold the answer"):
            read_tasks(file)


class TestJudging:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("47", "47"), ("A: 47", "47"), ("**47**", "47"), ("The code is 47.", "47"),
            ("It is 47 or 83.", ""), ("I do not know.", ""), ("", ""), ("147", ""),
        ],
    )  # fmt: skip
    def test_with_choices_the_only_one_that_is_named_counts(self, text, said):
        assert said_in(text, task()) == said

    def test_a_choice_within_another_is_not_named_by_it(self):
        told = task(answer="A-1-2", choices=("A-1-2", "A-1"), lie="")
        assert said_in("It is A-1-2.", told) == "A-1-2"
        assert said_in("It is A-1.", told) == "A-1"

    def test_the_lie_is_counted(self):
        assert judge("The code is 83.", task()).adopted_lie
        assert not judge("47", task()).adopted_lie
        free = task(choices=())
        assert judge("The code is 47.", free).correct
        assert not judge("The code is 470.", free).correct

    def test_the_grammar_holds_the_choices_and_nothing_else(self):
        assert grammar(['say "x"', "b\\c"]) == r'root ::= "A: say \"x\"" | "A: b\\c"'


def evaluation(**right):
    items = [
        ItemResult(f"t{n}", "f", arm, "", correct=value)
        for arm, values in right.items()
        for n, value in enumerate(values)
    ]
    return Evaluation(tuple(items), "m")


class TestFigures:
    def test_the_score_is_the_share_of_the_oracles_gain(self):
        found = evaluation(
            padding=[0, 0, 0, 1], oracle=[1, 1, 1, 1], system=[1, 1, 0, 1]
        )  # fmt: skip
        share = recovered(found, "system")
        assert share.value == pytest.approx(2 / 3)
        assert 0.0 <= share.low <= share.value <= share.high <= 1.5

    def test_an_oracle_that_gains_nothing_leaves_nothing_to_recover(self):
        found = evaluation(padding=[1, 1], oracle=[1, 1], system=[0, 1])
        assert recovered(found, "system").value is None
        assert document(found, [task(id="t0"), task(id="t1")], "free")["score"] is None

    def test_lies_are_counted_over_the_tasks_that_have_one(self):
        found = evaluation(system=[1, 0])
        assert lies(found, "system", [task(id="t0"), task(id="t1", lie="")]).n == 1


class TestArms:
    def test_names(self):
        assert parse_arms("none, padding,none") == ("none", "padding")
        assert parse_arms("all") == ALL_ARMS
        assert distractors_of("system-70") == 70
        for wrong in ("", ",", "nothing", "system-0", "system-x", "system-9999999"):
            with pytest.raises(InvalidInputError):
                parse_arms(wrong)

    def test_models(self):
        settings = load_settings({})
        assert with_model(settings, "smollm2")[1] == with_model(settings, "local")[1] == "smollm2"
        with pytest.raises(ModelNotFoundError, match="known: smollm2"):
            with_model(settings, "gone")
        joined, name = with_model(settings, "some/file.gguf")
        assert name == "file"
        assert joined.providers[-1].model_path == "some/file.gguf"
        own = {
            "providers": [{"id": "p", "kind": "fake"}],
            "models": [{"id": "local", "provider": "p"}],
        }
        assert with_model(load_settings(own), "local")[1] == "local"
        own["models"][0]["id"] = "x"
        assert with_model(load_settings(own), "local")[1] == "smollm2"
