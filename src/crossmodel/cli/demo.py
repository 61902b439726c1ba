"""``crossmodel demo``: the whole loop on real answers: measured, proved, attacked, reported."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from crossmodel.cli.insights import highlighted
from crossmodel.cli.output import (
    ConfigOption,
    err,
    out,
    plain,
    print_table,
    replacing,
    run_async,
)
from crossmodel.cli.source import config_source
from crossmodel.domain.insight import InsightKind
from crossmodel.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from crossmodel.assembly import CrossModel, LoggedAnswer
    from crossmodel.evaluation.demo import Learned, Proof
    from crossmodel.evaluation.results import Evaluation
    from crossmodel.evaluation.tasks import Task

STUDENT: Final = "smollm2"
SHOWN_INSIGHTS: Final = 3
SHOWN_HELPERS: Final = 5
SHOWN_CONTEXT: Final = 160
"""Characters around an insight that is shown."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user asked the demo for."""

    source: Path | None
    questions: Path | None
    teacher: str | None
    model: str
    per_family: int
    folder: Path
    report: Path
    config: Path | None


def demo(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Your own answers, a file or folder; our examples if left out."
        ),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(help="Questions (JSONL) for --from; else some worked examples are held out."),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="A configured model that writes the answers now.")
    ] = None,
    model: Annotated[str, typer.Option(help="The model that is asked the questions.")] = STUDENT,
    per_family: Annotated[int, typer.Option(min=1, help="Most questions of each family.")] = 8,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its state.")] = Path("demo"),
    report: Annotated[Path, typer.Option(help="The page to write.")] = Path("demo-report.html"),
    config: ConfigOption = None,
) -> None:
    """Learn from strong answers, measure what that does for a small model, and prove it all."""
    run_async(_run(Choices(source, questions, teacher, model, per_family, folder, report, config)))


async def _run(choices: Choices) -> None:
    from crossmodel.assembly import CrossModel
    from crossmodel.evaluation import demo as steps
    from crossmodel.settings import load_settings

    started = time.monotonic()
    if not choices.report.resolve().parent.is_dir():
        raise InvalidInputError(f"cannot write {choices.report}: its folder does not exist")
    configured = load_settings(config_source(choices.config))
    _make_folder(choices.folder)
    settings = steps.demo_settings(configured, choices.folder, choices.model)
    async with CrossModel(settings) as cm:
        out.rule("1  Learn", align="left")
        answers = await _answers(cm, choices)
        with _bar("extracting") as progress:
            learned = await steps.learn(cm, answers, progress)
        _show_learned(learned)

        out.rule("2  Measure", align="left")
        tasks = _tasks(choices, learned)
        with _bar(f"asking {choices.model}") as progress:
            evaluation = await steps.measure(cm, tasks, choices.model, progress)
        _show_evaluation(evaluation, learned)

        out.rule("3  Prove", align="left")
        asked = steps.helped_question(evaluation, tasks)
        with _bar("verifying") as progress:
            proof = await steps.prove(cm, asked.question, choices.model, choices.folder)
            progress(1, 1)
        _show_proof(proof, choices.folder)
    page = steps.report_page(
        learned,
        evaluation,
        proof,
        origin=_origin(choices),
        elapsed_seconds=time.monotonic() - started,
    )
    with replacing(choices.report) as file:
        file.write(page.encode())
    out.print(plain(f"\nThe report is {choices.report}"), style="bold")


def _origin(choices: Choices) -> str:
    if choices.teacher is not None:
        return f"The answers were written by {choices.teacher} for this run."
    if choices.source is not None:
        return f"The answers are your own, from {choices.source.name}."
    return "The answers are examples of our own making, about conventions that no model can know."


