"""Forms and steps that several pages have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from markupsafe import Markup

from crossmodel.dashboard.markup import link, tag


def field(
    name: str, label: str, value: str, *, placeholder: str = "", kind: str = "text"
) -> Markup:
    """A line to fill in."""
    return tag(
        "div",
        tag("label", label, for_=name),
        tag(
            "input",
            id=name,
            name=name,
            value=value,
            type=kind,
            placeholder=placeholder or None,
            maxlength=2000,
        ),
    )


def choice(name: str, label: str, value: str, options: Iterable[tuple[str, str]]) -> Markup:
    """One of several; options are values and what they are called."""
    return tag(
        "div",
        tag("label", label, for_=name),
        tag(
            "select",
            *(
                tag("option", called, value=each, selected=each == value)
                for each, called in options
            ),
            id=name,
            name=name,
        ),
    )


def asking(action: str, *fields: Markup, button: str, role: str | None = None) -> Markup:
    """A form that only asks: what was asked for stands in the address, and can be kept."""
    return tag(
        "form",
        *fields,
        tag("button", button, type="submit", class_="main"),
        method="get",
        action=action,
        class_="row",
        role=role,
    )


def onward(path: str, asked: Mapping[str, str], before: object | None, *, is_first: bool) -> Markup:
    """Steps to the first page and the next one."""
    kept = {name: value for name, value in asked.items() if value}
    steps = []
    if not is_first:
        steps.append(link(address(path, kept), "Newest", class_="button"))
    if before is not None:
        steps.append(link(address(path, {**kept, "before": str(before)}), "Older", class_="button"))
    if not steps:
        return Markup()
    return tag("nav", *steps, class_="row", aria_label="More of the list")


def address(path: str, asked: Mapping[str, str]) -> str:
    """An address with a query."""
    return f"{path}?{urlencode(asked)}" if asked else path


def dialog(id_: str, opener: Markup | str, *content: Markup) -> Markup:
    """A question in front of the page, and the button that asks it. Escape closes it."""
    title = f"{id_}-title"
    opened = tag(
        "button",
        opener,
        type="button",
        class_="danger",
        aria_haspopup="dialog",
        onclick=f"document.getElementById('{id_}').showModal()",
    )
    close = tag(
        "button",
        "Cancel",
        type="button",
        onclick=f"document.getElementById('{id_}').close()",
    )
    return opened + tag(
        "dialog",
        tag("h2", opener, id=title),
        *content,
        tag("p", close),
        id=id_,
        aria_labelledby=title,
    )
