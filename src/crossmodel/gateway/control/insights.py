"""Insights of one tenant: look at them, set them aside, judge them, erase them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from crossmodel.desk import EffectOnTarget
from crossmodel.domain.erasure import ErasureReceipt
from crossmodel.domain.insight import Insight
from crossmodel.domain.records import SourceText
from crossmodel.gateway.control.context import Control
from crossmodel.gateway.control.operation import Answer, Operation
from crossmodel.gateway.control.parameters import (
    Body,
    Id,
    Limit,
    Name,
    Offset,
    Parameters,
    Reason,
    Tenant,
    Text,
    View,
)

PATH: Final = "/admin/v1/insights"

Where = Literal["active", "demoted", "quarantined"]


class EvidenceView(View):
    """A piece of a source. ``text`` is left out of lists, and where the source is gone."""

    start: int
    end: int
    source_sha256: str
    text: str | UnsetType = UNSET


class InsightView(View):
    """Something that a model's answer says."""

    id: str
    type: str
    kind: str
    content: str
    scope: str
    source_model: str
    confidence: float
    trust: float
    standing: str
    standing_reason: str
    validation_status: str
    extracted_at: datetime
    links: list[str]
    evidence: list[EvidenceView]


class EffectView(View):
    """What the insight does to one model's scores; no difference where it is not known yet."""

    target_model: str
    difference: float | None
    low: float
    high: float
    verdict: str
    reason: str


class InsightDetail(View):
    """An insight with the words that it stands on, and what was measured of it."""

    insight: InsightView
    effects: list[EffectView]


class InsightPage(View):
    """Insights, newest first; ``next_offset`` is that of the next page, if there is one."""

    items: list[InsightView]
    next_offset: int | None


class FoundInsight(View):
    """An insight that a search found; a higher relevance, 0..1, is a better match."""

    relevance: float
    insight: InsightView


class FoundInsights(View):
    """What a search found, best first."""

    items: list[FoundInsight]


class ErasureView(View):
    """The receipt of an erasure. ``leaf`` is the record of the log that says so."""

    insights: list[str]
    counts: dict[str, int]
    still_held_by: list[str]
    reason: str
    time: datetime
    leaf: int | None
    scrubbed: bool


class InsightPageParams(Parameters):
    """Which of them, and which page."""

    tenant: Tenant
    limit: Limit = 50
    offset: Offset = 0
    type: Name | UnsetType = UNSET
    standing: Where | UnsetType = UNSET


class InsightSearchParams(Parameters):
    """What to look for."""

    tenant: Tenant
    query: Text
    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    diversity: Annotated[
        float, Meta(ge=0, le=1, description="How much to prefer what is unlike the others.")
    ] = 0.0


class InsightParams(Parameters):
    """Which insight."""

    id: Id
    tenant: Tenant


class ErasureParams(Parameters):
    """Which insight, and why it is to go."""

    id: Id
    tenant: Tenant
    reason: Reason


class Quarantine(Body):
    """Why the insight must not be handed over."""

    reason: Reason


class Judgement(Body):
    """Whether the insight is right."""

    correct: bool


async def list_insights(control: Control, params: InsightPageParams, _body: None) -> InsightPage:
    """One page of them."""
    found = await control.cm.insights(
        limit=params.limit + 1,  # one more tells whether there is a next page
        offset=params.offset,
        insight_type=None if params.type is UNSET else params.type,
        standing=None if params.standing is UNSET else params.standing,
        tenant=params.tenant,
    )
    more = len(found) > params.limit
    return InsightPage(
        items=[_view(insight) for insight in found[: params.limit]],
        next_offset=params.offset + params.limit if more else None,
    )


async def search(control: Control, params: InsightSearchParams, _body: None) -> FoundInsights:
    """Those that the query is about."""
    found = await control.cm.search_insights(
        params.query, limit=params.limit, diversity=params.diversity, tenant=params.tenant
    )
    return FoundInsights(
        items=[FoundInsight(relevance=one.relevance, insight=_view(one.insight)) for one in found]
    )


async def get_insight(control: Control, params: InsightParams, _body: None) -> InsightDetail:
    """One of them, with its evidence."""
    insight, source = await control.cm.insight(params.id, tenant=params.tenant)
    effects = await control.cm.effects(params.id, tenant=params.tenant)
    return InsightDetail(
        insight=_view(insight, source), effects=[_effect(effect) for effect in effects]
    )


async def quarantine(control: Control, params: InsightParams, body: Quarantine) -> InsightView:
    """Keep it from ever being handed over."""
    await control.cm.quarantine([params.id], body.reason, tenant=params.tenant)
    return await _now(control, params)


