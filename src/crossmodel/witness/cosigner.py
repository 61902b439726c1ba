"""The cosigner's part: sign another's checkpoint only if it extends all that one has seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from crossmodel.domain.period import utc_now
from crossmodel.errors import VerificationError, WitnessError
from crossmodel.witness import merkle
from crossmodel.witness.cosignature import cosignature_line
from crossmodel.witness.keys.pairs import Signer
from crossmodel.witness.keys.trust import Trust
from crossmodel.witness.note import Note
from crossmodel.witness.steps import signed_checkpoint


def countersign(
    note: str,
    trust: Trust,
    name: str,
    signer: Signer,
    *,
    previous: str | None,
    proof: Sequence[bytes] = (),
    moment: datetime | None = None,
) -> str:
    """The signature line by which an outsider countersigns a log's checkpoint.

    Keep the checkpoint once the line is handed out: it is ``previous`` from then on. Two heads that
    do not extend each other must never both be signed, so let no two calls run at once.

    Args:
        note: the checkpoint to sign.
        trust: the log whose checkpoints are signed, and its keys.
        name: what the cosigner calls itself.
        signer: the cosigner's Ed25519 key, used for nothing else.
        previous: the checkpoint that was signed last; ``None`` only for the first of a log.
        proof: the consistency proof from ``previous`` to ``note`` (RFC 9162, 2.1.4).
        moment: the time to state; now if left out.

    Raises:
        VerificationError: if either checkpoint is not the log's, or the new one does not extend
            the previous one.
        WitnessError: if the key or the name is not a cosigner's.
    """
    head = signed_checkpoint(note, trust)
    if signer.public.key_id in {trusted.key.key_id for trusted in trust.keys}:
        raise WitnessError("the log's own key says nothing that the log does not say itself")
    if previous is not None:
        seen = signed_checkpoint(previous, trust)
        if head.size < seen.size:
            raise VerificationError(
                f"it has {head.size} records, the one before {seen.size}: it was rolled back"
            )
        if not merkle.verify_consistency(seen.size, head.size, seen.root, head.root, list(proof)):
            raise VerificationError(
                f"the head of {head.size} records is not shown to extend the one of {seen.size}"
            )
    seconds = int((moment or utc_now()).timestamp())
    return cosignature_line(Note.parse(note).text, name, signer, seconds)
