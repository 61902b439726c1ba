"""Proofs of what a log holds, for others to check: no key is needed to make them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from crossmodel.domain.witness import ConsistencyProof, LogLeaf, SignedCheckpoint
from crossmodel.errors import InvalidInputError, NotFoundError, WitnessError
from crossmodel.ports import LogTransaction
from crossmodel.witness import merkle
from crossmodel.witness.checkpoint import TlogProof
from crossmodel.witness.dsse import Signature
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.export import ALL
from crossmodel.witness.log import consistency_proof, inclusion_proof, root_at
from crossmodel.witness.statement import subject_digests
from crossmodel.witness.strict import MAX_BYTES


def prove_record(
    at: LogTransaction, index: int, *, disclose: Sequence[str] = (), size: int | None = None
) -> bytes:
    """The evidence file of one record, as :meth:`CrossModelVIF.generate_witness` says."""
    records = at.log_size()
    if not 0 <= index < records:
        raise NotFoundError(f"the log has no record {index}: it has {records}, from 0")
    head = at.latest_checkpoint() if size is None else head_of(at, size)
    if head is None or index >= head.size:
        covered = head.size if head else 0
        raise WitnessError(f"no checkpoint covers record {index}: {covered} are covered")
    leaf = next(iter(at.leaves(index, index + 1)), None)
    if leaf is None:
        raise WitnessError(f"the log lacks its record {index}: restore it from a backup")
    path = inclusion_proof(at, index, head.size)
    evidence: dict[str, object] = {
        "payloadType": leaf.payload_type,
        "statement": base64.b64encode(leaf.statement).decode(),
        "proof": TlogProof(index, tuple(path), head.note).to_text(),
        "disclosed": _disclosures(at, leaf, disclose),
    }
    signatures = at.get_signatures(index)
    if signatures:
        rows = (Signature(key_id, sig).to_row() for key_id, sig in signatures.items())
        evidence["signatures"] = list(rows)
    # without a byte that means nothing, so that none can be changed and still verify
    text = json.dumps(evidence, ensure_ascii=False, separators=(",", ":"))
    data = text.encode("utf-8", "surrogatepass")  # key ids of an edited store: verifiers refuse
    if len(data) > MAX_BYTES:
        raise WitnessError(
            f"the evidence has {len(data):,} bytes, verifiers read {MAX_BYTES:,}: disclose less"
        )
    return data


def prove_consistency(at: LogTransaction, size1: int, size2: int | None = None) -> ConsistencyProof:
    """That one head begins another, as :meth:`CrossModelVIF.consistency` says."""
    latest, total = at.latest_checkpoint(), at.log_size()
    last = (latest.size if latest else total) if size2 is None else size2
    if not 1 <= size1 <= last <= total:
        raise InvalidInputError(
            f"sizes must be 1 <= SIZE1 <= SIZE2 <= {total}, not {size1} and {last}"
        )
    roots = {size: root_at(at, size) for size in (size1, last)}
    heads = {size: head_of(at, size) for size in roots}
    signed = {size: head and head.root for size, head in heads.items()}
    path = consistency_proof(at, size1, last)
    wrong = [size for size, root in signed.items() if root not in {None, roots[size]}]
    if wrong or not merkle.verify_consistency(size1, last, roots[size1], roots[last], path):
        raise WitnessError(
            f"the nodes do not give the head of {(wrong or [last])[0]} records: the log was "
            "edited; crossmodel verify says more"
        )
    kept = tuple(size for size, root in signed.items() if root is not None)
    return ConsistencyProof(size1, last, roots[size1], roots[last], tuple(path), kept)


def head_of(at: LogTransaction, size: int) -> SignedCheckpoint | None:
    """The kept head of exactly that size."""
    kept = next(iter(at.checkpoints(size)), None)
    return kept if kept is not None and kept.size == size else None


def _disclosures(at: LogTransaction, leaf: LogLeaf, digests: Sequence[str]) -> list[dict[str, str]]:
    committed = subject_digests(parse_statement(leaf.statement))
    if list(digests) == [ALL]:
        kept = at.get_commitments(leaf.index, committed)
        digests = [digest for digest in committed if digest in kept]
    foreign = set(digests) - set(committed)
    if foreign:
        raise NotFoundError(f"the record does not commit to {min(foreign)}")
    kept = at.get_commitments(leaf.index, digests)
    erased = [digest for digest in digests if digest not in kept]
    if erased:
        raise WitnessError(f"the value behind {erased[0]} has been erased")
    return [
        {
            "digest": digest,
            "salt": base64.b64encode(kept[digest].salt).decode(),
            "value": base64.b64encode(kept[digest].value).decode(),
        }
        for digest in dict.fromkeys(digests)  # verifiers refuse one that is there twice
    ]
