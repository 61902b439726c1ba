"""Where an answer or an insight comes from, and whether the log still proves it."""

from __future__ import annotations

import asyncio
from typing import Final

from markupsafe import Markup
from nicegui import ui

from crossmodel.dashboard.actions import address_of
from crossmodel.dashboard.chain_graph import graph
from crossmodel.dashboard.forms import asking, field
from crossmodel.dashboard.markup import (
    NONE,
    badge,
    code,
    empty,
    join,
    link,
    moment,
    section,
    sentence,
    table,
    tag,
)
from crossmodel.dashboard.view import View, put
from crossmodel.desk import Chain, InsightNode, Record, RequestNode
from crossmodel.domain.witness import VerificationReport
from crossmodel.errors import CrossModelError, NotFoundError

PATH: Final = "/provenance"
TITLE: Final = "Provenance"

TICK_SECONDS: Final = 0.25
"""How often progress is shown."""

STATES: Final = {"kept": "good", "erased": "doubtful", "missing": "bad", "altered": "bad"}


async def build(view: View) -> None:
    """What to look up, the chain of it, and the log's verification."""
    wanted = view.asked("id")
    put(
        tag("h1", TITLE),
        asking(
            PATH,
            field("id", "Id of a request or insight, or number of a record", wanted),
            button="Show the chain",
            role="search",
        ),
    )
    if wanted:
        try:
            _show(await view.cm.trace(wanted, tenant=view.tenant))
        except NotFoundError as error:
            ui.context.client.status_code = 404
            put(sentence(f"{error}. Ids stand in the lists of selections and insights."))
    else:
        put(
            empty(
                "Enter an id to see who said what to whom.",
                "Every answer has one; the lists of selections and insights lead here too. In the "
                "terminal the same is",
                "crossmodel trace ID",
            )
        )
    _verification(view)


def _show(chain: Chain) -> None:
    problems = chain.problems
    said = (
        join(sentence(problem) for problem in problems)
        if problems
        else tag(
            "p",
            "Every record of the chain is as it was written, as far as a look can tell. What "
            "proves it is the verification below, or by others: the evidence, and crossmodel "
            "verify.",
        )
    )
    requests = (tag("li", _request(node, chain)) for node in chain.requests.values())
    insights = (tag("li", _insight(node)) for node in chain.insights.values())
    put(
        section(
            "The chain",
            said,
            graph(chain),
            tag("p", f"{len(chain.cut)} ids were not followed: the chain is too long.")
            if chain.cut
            else "",
            tag(
                "div",
                tag("h3", "The same as a list"),
                tag("ul", *requests, *insights),
                class_="chain",
            ),
        ),
        section(
            "Its records in the log",
            tag(
                "p",
                "An evidence file proves one record to anybody, offline: ",
                code("crossmodel verify record-N.json --trust trust.json"),
                ". Get the keys, ",
                link("/trust.json", "trust.json", download=True),
                ", once, by a way that you trust.",
            ),
            table(
                "In the order of the log",
                ("Record", "What it says", "About", "Logged", "Hidden values", "Evidence"),
                [_row(record) for record in chain.all_records()],
            ),
        ),
    )


def _request(node: RequestNode, chain: Chain) -> Markup:
    steps: list[Markup] = []
    if (record := node.selection) is not None:
        model = record.predicate["model"] or "no model"
        steps.append(_step(record, f"Selection of {model}, score {record.predicate['score']:.3f}"))
    if (record := node.transfer) is not None:
        given = join(tag("li", link(address_of(each), code(each))) for each in node.given)
        steps.append(
            tag("li", _ref(record), f" Transfer, arm {record.predicate['arm']}", tag("ul", given))
        )
    if (record := node.outcome) is not None:
        came = "Answer" if record.predicate["success"] else "No answer"
        steps.append(_step(record, f"{came} of {record.predicate['model']}"))
    steps += [
        _step(each, f"{each.predicate['source']} gave it {each.predicate['score']}")
        for each in node.feedback
    ]
    learned = [each for each in node.learned if each in chain.insights]
    if learned:
        items = join(tag("li", link(address_of(each), code(each))) for each in learned)
        steps.append(tag("li", "Learned from the answer", tag("ul", items)))
    return join(
        (
            "Request ",
            link(f"/selection/{node.id}", code(node.id)),
            tag("ul", *steps),
        )
    )


