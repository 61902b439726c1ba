"""What a protocol is, and how an object or a name becomes one."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final, Protocol, runtime_checkable

from crossmodel.domain.insight import Insight, InsightKind
from crossmodel.errors import ConfigurationError

ENTRY_POINTS: Final = "crossmodel.protocols"
"""Group of entry points under which packages offer protocols by name."""


_ANNOUNCED: Final = re.compile(
    r"""[*_\s]*(?:note|notes|nb|n\.b\.|important|remember|reminder|warning|caution|caveat|tip|hint
    |fyi|rule(?:\ of\ thumb)?|key\ (?:point|fact|rule)|fact|for\ the\ record|good\ to\ know
    |in\ short|also|please\ note(?:\ that)?|to\ be\ clear|the\ rule)
    [*_]*\s*[:\uff1a][*_]*\s+(?=\S)""",
    re.VERBOSE | re.IGNORECASE,
)
"""What only says that something comes."""

_WORDS: Final = re.compile(r"[^\W_]{3,}")


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


def worked_example(insight: Insight) -> tuple[str, str] | None:
    """Input and output of a worked example that says both; ``None`` for anything else."""
    if insight.kind != InsightKind.EXAMPLE:
        return None
    given, result = insight.metadata.get("input"), insight.metadata.get("output")
    if not (isinstance(given, str) and isinstance(result, str)):
        return None
    given, result = given.strip(), result.strip()
    return (given, result) if given and result else None


def one_line(text: str) -> str:
    """``text`` with every run of white space as one space."""
    return " ".join(text.split())


def is_row(insight: Insight) -> bool:
    """Whether it is a row of a table whose key asks nothing: a value to look up."""
    example = worked_example(insight)
    return bool(example and insight.metadata.get("columns") and "?" not in example[0])


def statement(insight: Insight) -> str:
    """What an insight says, in one line that can stand alone.

    A row names its columns; a sentence whose heading it needs to be understood begins with that;
    words that only announce it ("Note:", "For the record:") are left out.
    """
    said = one_line(insight.content)
    example = worked_example(insight)
    if example is not None and is_row(insight):
        (first, second), (given, result) = insight.metadata["columns"], example
        said = f"{first} {one_line(given)}: {second} {one_line(result)}"
    else:
        said = _ANNOUNCED.sub("", said, count=1)
    scope = one_line(insight.scope)
    stands_alone = not scope or any(
        word in said.casefold() for word in _WORDS.findall(scope.casefold())
    )
    return said if stands_alone else f"{scope}: {said}"


def _imported(name: str, path: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"protocol {name!r} cannot be loaded from {path!r} (module:attribute): {error}"
        ) from error
