"""Erasing what people said: the hidden values of records, and whatever else holds a request.

The records themselves stay, and so do the figures of selections, transfers and outcomes. Only why a
transfer failed goes from there: it is an exception's text, which may quote anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256

import sqlalchemy as sa

from crossmodel.domain.erasure import Erased
from crossmodel.domain.witness import LogLeaf
from crossmodel.store import schema
from crossmodel.store.erasure import Eraser
from crossmodel.store.hidden import HiddenValues, as_ranges
from crossmodel.store.passages import telling
from crossmodel.store.rows import chunks
from crossmodel.store.sources import SourceTexts
from crossmodel.text.payloads import texts_in


def erase_values(connection: sa.Connection, leaves: Sequence[LogLeaf]) -> Erased:
    """Delete the hidden values that are kept with these records, of whichever tenants.

    All of them are named as lacking values, so they must be whole turns.
    """
    counts = {"commitments": HiddenValues(connection).drop([leaf.index for leaf in leaves])}
    _silence_errors(connection, {(leaf.tenant, leaf.about) for leaf in leaves if leaf.about})
    return Erased(counts=counts, records=as_ranges(leaf.index for leaf in leaves))


def erase_request(
    connection: sa.Connection,
    eraser: Eraser,
    tenant: str,
    request_id: str,
    leaves: Sequence[LogLeaf],
    *,
    with_insights: bool,
) -> Erased:
    """Delete what was asked, handed over and answered, and of its sources all that is no evidence.

    ``leaves`` are the records about the request. Insights that stand on the answer are erased as
    well, or said to hold some of it still; those that quote it or a message whole are only named.
    """
    hidden, sources = HiddenValues(connection), SourceTexts(connection)
    values = hidden.of([leaf.index for leaf in leaves])
    hashes = {sha256(value).hexdigest() for value in values}
    answers = sources.of_request(tenant, request_id, hashes)
    hashes |= set(answers)
    standing = eraser.standing_on(tenant, answers)
    quoting = eraser.quoting(tenant, telling({*texts_in(values), *answers.values()}))
    parts = [erase_values(connection, leaves)]
    if with_insights:
        parts.append(eraser.erase(tenant, sorted(standing)))
        quoting |= set(parts[-1].still_held_by)
        standing = set(parts[-1].insight_ids)
        quoting -= standing
    answers = sources.of_request(tenant, request_id, hashes)
    shortened = sources.keep_evidence(tenant, answers)
    # a hash of the whole answer would let what was blotted out be guessed
    forgotten, lacking = hidden.forget(tenant, (), hashes, ())
    rest = Erased(
        counts={"sources": shortened, "commitments": forgotten},
        still_held_by=tuple(quoting if with_insights else standing | quoting),
        records=as_ranges(lacking),
    )
    return _together([*parts, rest])


def _silence_errors(connection: sa.Connection, requests: Iterable[tuple[str, str]]) -> None:
    table = schema.transfers
    key = sa.tuple_(table.c.tenant, table.c.request_id)
    for chunk in chunks(requests):
        silenced = sa.update(table).where(key.in_(chunk), table.c.error.is_not(None))
        connection.execute(silenced.values(error=None))


def _together(parts: Sequence[Erased]) -> Erased:
    """Several erasures as one; what the last one says is still held is still held."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part.counts)
    return Erased(
        tuple(name for part in parts for name in part.insight_ids),
        dict(counts),
        tuple(sorted(parts[-1].still_held_by)),
        as_ranges(
            n for part in parts for first, last in part.records for n in range(first, last + 1)
        ),
    )
