"""The steps of the demo: learn from answers, measure what that does, prove it, attack the proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from crossmodel.assembly import CrossModel, LoggedAnswer
from crossmodel.auditing import verify_evidence
from crossmodel.domain.answer import Answer
from crossmodel.domain.insight import ExtractionResult, Insight
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import RankedInsight, SourceText
from crossmodel.domain.witness import VerificationReport
from crossmodel.errors import ModelNotFoundError, WitnessError
from crossmodel.evaluation.arms import Arm, Subject, run_arms
from crossmodel.evaluation.held_out import without
from crossmodel.evaluation.proof import Tampering, tamper_with_evidence, tamper_with_log
from crossmodel.evaluation.report import DemoReport, render
from crossmodel.evaluation.results import Evaluation
from crossmodel.evaluation.tasks import Prompt, Task
from crossmodel.pages.charts import Box
from crossmodel.settings import DEFAULT_MODEL, DEFAULT_PROVIDER, Settings, StoreSettings

SHOWN: Final = 2
"""Insights that the page shows in their sources."""

TOKEN_BUDGET: Final = 256
"""Most tokens of insights in a prompt: the model that is asked may be small and slow to read."""

EVIDENCE_FILE: Final = "evidence.json"
TRUST_FILE: Final = "trusted-keys.json"
PIN_FILE: Final = "checkpoint.txt"
DATABASE: Final = "demo.db"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Learned:
    """One answer that was read, and what was found in it."""

    answer: LoggedAnswer
    result: ExtractionResult


@dataclass(frozen=True, slots=True)
class Proof:
    """One turn of the loop with its evidence, and what verification says to it and to forgeries."""

    question: str
    answer: Answer
    log: VerificationReport
    evidence: VerificationReport
    checkpoint: str
    tamperings: tuple[Tampering, ...]


def demo_settings(settings: Settings, folder: Path, model_id: str) -> Settings:
    """The user's settings with the demo's own state; the built-in model joins if it is asked.

    Witnessing is on, whatever they say: there would be nothing to prove.

    Insights are written as worked examples, in the form in which small models can use them.
    """
    transfer, vif = settings.insight_transfer, settings.cross_model_vif
    protocols = replace(transfer.transfer_protocols, default_protocol="exemplar")
    nobody_held_out = replace(transfer.uplift, enable=False)  # one question is shown, and all of it
    budget = min(transfer.token_budget, TOKEN_BUDGET)
    changes: dict[str, Any] = {
        "store": StoreSettings(f"sqlite:///{folder / DATABASE}"),
        "witness": replace(
            settings.witness, key_dir=str(folder / "keys"), rsa_signer="", ed25519_signer=""
        ),
        "insight_transfer": replace(
            transfer,
            transfer_protocols=protocols,
            token_budget=budget,
            uplift=nobody_held_out,
        ),
        "cross_model_vif": replace(
            vif, witness_generation=replace(vif.witness_generation, enable_witness_generation=True)
        ),
    }
    configured = {model.id for model in settings.models}
    if model_id == DEFAULT_MODEL.id and model_id not in configured:
        changes["models"] = (*settings.models, DEFAULT_MODEL)
        if all(provider.id != DEFAULT_PROVIDER.id for provider in settings.providers):
            changes["providers"] = (*settings.providers, DEFAULT_PROVIDER)
    return replace(settings, **changes)


async def teach(
    cm: CrossModel, teacher: str, prompts: Sequence[Prompt], progress: Progress
) -> list[LoggedAnswer]:
    """Have a configured model write the answers now."""
    answers = []
    for done, row in enumerate(prompts, 1):
        answer = await cm.complete(row.prompt, model=teacher)
        answers.append(LoggedAnswer(row.id, teacher, answer.text, row.prompt, origin=answer.id))
        progress(done, len(prompts))
    return answers


async def learn(
    cm: CrossModel, answers: Sequence[LoggedAnswer], progress: Progress
) -> list[Learned]:
    """Extract, witness and keep the insights of every answer."""
    learned = []
    for done, answer in enumerate(answers, 1):
        if not answer.output.strip():
            continue
        result = await cm.extract(
            answer.output, source_model=answer.source_model, origin=answer.origin
        )
        learned.append(Learned(answer, result))
        progress(done, len(answers))
    return learned


async def measure(
    cm: CrossModel, tasks: Sequence[Task], model_id: str, progress: Progress
) -> Evaluation:
    """Ask every question in four arms; insights come from the store as they do in the loop.

    Raises:
        ModelNotFoundError: if the model is not configured.
    """
    engine = cm.engine
    if model_id not in engine.models:
        known = ", ".join(sorted(engine.models))
        raise ModelNotFoundError(f"model not found: {model_id!r} (known: {known})")
    model = engine.models[model_id]
    subject = Subject(engine.providers[model.provider], model, token_budget=TOKEN_BUDGET)

    async def find(question: str) -> list[RankedInsight]:
        found = await engine.find(question, cm.settings.loop.tenant)
        usable = {insight.id for insight in without((hit.insight for hit in found), tasks)}
        return [hit for hit in found if hit.insight.id in usable]

    config = cm.settings.insight_transfer
    return await run_arms(tasks, subject, find, config=config, progress=progress)


def helped_question(evaluation: Evaluation, tasks: Sequence[Task]) -> Task:
    """A question that only the insights let the model answer; any question if there is none."""
    right = {(item.arm, item.task_id) for item in evaluation.items if item.correct}
    helped = (
        task
        for task in tasks
        if (Arm.EXAMPLES, task.id) in right and (Arm.NONE, task.id) not in right
    )
    return next(helped, tasks[0])


async def prove(cm: CrossModel, question: str, model_id: str, folder: Path) -> Proof:
    """Run one question through the loop, verify what was recorded, and attack copies of it.

    The log's head before the question is kept as the pin that the log must extend afterwards.
    Writes the evidence of the transfer (of the outcome, if nothing was transferred), the trusted
    keys and the pin into ``folder``.
    """
    pin = await _head(cm)
    answer = await cm.complete(question, model=model_id, max_tokens=24, temperature=0.0)
    leaf = answer.leaves[1]  # selection, then transfer or outcome
    evidence, trust = await cm.witness(leaf), cm.trust_file()
    (folder / EVIDENCE_FILE).write_bytes(evidence)
    (folder / TRUST_FILE).write_bytes(trust)
    (folder / PIN_FILE).write_text(pin, encoding="utf-8")
    checkpoint = await _head(cm)
    tamperings = await tamper_with_log(cm.settings, folder / DATABASE, leaf)
    return Proof(
        question=question,
        answer=answer,
        log=await cm.verify(against=pin),
        evidence=verify_evidence(evidence, trust=trust),
        checkpoint=checkpoint,
        tamperings=(*tamperings, tamper_with_evidence(evidence, trust)),
    )


async def _head(cm: CrossModel) -> str:
    """The signed head of the log as it is now."""
    await cm.engine.ledger.checkpoint(now=True)
    head = await cm.engine.store.read(lambda tx: tx.latest_checkpoint())
    if head is None:
        raise WitnessError("the log is empty: there is nothing to prove")
    return head.note


def insights_of(learned: Sequence[Learned]) -> list[Insight]:
    """All insights of all answers."""
    return [insight for lesson in learned for insight in lesson.result.insights]


def report_page(
    learned: Sequence[Learned],
    evaluation: Evaluation,
    proof: Proof,
    *,
    origin: str,
    elapsed_seconds: float,
) -> str:
    """The demo as one page of HTML. ``origin`` says in a sentence where the answers come from."""
    return render(
        DemoReport(
            evaluation=evaluation,
            insights=insights_of(learned),
            shown=_shown(learned, proof),
            origin=origin,
            answers=len(learned),
            question=proof.question,
            links=_chain(proof),
            log=proof.log,
            evidence=proof.evidence,
            tamperings=proof.tamperings,
            elapsed_seconds=elapsed_seconds,
            made_at=utc_now(),
        )
    )


def _shown(learned: Sequence[Learned], proof: Proof) -> list[tuple[Insight, SourceText]]:
    """The insights that were handed over for the traced question, in their sources."""
    found = {
        insight.id: (insight, SourceText(a.output, a.source_model, origin=a.origin))
        for lesson in learned
        for insight in lesson.result.insights
        for a in (lesson.answer,)
    }
    return [found[insight.id] for insight in _given(proof) if insight.id in found][:SHOWN]


def _given(proof: Proof) -> list[Insight]:
    return proof.answer.transfer.transferred_insights if proof.answer.transfer else []


def _chain(proof: Proof) -> list[Box]:
    """From the answer back to the insights, and on to the signed head of the log."""
    given = _given(proof)
    leaves = proof.answer.leaves
    head = proof.checkpoint.split("\n")
    boxes = [Box("Answer", f"{proof.answer.text.strip()} ({proof.answer.model_id})")]
    if given:
        names = f"{given[0].id} and {len(given) - 1} more" if len(given) > 1 else given[0].id
        sources = ", ".join(sorted({insight.source_model for insight in given}))
        boxes.append(Box("Insights", names, "was given"))
        boxes.append(Box("Source", sources, "were found in answers of"))
    return [
        *boxes,
        Box("Statements", f"{len(leaves)} in-toto statements", "is recorded in"),
        Box("Leaves", f"{leaves[0]} to {leaves[-1]} of the Merkle log", "are"),
        Box("Checkpoint", f"size {head[1]}, root {head[2][:16]}…", "lie under the signed"),
    ]
