"""Parameters that several operations share, and pages."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

PRINTABLE: Final = r"^[^\x00-\x1f\x7f]+$"

SOMETHING: Final = r"[^\s\x00-\x1f\x7f\x85]"
"""Not only white space. Dialects of regular expressions differ in which controls are some."""

Tenant = Annotated[
    str,
    Meta(min_length=1, max_length=200, pattern=PRINTABLE, description="Whose it is."),
]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=PRINTABLE)]
Reason = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=500,
        pattern=SOMETHING,
        description="Why, for whoever asks later. It must not quote what is to be erased.",
    ),
]
Limit = Annotated[int, Meta(ge=1, le=200, description="Most items of the page.")]
Offset = Annotated[
    int, Meta(ge=0, le=1_000_000, description="How many items stand before the page.")
]
Text = Annotated[str, Meta(min_length=1, max_length=2000, pattern=SOMETHING)]
Score = Annotated[float, Meta(ge=0, le=1)]
Id = Annotated[str, Meta(min_length=1, max_length=200, pattern=PRINTABLE)]


class Parameters(msgspec.Struct, forbid_unknown_fields=True):
    """Base of all parameters: unknown ones are refused."""


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """Base of all bodies: unknown fields are refused."""


class View(msgspec.Struct):
    """Base of all that is shown."""
