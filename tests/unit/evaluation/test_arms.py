"""The four arms, over the real store, extraction and transfer; only the model is scripted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from crossmodel.domain.completion import Completion, CompletionRequest, Usage
from crossmodel.domain.insight import Insight
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.records import RankedInsight
from crossmodel.errors import InvalidInputError
from crossmodel.evaluation.arms import Arm, Find, Subject, run_arms
from crossmodel.evaluation.tasks import Task
from crossmodel.extraction import InsightExtractor
from crossmodel.ports import TokenCounter
from crossmodel.store import open_store
from crossmodel.transfer import search
from crossmodel.transfer.padding import PROSE, padding

TOLERANCE = 0.02
"""Padding may be this share longer or shorter than what it stands in for."""

ANSWER = """Hello! Here is how it works.

## Order codes

An order code is written as BM, a slash, the city, a slash, and the number of crates.

Q: What is the order code for 12 crates to Oslo?
A: BM/Oslo/12

Q: What is the order code for 7 crates to Lyon?
A: BM/Lyon/7

Q: What is the order code for 30 crates to Madrid?
A: BM/Madrid/30
"""
TASKS = [
    Task("1", "order", "What is the order code for 8 crates to Porto?", "BM/Porto/8", "R", "E"),
    Task("2", "order", "What is the order code for 9 crates to Bonn?", "BM/Bonn/9", "R", "E"),
    Task("3", "capital", "What is the capital of France?", "Paris"),
]


def count(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


class FormCopier:
    """A provider that can do one thing: answer as a worked example before the question does."""

    def __init__(self) -> None:
        self.requests: list[CompletionRequest] = []

    async def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        said = request.messages[-1].content
        asked = re.search(r"(\d+) crates to (\w+)\?$", said)
        knows = "A: BM/Oslo/12" in said
        text = f"A: BM/{asked[2]}/{asked[1]}" if asked and knows else "I do not know."
        return Completion(text, request.model, Usage(count(said), 5), latency_ms=2.0)

    def token_counter(self, model: str) -> TokenCounter:
        return count

    async def close(self) -> None:
        pass


@pytest.fixture
async def find(tmp_path: Path) -> AsyncIterator[Find]:
    store = await open_store(f"sqlite:///{tmp_path / 'insights.db'}")
    insights = InsightExtractor().extract(ANSWER, "strong").insights
    await store.transact(lambda tx: tx.add_insights("t", insights))

    async def look(question: str) -> Sequence[RankedInsight]:
        return await store.read(lambda tx: search(tx, "t", question, 12))

    yield look
    await store.close()


def subject(provider: FormCopier, budget: int = 200) -> Subject:
    model = ModelSpec(
        "small", "p", name="served", input_price=1.0, output_price=2.0, follows_system_prompt=False
    )
    return Subject(provider, model, token_budget=budget)


async def test_only_worked_examples_make_a_form_copier_right(find: Find) -> None:
    provider = FormCopier()
    seen: list[tuple[int, int]] = []
    result = await run_arms(
        TASKS, subject(provider), find, progress=lambda done, all_: seen.append((done, all_))
    )
    assert {arm: result.score(arm).correct for arm in result.arms} == {
        "none": 0,
        "padding": 0,
        "rule": 0,
        "rule+examples": 2,
    }
    assert result.score(Arm.EXAMPLES, "order").accuracy == 1.0
    assert result.p_value(Arm.NONE, Arm.EXAMPLES) == 0.5
    assert seen == [(n, 12) for n in range(1, 13)]


async def test_what_each_arm_is_asked_with(find: Find) -> None:
    provider = FormCopier()
    await run_arms(TASKS[:1], subject(provider), find)
    nothing, padded, rule, examples = (r.messages[-1].content for r in provider.requests)
    question = TASKS[0].question
    assert nothing == question
    assert PROSE[:20] in padded
    assert "BM" not in padded
    assert padded.endswith(f"Q: {question}")
    assert "An order code is written as BM" in rule
    assert "Oslo" not in rule
    assert examples.count("\nA: ") == 3
    assert "An order code is written as BM" in examples
    assert all(r.temperature == 0.0 and r.max_tokens == 24 for r in provider.requests)
    assert {r.model for r in provider.requests} == {"served"}


async def test_padding_is_as_long_as_what_it_stands_in_for(find: Find) -> None:
    result = await run_arms(TASKS[:2], subject(FormCopier()), find)
    tokens = {(i.task_id, i.arm): i.context_tokens for i in result.items}
    for task in TASKS[:2]:
        with_insights = tokens[task.id, Arm.EXAMPLES]
        assert abs(tokens[task.id, Arm.PADDING] - with_insights) <= TOLERANCE * with_insights


async def test_where_nothing_fits_all_arms_ask_the_bare_question(find: Find) -> None:
    provider = FormCopier()
    result = await run_arms(TASKS[2:], subject(provider), find)
    assert {r.messages[-1].content for r in provider.requests} == {TASKS[2].question}
    assert all(item.insight_ids == () for item in result.items)


async def test_no_field_of_a_task_but_its_question_reaches_the_model(find: Find) -> None:
    marked = Task("1", "FAMILY!", TASKS[0].question, "ANSWER!", "RULE!", "EXAMPLE!")
    provider = FormCopier()
    await run_arms([marked], subject(provider), find)
    assert not any("!" in m.content for r in provider.requests for m in r.messages)


async def test_insights_are_credited_against_the_same_questions_without(find: Find) -> None:
    result = await run_arms(TASKS, subject(FormCopier()), find)
    uses = result.insight_uses(Arm.EXAMPLES, Arm.NONE)
    assert len(uses) == 4
    assert {(use.uses, use.correct_with, use.correct_without) for use in uses} == {(2, 2, 0)}
    assert result.insight_uses(Arm.PADDING, Arm.NONE) == []


async def test_cost_and_latency_are_those_of_the_calls(find: Find) -> None:
    result = await run_arms(TASKS[:1], subject(FormCopier()), find, arms=[Arm.NONE])
    (item,) = result.items
    assert item.cost_usd == pytest.approx((item.input_tokens * 1.0 + 5 * 2.0) / 1e6)
    score = result.score(Arm.NONE)
    assert (score.n, score.mean_latency_ms, score.mean_cost_usd) == (1, 2.0, item.cost_usd)
    assert result.to_dict()["arms"]["none"]["families"]["order"]["n"] == 1
    assert item.to_dict()["insight_ids"] == []


async def test_nothing_to_do_is_an_error(find: Find) -> None:
    with pytest.raises(InvalidInputError):
        await run_arms([], subject(FormCopier()), find)
    with pytest.raises(InvalidInputError):
        await run_arms(TASKS, subject(FormCopier()), find, arms=[])


@pytest.mark.parametrize("target", [0, 1, 10, 100, 1000, 12_345])
def test_padding_of_any_length_is_within_the_tolerance(target: int) -> None:
    def measure(insights: Sequence[Insight]) -> int:
        return sum(count(insight.content) for insight in insights)

    prose = padding(target, measure)
    assert abs(measure(prose) - target) <= max(1, TOLERANCE * target)
    assert all(len(piece.content) < 8000 for piece in prose)


def test_an_arm_that_was_not_run_scores_nothing() -> None:
    from crossmodel.evaluation.results import Evaluation

    empty = Evaluation((), "m")
    assert empty.score("none").accuracy == 0.0
    assert tuple(empty.score("none").interval) == (0.0, 1.0)
    assert empty.p_value("none", "rule") == 1.0
