"""What is around every page: skip link, header, navigation.

It is part of the document itself: it is painted, and can be used, before any script has run.
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from crossmodel.dashboard.access import Session
from crossmodel.dashboard.markup import join, link, tag
from crossmodel.dashboard.theme import REMEMBER, STYLE

PAGES: Final = (
    ("/", "Overview"),
    ("/models", "Models"),
    ("/selection", "Selection"),
    ("/insights", "Insights"),
    ("/transfer", "Transfer"),
    ("/provenance", "Provenance"),
    ("/budgets", "Budgets"),
    ("/alerts", "Alerts"),
)
"""The navigation."""

CONTENT: Final = "content"
"""Id of what the skip link leads to."""

THEMES: Final = (("system", "System"), ("light", "Light"), ("dark", "Dark"))


def head() -> Markup:
    """What goes into the head of every page."""
    return tag("style", Markup(STYLE)) + tag("script", Markup(REMEMBER))  # noqa: S704 - our own


def frame(session: Session | None, path: str) -> Markup:
    """What stands before the content of the page at ``path``; for strangers no navigation."""
    choice = tag(
        "form",
        tag("label", "Theme", for_="theme"),
        tag("select", *(tag("option", name, value=value) for value, name in THEMES), id="theme"),
    )
    who: Markup | str = ""
    if session is not None and session.name:
        who = tag(
            "form",
            tag("span", f"{session.name} ({session.role}, tenant {session.tenant})"),
            tag("button", "Sign out", type="submit"),
            method="post",
            action="/sign-out",
        )
    bar = tag("header", link("/", "CrossModel", class_="name"), choice, who)
    skip = link(f"#{CONTENT}", "Skip to the content", class_="skip")
    if session is None:
        return skip + bar
    places = (
        tag("li", link(to, name, aria_current="page" if _is_under(path, to) else None))
        for to, name in PAGES
    )
    return skip + bar + tag("nav", tag("ul", *places), aria_label="Pages")


def plain_page(title: str, *content: object, session: Session | None = None) -> str:
    """A whole page without the framework: for strangers, and where there is nothing live."""
    return str(
        Markup("<!doctype html>")
        + tag(
            "html",
            tag(
                "head",
                tag("meta", charset="utf-8"),
                tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
                tag("title", f"{title} · CrossModel"),
                head(),
            ),
            tag(
                "body",
                frame(session, ""),
                tag("main", join(content), id=CONTENT, tabindex="-1"),
            ),
            lang="en",
        )
    )


def _is_under(path: str, place: str) -> bool:
    return path == place or (place != "/" and path.startswith(f"{place}/"))