def _make_folder(folder: Path) -> None:
    """An empty folder; one that an earlier demo made is made anew, any other is left alone."""
    from crossmodel.evaluation.demo import DATABASE

    if folder.exists():
        if not (folder / DATABASE).is_file():
            raise InvalidInputError(f"{folder} is there and is no demo's: name another --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def examples_folder() -> Path:
    """The examples of the working folder, of the package, or of the checkout that it runs from."""
    here = Path(__file__)
    for folder in (Path("examples"), here.parents[1] / "_examples", here.parents[3] / "examples"):
        if (folder / "answers").is_dir():
            return folder
    raise NotFoundError("there is no folder examples here: name your own answers with --from")


async def _answers(cm: CrossModel, choices: Choices) -> list[LoggedAnswer]:
    from crossmodel.assembly import LoggedAnswer, read_path
    from crossmodel.evaluation.demo import teach
    from crossmodel.evaluation.rows import read_rows
    from crossmodel.evaluation.tasks import Prompt

    if choices.teacher is not None:
        prompts = read_rows(choices.source or examples_folder() / "prompts.jsonl", Prompt)
        with _bar(f"{choices.teacher} writes") as progress:
            return await teach(cm, choices.teacher, prompts, progress)
    source = choices.source or examples_folder() / "answers"
    rows = list(read_path(source, source_model="strong-model"))
    for row in rows:
        if not isinstance(row, LoggedAnswer):
            err.print(plain(f"skipped {row.origin}: {row.reason}"), style="yellow")
    answers = [row for row in rows if isinstance(row, LoggedAnswer)]
    if not answers:
        raise InvalidInputError(f"{source} holds no answers")
    return answers


def _tasks(choices: Choices, learned: Sequence[Learned]) -> list[Task]:
    """The questions of a file, or worked examples that are held out; so many of each family."""
    from crossmodel.evaluation.demo import insights_of
    from crossmodel.evaluation.held_out import hold_out
    from crossmodel.evaluation.rows import read_rows
    from crossmodel.evaluation.tasks import Task

    if choices.questions is not None:
        tasks = read_rows(choices.questions, Task)
    elif choices.source is None:
        tasks = read_rows(examples_folder() / "questions.jsonl", Task)
    else:
        tasks = hold_out(insights_of(learned))
        out.print(f"{len(tasks)} worked examples are held out and asked")
    if not tasks:
        raise InvalidInputError(
            "no rule in these answers has three worked examples, so none can be held out: name "
            "questions with --questions"
        )
    families: dict[str, list[Task]] = {}
    for task in tasks:
        families.setdefault(task.family, []).append(task)
    return [task for family in families.values() for task in family[: choices.per_family]]


def _show_learned(learned: Sequence[Learned]) -> None:
    print_table(
        "What was found",
        ("answer", "by", "insights", "rules", "examples", "refused"),
        (
            (
                lesson.answer.origin,
                lesson.answer.source_model,
                len(lesson.result.insights),
                _count(lesson, InsightKind.RULE),
                _count(lesson, InsightKind.EXAMPLE),
                sum(lesson.result.rejected.values()),
            )
            for lesson in learned
        ),
    )
    rules = [
        (lesson, min(linked, key=lambda rule: len(rule.content)))
        for lesson in learned
        if (linked := [i for i in lesson.result.insights if i.kind == InsightKind.RULE and i.links])
    ]
    for lesson, insight in rules[:SHOWN_INSIGHTS]:
        span = insight.evidence[0].span
        out.print(
            plain(
                f"\n{insight.kind}, confidence {insight.confidence_score:.2f}, characters "
                f"{span.start}..{span.end} of {lesson.answer.origin}, {len(insight.links)} linked"
            ),
            style="dim",
        )
        out.print(highlighted(lesson.answer.output, span, SHOWN_CONTEXT))


def _count(lesson: Learned, kind: InsightKind) -> int:
    return sum(insight.kind == kind for insight in lesson.result.insights)


def _show_evaluation(evaluation: Evaluation, learned: Sequence[Learned]) -> None:
    from crossmodel.evaluation.arms import Arm

    rows = []
    for arm in evaluation.arms:
        score = evaluation.score(arm)
        low, high = score.interval
        against = evaluation.p_value(arm, Arm.PADDING)
        rows.append(
            (
                arm,
                f"{score.correct}/{score.n}",
                f"{score.accuracy:.0%}",
                f"{100 * low:.0f}-{high:.0%}",
                "" if arm == Arm.PADDING else f"{against:.2g}",
                f"{score.mean_input_tokens:.0f}",
                f"{score.mean_latency_ms:.0f}",
                f"{score.mean_cost_usd:.2g}",
            )
        )
    columns = ("with", "right", "share", "95 % CI", "p vs padding",
               "tokens in", "ms", "USD")  # fmt: skip
    print_table(f"{evaluation.model_id} on questions that it cannot know", columns, rows)
    print_table(
        "Right answers by family",
        ("family", *evaluation.arms),
        (
            (family, *(_of(evaluation, arm, family) for arm in evaluation.arms))
            for family in evaluation.families
        ),
    )
    contents = {i.id: i.content for lesson in learned for i in lesson.result.insights}
    print_table(
        "Insights that helped most",
        ("insight", "questions", "right with it", "right with nothing"),
        (
            (" ".join(contents.get(use.insight_id, use.insight_id).split())[:90],
             use.uses, use.correct_with, use.correct_without)
            for use in evaluation.insight_uses(Arm.EXAMPLES, Arm.NONE)[:SHOWN_HELPERS]
        ),
    )  # fmt: skip


def _of(evaluation: Evaluation, arm: str, family: str) -> str:
    score = evaluation.score(arm, family)
    return f"{score.correct}/{score.n}"


def _show_proof(proof: Proof, folder: Path) -> None:
    from crossmodel.evaluation.demo import EVIDENCE_FILE, TRUST_FILE

    out.print(plain(f"asked   {proof.question}\nanswer  {proof.answer.text.strip()}"))
    leaves = proof.answer.leaves
    out.print(f"log     {proof.log.verdict}: {proof.log.records} records, "
              f"this answer's are {leaves[0]} to {leaves[-1]}")  # fmt: skip
    out.print(f"file    {proof.evidence.verdict}")
    print_table(
        "What verification says to forgeries",
        ("edit", "verdict", "noticed by"),
        ((t.name, t.report.verdict, t.caught_by) for t in proof.tamperings),
    )
    evidence, trust = folder / EVIDENCE_FILE, folder / TRUST_FILE
    out.print(plain(f"check it yourself: crossmodel verify {evidence} --trust {trust}"))


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; yields the function that is told how much of how much is done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as progress:
        bar = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
