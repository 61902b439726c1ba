"""The receipt of an erasure: what went, and the signed record that says so."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from crossmodel.dashboard.actions import address_of
from crossmodel.dashboard.downloads import ERASURE, record_of
from crossmodel.dashboard.markup import code, facts, join, link, moment, sentence, tag
from crossmodel.dashboard.view import View, put
from crossmodel.errors import NotFoundError

PATH: Final = "/receipts/{leaf:int}"
TITLE: Final = "Receipt of an erasure"

MOST: Final = 50
"""Ids that are shown."""


async def build(view: View) -> None:
    """What the record says, and how to prove it."""
    leaf = int(view.part("leaf"))
    record = await record_of(view.cm, leaf, view.tenant)
    if record.kind != ERASURE:
        raise NotFoundError(f"record {leaf} of the log is no erasure")
    counts = ", ".join(f"{n} {kind}" for kind, n in record.predicate["counts"].items() if n)
    insights = record.predicate["insights"]
    left = [each for each in view.asked("left").split(",") if each][:MOST]
    put(
        tag("h1", TITLE),
        sentence(f"Record {leaf} of the log says that this was erased for good.", "good"),
        facts(
            ("When", moment(record.logged_at)),
            ("What went", counts or "Nothing was left to erase"),
            ("Insights", str(len(insights))),
            ("Record", code(leaf)),
        ),
        _held(left),
        tag(
            "p",
            "The bytes still stand in the store's files, because somebody was reading them: they "
            "go when the store is next opened.",
        )
        if view.asked("scrub")
        else Markup(),
        tag(
            "p",
            "The evidence shows the ids and the reason, and proves to anybody that the log holds "
            "this record: ",
            code(f"crossmodel verify record-{leaf}.json --trust trust.json"),
        ),
        tag(
            "p",
            link(
                f"/evidence/{leaf}", "Download the signed receipt", class_="button", download=True
            ),
            " ",
            link("/trust.json", "Download the keys", class_="button", download=True),
        ),
        tag("p", link("/insights", "Back to the insights")),
    )


def _held(left: list[str]) -> Markup:
    if not left:
        return Markup()
    items = join(tag("li", link(address_of(each), code(each))) for each in left)
    return tag("p", "These hold some of the same text. Erase them too if it is to go:") + tag(
        "ul", items
    )
