"""Names that load when they are used: a start should not wait for what it may never need."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def loader(module: str, places: Mapping[str, str], *, within: str = "") -> Callable[[str], Any]:
    """A module's ``__getattr__`` (PEP 562).

    Args:
        module: the module's own name.
        places: in which module each name is.
        within: what these modules' names are relative to; the module itself if empty.
    """
    package = within or module

    def load(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{places[name]}"), name)

    return load
