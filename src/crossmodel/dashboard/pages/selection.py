"""Why requests went to the models that they went to."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from crossmodel.dashboard.forms import asking, choice, onward
from crossmodel.dashboard.markup import NONE, code, empty, link, moment, table, tag
from crossmodel.dashboard.view import View, put
from crossmodel.domain.records import SelectionRecord

PATH: Final = "/selection"
TITLE: Final = "Selection"

PER_PAGE: Final = 50


async def build(view: View) -> None:
    """The latest decisions."""
    model, before = view.asked("model"), view.asked("before")
    page, more = await view.cm.page_of_selections(
        before=before or None, limit=PER_PAGE, model=model or None, tenant=view.tenant
    )
    names = [(each.id, each.id) for each in view.cm.models()]
    if model and model not in dict(names):
        names.append((model, model))
    put(
        tag("h1", TITLE),
        asking(
            PATH,
            choice("model", "Model", model, [("", "Any"), *names]),
            button="Filter",
        ),
    )
    if page:
        columns = ("Request", "Model", "Score", "Next best", "Asked for", "When")
        put(table("Newest first", columns, [_row(each) for each in page], numeric={2}))
    elif more is not None:
        put(empty(f"None of the decisions that were looked at fell for {model}.", "Look further."))
    elif model or before:
        put(empty("There is no such decision.", "Choose another model, or any."))
    else:
        put(
            empty(
                "No model has been chosen yet.",
                'Ask for one: clients of the gateway do by model = "auto". Or here:',
                'crossmodel ask "How are ticket codes made?"',
            )
        )
    put(onward(PATH, {"model": model}, more, is_first=not before))


def _row(record: SelectionRecord) -> tuple[object, ...]:
    asked = record.requirement.get("required_capabilities", [])
    return (
        link(f"{PATH}/{quote(record.request_id, safe='')}", code(record.request_id)),
        record.model_id or "none",
        f"{record.suitability_score:.3f}",
        record.alternatives[0] if record.alternatives else NONE,
        ", ".join(map(str, asked)) or NONE,
        moment(record.selected_at),
    )