async def release(control: Control, params: InsightParams, _body: None) -> InsightView:
    """Let it be handed over again."""
    await control.cm.release([params.id], tenant=params.tenant)
    return await _now(control, params)


async def judge(control: Control, params: InsightParams, body: Judgement) -> InsightView:
    """Say whether it is right."""
    return _view(await control.cm.judge(params.id, body.correct, tenant=params.tenant))


async def erase(control: Control, params: ErasureParams, _body: None) -> ErasureView:
    """Erase it and its text for good."""
    receipt = await control.cm.delete([params.id], params.reason, tenant=params.tenant)
    return _receipt(receipt)


async def _now(control: Control, params: InsightParams) -> InsightView:
    insight, _ = await control.cm.insight(params.id, tenant=params.tenant)
    return _view(insight)


def _view(insight: Insight, source: SourceText | None = None) -> InsightView:
    evidence = []
    for each in insight.evidence:
        is_of_source = source is not None and each.source_sha256 == source.sha256
        text = source.text[each.start : each.end] if source is not None and is_of_source else UNSET
        evidence.append(
            EvidenceView(
                start=each.start, end=each.end, source_sha256=each.source_sha256, text=_shown(text)
            )
        )
    return InsightView(
        id=insight.id,
        type=str(insight.insight_type),
        kind=str(insight.kind),
        content=str(_shown(insight.content)),
        scope=str(_shown(insight.scope)),
        source_model=insight.source_model,
        confidence=insight.confidence_score,
        trust=insight.trust,
        standing=str(insight.standing),
        standing_reason=insight.standing_reason,
        validation_status=str(insight.validation_status),
        extracted_at=insight.extraction_timestamp,
        links=list(insight.links),
        evidence=evidence,
    )


def _shown(text: str | UnsetType) -> str | UnsetType:
    """The text without lone surrogates, which models do write and JSON in UTF-8 cannot hold."""
    return text if text is UNSET else text.encode("utf-8", "replace").decode("utf-8")


def _effect(effect: EffectOnTarget) -> EffectView:
    over = effect.over_nothing
    return EffectView(
        target_model=effect.target_model,
        difference=over.difference if over.known else None,
        low=over.low,
        high=over.high,
        verdict=str(effect.verdict),
        reason=effect.reason,
    )


def _receipt(receipt: ErasureReceipt) -> ErasureView:
    return ErasureView(
        insights=list(receipt.erased.insight_ids),
        counts=dict(receipt.erased.counts),
        still_held_by=list(receipt.erased.still_held_by),
        reason=receipt.reason,
        time=receipt.erased_at,
        leaf=receipt.leaf,
        scrubbed=receipt.is_scrubbed,
    )


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "GET",
        PATH,
        "listInsights",
        "The insights of a tenant, newest first.",
        list_insights,
        InsightPageParams,
        [Answer(200, "A page of insights.", InsightPage)],
    ),
    Operation(
        "GET",
        PATH + "/search",
        "searchInsights",
        "The insights of a tenant that a text is about, by words and by meaning.",
        search,
        InsightSearchParams,
        [Answer(200, "What was found.", FoundInsights)],
    ),
    Operation(
        "GET",
        PATH + "/{id}",
        "getInsight",
        "One insight, the words that it stands on, and what was measured of it.",
        get_insight,
        InsightParams,
        [Answer(200, "The insight.", InsightDetail)],
    ),
    Operation(
        "DELETE",
        PATH + "/{id}",
        "eraseInsight",
        "Erase an insight for good, and its text wherever the store holds it.",
        erase,
        ErasureParams,
        [Answer(200, "The receipt.", ErasureView)],
        refusals=(409, 422),
    ),
    Operation(
        "POST",
        PATH + "/{id}/quarantine",
        "quarantineInsight",
        "Keep an insight from ever being handed over.",
        quarantine,
        InsightParams,
        [Answer(200, "The insight as it is now.", InsightView)],
        body=Quarantine,
    ),
    Operation(
        "POST",
        PATH + "/{id}/release",
        "releaseInsight",
        "Let an insight be handed over again, and forget what was measured of it.",
        release,
        InsightParams,
        [Answer(200, "The insight as it is now.", InsightView)],
    ),
    Operation(
        "POST",
        PATH + "/{id}/judge",
        "judgeInsight",
        "Say whether an insight is right: it counts for how reliable its source model is.",
        judge,
        InsightParams,
        [Answer(200, "The insight.", InsightView)],
        body=Judgement,
    ),
)
