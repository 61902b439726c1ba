"""What is wrong, and what was."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from crossmodel.dashboard.markup import badge, empty, moment, sentence, table, tag
from crossmodel.dashboard.sources import Alert
from crossmodel.dashboard.view import View, put

PATH: Final = "/alerts"
TITLE: Final = "Alerts"


async def build(view: View) -> None:
    """Those that are not over first."""
    put(tag("h1", TITLE))
    if not view.session.runs_everything:
        put(empty("Alerts are about the system, which others run.", "Ask them what is wrong."))
        return
    found = await view.sources.alerts()
    if found is None:
        put(
            empty(
                "Nobody watches yet, so nobody can say whether anything is wrong.",
                "Look once, and have the gateway look by itself with [health] in its settings:",
                "crossmodel health",
            )
        )
        return
    current = sum(not each.is_over for each in found)
    said = f"{current} last at present." if current else "Nothing is wrong at present."
    put(sentence(said, "doubtful" if current else "good"))
    if found:
        columns = ("What", "State", "Message", "Since", "Until")
        put(table("The latest, what lasts first", columns, [_row(each) for each in found]))


def _row(alert: Alert) -> tuple[object, ...]:
    return alert.name, _state(alert), alert.message, moment(alert.since), moment(alert.ended)


def _state(alert: Alert) -> Markup:
    if alert.is_over:
        return badge("over", "good")
    return badge("silenced", "doubtful") if alert.is_silenced else badge("lasts", "bad")
