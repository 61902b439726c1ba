"""What a protocol is, and how an object or a name becomes one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final, Protocol, runtime_checkable

from crossmodel.domain.insight import Insight
from crossmodel.errors import ConfigurationError

ENTRY_POINTS: Final = "crossmodel.protocols"
"""Group of entry points under which packages offer protocols by name."""


@runtime_checkable
class TransferProtocol(Protocol):
    """A form in which insights are written down. Its methods are pure."""

    def takes(self, insight: Insight) -> bool:
        """Whether this form has a place for such an insight."""
        ...

    def write(self, insights: Sequence[Insight]) -> str:
        """The insights as text, in the order given: the whole of each, or less, never more."""
        ...

    def ask(self, question: str) -> str:
        """The question in the form that best follows the text, for models that copy form."""
        ...


@runtime_checkable
class NamesItsBlock(Protocol):
    """A protocol whose text grows at its end: prompt caches hit if its beginning stays."""

    def block(self, insights: Sequence[Insight]) -> str:
        """What the marks around the text are named by, instead of by the text itself."""
        ...


@dataclass(frozen=True, slots=True)
class WriterProtocol:
    """A protocol made of a function alone: it takes every insight and leaves questions alone."""

    writer: Callable[[Sequence[Insight]], str]

    def takes(self, insight: Insight) -> bool:  # noqa: ARG002 - the protocol's signature
        """Every kind of insight."""
        return True

    def write(self, insights: Sequence[Insight]) -> str:
        """What the function writes."""
        return self.writer(insights)

    def ask(self, question: str) -> str:
        """The question as it is."""
        return question


def as_protocol(name: str, given: Any) -> TransferProtocol:
    """A protocol from an object, a class, a function, or a ``module:attribute`` path to one.

    Raises:
        ConfigurationError: if it is none of these, or cannot be imported.
    """
    candidate = _imported(name, given) if isinstance(given, str) else given
    if isinstance(candidate, type):
        candidate = candidate()
    if isinstance(candidate, TransferProtocol):
        return candidate
    if callable(candidate):
        return WriterProtocol(candidate)
    raise ConfigurationError(
        f"protocol {name!r} must have takes, write and ask, or be a function from insights to "
        f"text, not {type(candidate).__name__}"
    )


def offered(name: str) -> TransferProtocol | None:
    """The protocol that an installed package offers under ``name``, if one does."""
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return as_protocol(name, point.value)
    return None


def _imported(name: str, path: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"protocol {name!r} cannot be loaded from {path!r} (module:attribute): {error}"
        ) from error
