"""From a question to what its model is handed, or to why it is handed nothing.

What is found is sorted out and chosen; the form is the one that serves this model best; the gate
opens where insights are expected to help. Of the requests that are eligible some go without, by a
chance that belongs to the request, so that what insights do can be told from what would have been.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from crossmodel.domain.insight import Insight
from crossmodel.domain.records import DEFAULT_TENANT, RankedInsight
from crossmodel.domain.transfer import Arm, RejectedInsight, TransferResult, TransferTarget
from crossmodel.domain.uplift import Tally, UpliftKey
from crossmodel.ports import Transaction
from crossmodel.transfer.choosing import LEAST_RELEVANCE
from crossmodel.transfer.padding import padded
from crossmodel.transfer.playbook import for_question
from crossmodel.transfer.quality import RELEVANCE
from crossmodel.transfer.retrieval import search
from crossmodel.transfer.transfer import InsightTransfer
from crossmodel.transfer.uplift import (
    RELEVANCE_UNITS,
    Assignment,
    Belief,
    Effect,
    Gate,
    ProtocolChooser,
    RelevanceBound,
    Verdict,
    assign,
    assign_closed,
    insight_unit,
    measure,
    protocol_unit,
    reason,
    suspected_rate,
    verdict,
)

CANDIDATES_PER_INSIGHT: Final = 4
"""Search hits that are considered for each insight that may be handed over."""

RELEVANCE_FLOOR: Final = 0.3
"""Below this relevance nothing is ever handed over, whatever was measured."""

PREFERRED: Final = Belief(6.0, 4.0)
OTHERS: Final = Belief(4.0, 6.0)
"""What is believed of the form that a model is known to prefer, and of the others."""

PLAYBOOK: Final = "playbook"


@dataclass(frozen=True, slots=True)
class HandoverRequest:
    """Who asks what.

    Attributes:
        question: what is asked.
        target_model: who is to answer.
        tenant: whose insights may be handed over.
        task_type: what effects are kept apart by; empty for what the insights are about.
        request_id: what the arm is drawn by; empty for a request that is no part of an experiment.
        admits: whether an insight may be handed to this model at all.
    """

    question: str
    target_model: str
    tenant: str = DEFAULT_TENANT
    task_type: str = ""
    request_id: str = ""
    admits: Callable[[Insight], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be handed over.

    ``candidates`` is how many insights were considered; ``losers`` should be quarantined, with
    their reasons.
    """

    request: HandoverRequest
    candidates: int = 0
    protocol: str = ""
    insights: Sequence[Insight] = ()
    rejected: Sequence[RejectedInsight] = ()
    losers: Sequence[RejectedInsight] = ()
    relevance: float | None = None
    assignment: Assignment = field(default_factory=lambda: Assignment(Arm.GATED, 1.0))
    gain: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Handover:
    """Plans on a snapshot of the store, and carries out without it."""

    transfer: InsightTransfer

    def find(self, tx: Transaction, tenant: str, question: str) -> list[RankedInsight]:
        """The insights that may have to do with a question, and those linked with them."""
        config = self.transfer.config
        limit = CANDIDATES_PER_INSIGHT * config.max_insights
        return search(tx, tenant, question, limit, config.trust.minimum_trust)

    def plan(self, tx: Transaction, request: HandoverRequest) -> Plan:
        """What to hand over, in which form, and whether this request goes without."""
        found = self.find(tx, request.tenant, request.question)
        candidates = [hit.insight for hit in found if request.admits(hit.insight)]
        if not candidates:
            return Plan(request, reason="nothing is known that could help")
        target = self.transfer.target(request.target_model)
        if not request.task_type:
            request = replace(request, task_type=str(candidates[0].insight_type))
        tallies = self._tallies(tx, request)
        harmful, effects = _judged(tx, request, candidates)
        usable = [each for each in candidates if each.id not in harmful]
        protocol = self._protocol(target, tallies, request)
        selection = self.transfer.select(
            request.question, usable, protocol, least_relevance=RELEVANCE_FLOOR
        )
        plan = Plan(
            request,
            len(candidates),
            protocol,
            selection.insights,
            (*selection.rejected, *harmful.values()),
            selection.losers,
            reason=selection.reason,
        )
        if not selection.insights:
            return plan
        return self._opened(tx, plan, tallies, effects)

    def carry_out(self, plan: Plan) -> TransferResult:
        """The context, or why there is none. May be slow: tokens are counted."""
        request, arm = plan.request, plan.assignment.arm
        if not plan.insights:
            return TransferResult(
                success=False,
                rejected=list(plan.rejected),
                error=plan.reason,
                target_model=request.target_model,
                protocol=plan.protocol,
                arm=Arm.GATED,
            )
        sources = ",".join(sorted({insight.source_model for insight in plan.insights}))
        # only what is needed: a subclass may know the reference's three arguments alone
        options: dict[str, Any] = {"gain": plan.gain} if plan.gain else {}
        if plan.protocol != self.transfer.protocol_of(request.target_model):
            options["protocol"] = plan.protocol
        result = self.transfer.transfer_insights(
            sources, request.target_model, list(plan.insights), **options
        )
        result.rejected += plan.rejected
        result.relevance, result.task_type = plan.relevance, request.task_type
        if not result.success:
            return result
        result.arm, result.propensity = arm, plan.assignment.propensity
        return result if arm == Arm.INSIGHTS else self._withheld(result, plan)

    def _withheld(self, result: TransferResult, plan: Plan) -> TransferResult:
        given = result.transferred_insights
        if result.arm == Arm.PADDING:
            context, tokens = padded(
                result.tokens,
                lambda some: self.transfer.write(some, result.target_model, result.protocol),
                self.transfer.target(result.target_model).count_tokens,
            )
            return replace(
                result,
                transferred_insights=[],
                withheld=given,
                context=context,
                tokens=tokens,
                error="irrelevant text was handed over instead, to measure what insights do",
            )
        said = plan.reason or "held out, to measure what insights do"
        return replace(
            result,
            success=False,
            transferred_insights=[],
            transfer_quality_score=0.0,
            withheld=given,
            context="",
            tokens=0,
            error=said,
        )

    def _tallies(self, tx: Transaction, request: HandoverRequest) -> dict[UpliftKey, Tally]:
        units = [*map(protocol_unit, self._forms(request.target_model)), *RELEVANCE_UNITS]
        return tx.tallies(request.tenant, target_model=request.target_model, units=units)

    def _forms(self, target_model: str) -> list[str]:
        """The protocols that are chosen among: one, if the target names it."""
        target = self.transfer.target(target_model)
        preferred = self.transfer.protocol_of(target_model)
        if target.protocol or not self.transfer.config.transfer_protocols.choose_per_target:
            return [preferred]
        custom = self.transfer.config.transfer_protocols.custom_protocols
        return list(dict.fromkeys([preferred, "standard", "exemplar", *custom]))

    def _protocol(
        self, target: TransferTarget, tallies: Mapping[UpliftKey, Tally], request: HandoverRequest
    ) -> str:
        """The preferred form while nothing was scored; then the one that seems to serve best."""
        preferred = self.transfer.protocol_of(target.model_id)
        forms = self._forms(target.model_id)
        units = {protocol_unit(name) for name in forms}
        known = any(key.unit in units and key.arm == Arm.INSIGHTS for key in tallies)
        if len(forms) == 1 or not known or not request.request_id:
            return preferred
        config = self.transfer.config.uplift
        chooser = ProtocolChooser(
            {name: PREFERRED if name == preferred else OTHERS for name in forms},
            config.borrowed_share,
            config.most_borrowed,
        )
        random = Random(f"protocol\0{request.request_id}")  # noqa: S311 - by the id, for replays
        return chooser.choose(
            tallies,
            target_model=target.model_id,
            task_type=request.task_type,
            random=random,
        ).protocol

    def _opened(
        self,
        tx: Transaction,
        plan: Plan,
        tallies: Mapping[UpliftKey, Tally],
        effects: Mapping[str, Effect],
    ) -> Plan:
        """The plan with its arm: by the gate, by the bound of relevance, then by chance."""
        request, config = plan.request, self.transfer.config.uplift
        harmful = {each.insight.id for each in plan.rejected}
        relevance = float(plan.insights[0].metadata.get(RELEVANCE, 0.0))
        insights = list(plan.insights)
        if plan.protocol == PLAYBOOK:
            insights = for_question(
                tx,
                request.tenant,
                insights,
                admits=lambda each: request.admits(each) and each.id not in harmful,
            )
        gain = {
            each.id: _shrunk(effects[each.id])
            for each in insights
            if each.id in effects and effects[each.id].known
        }
        plan = replace(
            plan,
            insights=insights,
            relevance=relevance,
            gain=gain,
            assignment=Assignment(Arm.INSIGHTS, 1.0),
        )
        gate = Gate(
            config.prior_effect,
            config.prior_weight,
            borrowed_share=config.borrowed_share,
            most_borrowed=config.most_borrowed,
        )
        decision = gate.decide(
            tallies,
            target_model=request.target_model,
            task_type=request.task_type,
            protocol=plan.protocol,
        )
        bound = RelevanceBound(RELEVANCE_FLOOR, LEAST_RELEVANCE).of(tallies)
        closed = "" if decision.inject else decision.reason
        if relevance < bound:
            closed = f"the best insight's relevance {relevance:.2f} is below {bound:.2f}"
        if closed:
            is_tried = config.enable and bool(request.request_id)
            retry_rate = config.retry_rate if is_tried else 0.0
            arm = assign_closed(request.request_id, retry_rate=retry_rate)
            return replace(plan, assignment=arm, reason=closed)
        if not config.enable or not request.request_id:
            return plan
        rate = suspected_rate(
            [effects[each.id] for each in insights if each.id in effects], config.holdout_rate
        )
        padding_rate = config.padding_rate if rate + config.padding_rate < 1.0 else 0.0
        arm = assign(request.request_id, holdout_rate=rate, padding_rate=padding_rate)
        return replace(plan, assignment=arm)


def _judged(
    tx: Transaction, request: HandoverRequest, candidates: Sequence[Insight]
) -> tuple[dict[str, RejectedInsight], dict[str, Effect]]:
    """Those that harm this model, and the effects of all that were measured with it."""
    known = {insight_unit(each.id): each for each in candidates}
    tallies = tx.tallies(request.tenant, target_model=request.target_model, units=list(known))
    by_unit: dict[str, dict[UpliftKey, Tally]] = {}
    for key, tally in tallies.items():
        by_unit.setdefault(key.unit, {})[key] = tally
    effects = {known[unit].id: measure(each) for unit, each in by_unit.items()}
    harmful = {
        insight.id: RejectedInsight(
            insight, f"it harms {request.target_model}: {reason(effects[insight.id])}"
        )
        for insight in known.values()
        if insight.id in effects and verdict(effects[insight.id]) == Verdict.QUARANTINE
    }
    return harmful, effects


def _shrunk(effect: Effect, weight: float = 20.0) -> float:
    """An effect drawn towards none, as far as little was measured."""
    return effect.difference * effect.pairs / (effect.pairs + weight)
