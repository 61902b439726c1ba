"""A chain as an in-toto attestation bundle: a DSSE envelope of each statement, one a line.

A bundle is not authenticated as a whole: it does not show that records are missing. That is what
evidence files and the log are for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crossmodel.ports import LogTransaction
from crossmodel.witness.dsse import Envelope, Signature
from crossmodel.witness.provenance.chain import Chain


def bundle(chain: Chain, tx: LogTransaction, sign: Callable[[int], Mapping[str, bytes]]) -> bytes:
    """The envelopes of the chain's statements, exact bytes, in the log's order.

    A statement that was signed when it was made keeps those signatures; ``sign`` gives those of the
    others, by the index of their record: :meth:`CrossModelVIF.sign_record` signs nothing that the
    log does not prove.
    """
    lines = []
    for record in chain.all_records():
        signatures = tx.get_signatures(record.leaf) or sign(record.leaf)
        made = tuple(Signature(key_id, signature) for key_id, signature in signatures.items())
        lines.append(Envelope(record.payload_type, record.statement, made).to_json())
    return b"".join(lines)