def _insight(node: InsightNode) -> Markup:
    said = [
        tag("span", "Insight "),
        link(address_of(node.id), code(node.id)),
        f", said by {node.source_model or 'nobody known'}",
    ]
    if node.source_request:
        said += [
            " in its answer to ",
            link(f"/provenance?id={node.source_request}", code(node.source_request)),
        ]
    if node.erased_by is not None:
        said += [", erased by record ", link(f"/receipts/{node.erased_by}", str(node.erased_by))]
    elif node.standing:
        said.append(f"; {node.standing} now")
    return join(said)


def _step(record: Record, said: str) -> Markup:
    return tag("li", _ref(record), " ", said)


def _ref(record: Record) -> Markup:
    return link(f"#record-{record.leaf}", f"Record {record.leaf}:")


def _row(record: Record) -> tuple[object, ...]:
    hidden = join(
        tag("div", f"{each.name} ", badge(each.state, STATES.get(each.state, "")))
        for each in record.hidden
    )
    said: list[object] = [record.kind]
    said += [sentence(problem) for problem in record.problems]
    return (
        tag("span", str(record.leaf), id=f"record-{record.leaf}", tabindex="-1"),
        join(said),
        code(record.about or NONE),
        moment(record.logged_at),
        hidden or "none",
        link(f"/evidence/{record.leaf}", f"record-{record.leaf}.json", download=True),
    )


def _verification(view: View) -> None:
    put(
        section(
            "The whole log",
            tag(
                "p",
                "Checks every record of the log, of all tenants, against its signed heads: that "
                "none was changed, left out or put between. In the terminal the same is ",
                code("crossmodel verify"),
                ".",
            ),
        )
    )
    button = ui.html("Verify the log", sanitize=False, tag="button")
    button.props("type=button class=main id=verify")
    button.classes("main")
    shown = ui.html("", sanitize=False).props("aria-live=polite id=verdict")

    async def verify() -> None:
        if not view.is_live:
            shown.content = str(sentence("Your session is over: sign in again."))
            return
        if view.verifying.locked():
            shown.content = str(sentence("The log is being verified already. Wait for its end."))
            return
        async with view.verifying:
            button.props("disabled")
            try:
                await _verify(view, shown)
            finally:
                button.props(remove="disabled")

    button.on("click", verify)


async def _verify(view: View, shown: ui.html) -> None:
    """Runs the verification; what it says and how far it is goes to ``shown``."""
    state = [0, 0]

    def note(done: int, total: int) -> None:  # in another thread
        state[:] = done, total

    shown.content = str(_progress(0, 0))
    running = asyncio.create_task(view.cm.verify(progress=note))
    while not (await asyncio.wait({running}, timeout=TICK_SECONDS))[0]:
        shown.content = str(_progress(*state))
    try:
        shown.content = str(verdict(running.result()))
    except CrossModelError as error:
        shown.content = str(sentence(error))


def _progress(done: int, total: int) -> Markup:
    said = f"{done} of {total} records" if total else "Beginning"
    return tag("p", said) + tag(
        "progress", said, max=total or 1, value=done, aria_label="Records that were checked"
    )


def verdict(report: VerificationReport) -> Markup:
    """What a verification found, with its steps."""
    kind = "good" if report.is_valid else "bad"
    rows = [
        (
            str(step.number),
            step.name,
            badge("passed", "good") if step.passed else badge("refused", "bad"),
            step.detail or NONE,
        )
        for step in report.steps
    ]
    said = f"The log is {report.verdict}: {report.records} records were checked."
    steps = table("Its steps", ("Step", "What is checked", "Result", "Detail"), rows)
    return sentence(said, kind) + (steps if rows else Markup())
