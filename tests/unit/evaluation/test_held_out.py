"""Worked examples that are asked instead of told."""

from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.evaluation.held_out import hold_out, without


def example(number, question=None, answer=None):
    question, answer = question or f"code of item {number}?", answer or f"IT-{number}"
    return Insight(
        f"{question} -> {answer}",
        kind=InsightKind.EXAMPLE,
        metadata={"input": question, "output": answer},
    )


def rule(examples, scope="Item codes"):
    return Insight(
        "A code is IT, a dash and the number.",
        kind=InsightKind.RULE,
        scope=scope,
        links=tuple(e.id for e in examples),
    )


def test_one_example_in_three_is_asked_and_no_longer_told():
    examples = [example(n) for n in range(7)]
    insights = [rule(examples), *examples]
    tasks = hold_out(insights)
    assert len(tasks) == 2
    assert {task.family for task in tasks} == {"Item codes"}
    told = without(insights, tasks)
    assert len(told) == len(insights) - 2
    asked = {task.question for task in tasks}
    assert asked.isdisjoint(insight.metadata.get("input") for insight in told)


def test_what_says_question_and_answer_is_not_told_either():
    examples = [example(n) for n in range(3)]
    insights = [rule(examples), *examples]
    (task,) = hold_out(insights)
    copy = example(7, f"  {task.question.upper()} ", task.answer)
    table = Insight("\n".join(e.content for e in examples), kind=InsightKind.RULE)
    assert without([copy, table], [task]) == []
    assert without([insights[0]], [task]) == [insights[0]]


def test_too_few_unlinked_or_unusable_examples_are_not_asked():
    few = [example(n) for n in range(2)]
    assert hold_out([rule(few), *few]) == []
    many = [example(n) for n in range(9)]
    assert hold_out([rule([]), *many]) == []
    given_away = [example(n, f"what is IT-{n}?", f"IT-{n}") for n in range(9)]
    assert hold_out([rule(given_away), *given_away]) == []
    broken = [Insight(f"e{n}", kind=InsightKind.EXAMPLE, metadata={"input": n}) for n in range(9)]
    assert hold_out([rule(broken), *broken]) == []


def test_rules_that_share_examples_ask_each_once():
    examples = [example(n) for n in range(6)]
    tasks = hold_out([rule(examples), rule(examples, "Other"), *examples])
    assert len(tasks) == 2


@given(st.lists(st.tuples(st.text(max_size=10), st.text(max_size=10)), max_size=12))
def test_any_pairs(pairs):
    examples = [
        Insight(f"{n}", kind=InsightKind.EXAMPLE, metadata={"input": q, "output": a})
        for n, (q, a) in enumerate(pairs)
    ]
    insights = [rule(examples), *examples]
    tasks = hold_out(insights)
    assert len(tasks) <= len(examples) // 3
    assert all(task.question.strip() and task.answer.strip() for task in tasks)
    assert len(without(insights, tasks)) <= len(insights) - len(tasks)
