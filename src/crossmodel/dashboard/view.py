"""What a page is given to build itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from nicegui import ui
from starlette.requests import Request

from crossmodel.assembly import CrossModel
from crossmodel.dashboard.access import Access, Session
from crossmodel.dashboard.sources import Sources
from crossmodel.errors import InvalidInputError

MOST_CHARACTERS: Final = 2000
"""Of what is asked for in an address."""


@dataclass(frozen=True, slots=True)
class View:
    """One page for one person.

    ``verifying`` is held by whoever verifies the log: one at a time is enough for a machine.
    """

    cm: CrossModel
    access: Access
    session: Session
    sources: Sources
    request: Request
    verifying: asyncio.Lock

    @property
    def tenant(self) -> str:
        """Whose data is shown: every read names it."""
        return self.session.tenant

    @property
    def is_live(self) -> bool:
        """Whether who looks is still signed in: a page stays open for long."""
        return self.access.is_live(self.session)

    def asked(self, name: str) -> str:
        """What the address asks for under that name; empty if nothing.

        Raises:
            InvalidInputError: if it is longer than 2,000 characters.
        """
        value = self.request.query_params.get(name, "").strip()
        if len(value) > MOST_CHARACTERS:
            raise InvalidInputError(f"{name} is longer than {MOST_CHARACTERS} characters")
        return value

    def part(self, name: str) -> str:
        """The part of the path that has that name."""
        return str(self.request.path_params[name])


def put(*pieces: Markup) -> ui.html:
    """Put markup on the page. All of it is ours: what is of others was escaped when it was made."""
    return ui.html("".join(pieces), sanitize=False)
