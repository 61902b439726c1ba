"""A chain as W3C PROV (PROV-DM, 2013) in PROV-JSON (W3C member submission, 2013)."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import TYPE_CHECKING, Final

from crossmodel.errors import MissingExtraError
from crossmodel.witness.provenance.chain import Chain
from crossmodel.witness.provenance.graph import (
    OURSELVES,
    Activity,
    Entity,
    Graph,
    Value,
    graph_of,
    safe_name,
)

if TYPE_CHECKING:
    from prov.model import ProvDocument

NAMESPACE: Final = "https://crossmodel.dev/prov#"
PREFIX: Final = "crossmodel"


def prov_json(chain: Chain) -> bytes:
    """The chain as one PROV-JSON document: ids, digests and figures, no content.

    Raises:
        MissingExtraError: if the library ``prov`` is not installed.
    """
    written = StringIO()
    document_of(chain).serialize(written, format="json", indent=1)
    return written.getvalue().encode() + b"\n"


def document_of(chain: Chain) -> ProvDocument:
    """The chain as a document of the library ``prov``, which writes it in other formats as well.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        from prov.model import ProvDocument  # noqa: PLC0415 - an optional library
    except ImportError as error:
        raise MissingExtraError("PROV-JSON", "audit") from error
    document = ProvDocument()
    document.add_namespace(PREFIX, NAMESPACE)
    graph = graph_of(chain)
    _add_agents(document, graph)
    for entity in graph.entities.values():
        _add_entity(document, entity)
    for activity in graph.activities:
        _add_activity(document, activity)
    return document


def _add_agents(document: ProvDocument, graph: Graph) -> None:
    document.agent(_name(OURSELVES), [_type(document, "prov:SoftwareAgent")])
    for model in graph.models:
        named = [_type(document, _name("Model")), (f"{PREFIX}:name", model)]
        document.agent(_name(safe_name("model", model)), named)


def _add_entity(document: ProvDocument, entity: Entity) -> None:
    types = [_name(entity.kind.capitalize())]
    if entity.members:
        types.append("prov:Collection")
    typed = [_type(document, each) for each in types]
    document.entity(_name(entity.id), [*typed, *_attributes(entity.attributes)])
    for source in entity.derived_from:
        document.wasDerivedFrom(_name(entity.id), _name(source))
    for member in entity.members:
        document.hadMember(_name(entity.id), _name(member))
    if entity.said_by is not None:
        document.wasAttributedTo(_name(entity.id), _name(safe_name("model", entity.said_by)))


def _add_activity(document: ProvDocument, activity: Activity) -> None:
    known: list[tuple[str, object]] = [
        _type(document, _name(activity.kind.capitalize())),
        (f"{PREFIX}:leaf", activity.leaf),
        (f"{PREFIX}:succeeded", activity.succeeded),
    ]
    if activity.logged_at is not None:
        known.append((f"{PREFIX}:logged_at", activity.logged_at))
    known += _attributes(activity.attributes)
    name = _name(activity.id)
    document.activity(name, activity.started, activity.ended, known)
    for used in activity.used:
        document.used(name, _name(used), activity.started)
    for generated in activity.generated:
        document.wasGeneratedBy(_name(generated), name, activity.ended)
    for gone in activity.invalidated:
        document.wasInvalidatedBy(_name(gone), name, activity.ended)
    for before in activity.after:
        document.wasInformedBy(name, _name(before))
    if activity.done_by == OURSELVES:
        document.wasAssociatedWith(name, _name(OURSELVES))
    elif activity.done_by is not None:
        document.wasAssociatedWith(name, _name(safe_name("model", activity.done_by)))


def _attributes(values: Mapping[str, Value | tuple[str, ...]]) -> list[tuple[str, object]]:
    """Name and value of each; one that has several comes as often."""
    return [
        (f"{PREFIX}:{name}", each)
        for name, value in values.items()
        for each in (value if isinstance(value, tuple) else (value,))
    ]


def _type(document: ProvDocument, name: str) -> tuple[str, object]:
    """A type as an attribute: a qualified name, and no text that only looks like one."""
    return "prov:type", document.valid_qualified_name(name)


def _name(local: str) -> str:
    return f"{PREFIX}:{local}"
