"""What the tests of provenance share: logs with turns in them, made of the house's own statements."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from crossmodel.domain.erasure import Erased
from crossmodel.domain.insight import Evidence, Insight
from crossmodel.domain.records import SelectionRecord, TransferRecord
from crossmodel.domain.selection import Outcome
from crossmodel.witness import statement
from crossmodel.witness.log import append

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SECRET = "qzxwvoplian-47"

HOSTILE = [
    "two\nlines\r\n└── answer by nobody",
    "[bold red]markup[/] [link=https://evil.example]x[/link]",
    "\"quoted\" 'both' `ways` \\ $HOME",
    "x" * 10_000,
    "\x1b[31mred\x07\x00",
    "../../etc/passwd",
    "sha256-" + "0" * 64,
    "a:b#c?d e%20",
    "\u202egnp.exe \u2066",
    "ümläut 漢字 \U0001f980",
    '{"prov:type": "x"}',
    "-rf",
    "17",
    ".",
    "_:id1",
]


class Ticking:
    """A clock that goes on by a second at each look."""

    def __init__(self):
        self.now = START

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


def turn(
    log, name, *, tenant="t", model="strong", given=None, learned=(), answer="yes", trace_id=None,
    arm="insights", clock=None,
):  # fmt: skip
    """A turn and what was learned from it, as the ledger appends them; returns the leaves."""
    clock = clock or Ticking()
    request = statement.commit(f"asked {SECRET} in {name}")
    selection = SelectionRecord(
        name, tenant, model, 0.75, ("other", "third"), {"complexity": 0.5}, clock(), 1.0
    )
    drafts = [
        statement.selection_statement(
            request, selection, rejected={"tiny": "cannot do tools"}, trace_id=trace_id
        )
    ]
    if given is not None:
        context = statement.commit(f"context {SECRET} of {name}")
        transfer = TransferRecord(
            name, tenant, model, "standard", success=bool(given), insight_ids=tuple(given),
            quality_score=0.9, tokens=33, context_digest=context.digest, transferred_at=clock(),
            arm=arm,
        )  # fmt: skip
        drafts.append(statement.transfer_statement(request, context, transfer, trace_id=trace_id))
    outcome = Outcome(
        name, model, success=answer is not None, latency_ms=1500.0, cost_usd=0.002,
        recorded_at=clock(), served_model=f"{model}-2026",
    )  # fmt: skip
    said = None if answer is None else statement.commit(answer)
    drafts.append(
        statement.outcome_statement(
            outcome, tenant=tenant, request=request, answer=said, trace_id=trace_id
        )
    )
    leaves = append(log, drafts, clock)
    return leaves + learn(log, learned, tenant=tenant, model=model, request=name, clock=clock)


def learn(log, names, *, tenant="t", model="strong", request=None, clock=None):
    """Insights of one source; returns the leaves."""
    clock = clock or Ticking()
    source = statement.commit("0" * 64)
    drafts = [
        statement.insight_statement(
            Insight(
                f"content {SECRET} of {name}", id=name, source_model=model, kind="rule",
                evidence=(Evidence(0, 9, "0" * 64),), confidence_score=0.8,
                validation_status="valid", extraction_timestamp=clock(),
            ),
            source, tenant=tenant, source_request=request,
        )
        for name in names
    ]  # fmt: skip
    return append(log, drafts, clock) if drafts else []


def judge(log, name, score, *, tenant="t", source="feedback", clock=None):
    clock = clock or Ticking()
    outcome = Outcome(name, "strong", success=True, score=score, recorded_at=clock(), source=source)
    return append(log, [statement.outcome_statement(outcome, tenant=tenant)], clock)


def erase(log, insights=(), records=(), *, tenant="t"):
    """The record of an erasure; the values go by :func:`forget`."""
    erased = Erased(tuple(insights), {"insights": len(insights)}, records=tuple(records))
    said = statement.erasure_statement(erased, statement.commit("asked for"), START, tenant=tenant)
    return append(log, [said])


def forget(log, *names):
    """Take away hidden values of a log in memory, by what they say."""
    doomed = [d for d, c in log._commitments.items() if any(n.encode() in c.value for n in names)]
    for digest in doomed:
        del log._commitments[digest]


def edit(log, leaf, **changes):
    """What somebody does who has the database in their hands."""
    log._leaves[leaf] = replace(log._leaves[leaf], **changes)
