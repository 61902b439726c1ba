"""Graders: plain functions or coroutines; what they say is a score, or an error that says why."""

from __future__ import annotations

import asyncio
import math
import threading
from pathlib import Path
from typing import Any

import pytest

from crossmodel import CrossModel
from crossmodel.errors import InvalidInputError, NotFoundError
from crossmodel.transfer.feedback import graded


def is_yes(question: str, answer: str) -> bool:
    return answer == "yes"


async def half(question: str, answer: str) -> float:
    await asyncio.sleep(0)
    return 0.5


class Lengths:
    def __call__(self, question: str, answer: str) -> float:
        return min(1.0, len(question) / 10)

    async def later(self, question: str, answer: str) -> float:
        return 1


@pytest.mark.parametrize(
    ("grader", "score"),
    [(is_yes, 1.0), (half, 0.5), (Lengths(), 0.3), (Lengths().later, 1.0), (lambda q, a: 0, 0.0),
     (lambda q, a: half(a, q), 0.5)],
)  # fmt: skip
async def test_functions_objects_and_coroutines_grade(grader: Any, score: float) -> None:
    got = await graded(grader, "why", "yes")
    assert (got, type(got)) == (score, float)


@pytest.mark.parametrize("said", [math.nan, math.inf, -0.1, 1.1, None, "0.5", [1]])
async def test_what_is_no_score_is_refused_and_the_grader_named(said: Any) -> None:
    def wild(question: str, answer: str) -> Any:
        return said

    with pytest.raises(InvalidInputError, match="grader 'wild'"):
        await graded(wild, "q", "a")


async def test_a_grader_that_fails_is_named_with_its_error() -> None:
    def broken(question: str, answer: str) -> float:
        raise ZeroDivisionError("no words")

    with pytest.raises(InvalidInputError, match=r"'broken' failed.*ZeroDivisionError: no words"):
        await graded(broken, "q", "a")


async def test_a_slow_grader_does_not_hold_the_loop_up() -> None:
    released = threading.Event()

    def waits(question: str, answer: str) -> bool:
        return released.wait(30)

    grading = asyncio.create_task(graded(waits, "q", "a"))
    await asyncio.sleep(0)
    released.set()
    assert await grading == 1.0


async def test_grades_are_feedback_and_a_failed_grader_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    echo = {"providers": [{"id": "echo", "kind": "fake"}],
            "models": [{"id": "m", "provider": "echo", "quality": 0.5}]}  # fmt: skip
    async with CrossModel.open(echo) as cm:
        answer = await cm.complete("yes")
        assert answer.question == "yes"

        def broken(question: str, answer: str) -> float:
            raise OSError("no network")

        with pytest.raises(InvalidInputError, match="no network"):
            await cm.grade(answer, broken)
        assert await cm.grade(answer, is_yes) == 1.0
        assert not await cm.feedback_once(answer.id, 1.0)
        assert await cm.feedback_once(answer.id, 0.0)
        assert await cm.feedback_once(answer.id, 1.0)
        with pytest.raises(NotFoundError):
            await cm.feedback_once("nobody", 1.0)
        outcomes = await cm.engine.store.read(lambda tx: tx.outcomes("default", answer.id))
    assert [(o.source, o.score) for o in outcomes] == [
        ("engine", None), ("grader", 1.0), ("feedback", 0.0), ("feedback", 1.0),
    ]  # fmt: skip
