"""CrossModelVIF: statements into the log, signed heads over it, evidence out of it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Sequence

from crossmodel.domain.config import CrossModelVIFConfig
from crossmodel.domain.period import utc_now
from crossmodel.domain.witness import LogLeaf, SignedCheckpoint, Statement, VerificationReport
from crossmodel.errors import VerificationError, WitnessError
from crossmodel.ports import Clock, LogTransaction
from crossmodel.witness import merkle
from crossmodel.witness.checkpoint import Checkpoint, TlogProof
from crossmodel.witness.evidence import Evidence, parse_statement
from crossmodel.witness.keys import KeyPair, Trust
from crossmodel.witness.log import (
    MemoryLog,
    append,
    consistency_proof,
    inclusion_proof,
    root_at,
)
from crossmodel.witness.note import Note, sign_note
from crossmodel.witness.statement import Draft, pae, subject_digests
from crossmodel.witness.strict import MAX_BYTES, is_key_name
from crossmodel.witness.verify import verify_log, verify_witness


class CrossModelVIF:
    """Verifiable intelligence: whatever was selected, learned or transferred can be proved later.

    Used alone it makes its keys and keeps its log in memory::

        vif = CrossModelVIF()
        vif.append([outcome_statement(outcome)])
        vif.log.add_checkpoint(vif.sign_checkpoint())
        evidence = vif.generate_witness(0)

    Inside CrossModel each call gets the store's transaction.

    Args:
        config: which algorithm signs, and how often.
        keys: the log's keys; new ones if left out.
        origin: the log's name, which every checkpoint carries; without spaces, control characters
            and plus signs.
        log: where records go when a call names no transaction; memory if left out.
        clock: tells when the log takes a record.

    Raises:
        WitnessError: if the origin cannot name a log.
    """

    def __init__(
        self,
        config: CrossModelVIFConfig | None = None,
        *,
        keys: KeyPair | None = None,
        origin: str = "crossmodel.local/log",
        log: LogTransaction | None = None,
        clock: Clock = utc_now,
    ) -> None:
        if not is_key_name(origin):
            raise WitnessError(
                f"origin must have no spaces, control characters or plus signs, not {origin!r}"
            )
        self.config = config or CrossModelVIFConfig()
        self.origin = origin
        pair = keys or KeyPair.generate()
        self._signers = pair.signers(self.config.witness_generation.cryptographic_algorithm)
        self.log: LogTransaction = log or MemoryLog()
        self.clock = clock
        self._signed_at = time.monotonic()

    @property
    def trust(self) -> Trust:
        """Trust in this log's own keys."""
        return Trust.of(self.origin, [signer.public for signer in self._signers])

    def trust_file(self) -> bytes:
        """What verifiers need to be given, by a way that they trust."""
        return self.trust.to_json()

    def append(
        self, statements: Sequence[Draft | Statement], tx: LogTransaction | None = None
    ) -> list[int]:
        """Add statements to the log; returns their leaves' indexes."""
        return append(tx or self.log, statements, self.clock)

    def witness(
        self, statements: Sequence[Draft | Statement], tx: LogTransaction | None = None
    ) -> list[int]:
        """Add statements, unless witnessing is switched off: then there are no leaves."""
        return self.append(statements, tx) if self.is_enabled and statements else []

    @property
    def is_enabled(self) -> bool:
        """Whether records are to be made at all."""
        return self.config.witness_generation.enable_witness_generation

    def unsigned(self, tx: LogTransaction | None = None) -> int:
        """How many records no checkpoint covers yet."""
        at = tx or self.log
        latest = at.latest_checkpoint()
        return at.log_size() - (latest.size if latest else 0)

    def checkpoint_due(self, tx: LogTransaction | None = None) -> bool:
        """Whether enough records or time have passed since the last checkpoint."""
        unsigned = self.unsigned(tx)
        generation = self.config.witness_generation
        elapsed_ms = (time.monotonic() - self._signed_at) * 1000
        return unsigned > 0 and (
            unsigned >= generation.checkpoint_leaves
            or elapsed_ms >= generation.checkpoint_interval_ms
        )

    def sign_checkpoint(self, tx: LogTransaction | None = None) -> SignedCheckpoint:
        """Sign the log's head as it is now. Call it on records that are durable; then keep it.

        Raises:
            WitnessError: if the log does not extend its last checkpoint, or that one is not by
                these keys; then something has changed what was signed, and nothing more is signed.
        """
        at = tx or self.log
        size = at.log_size()
        root = root_at(at, size)
        latest = at.latest_checkpoint()
        if latest is not None and not self._extends(
            at, latest, Checkpoint(self.origin, size, root)
        ):
            raise WitnessError(
                f"the log of {size} records does not extend its checkpoint of {latest.size}: "
                "records that were signed have changed; restore them before going on"
            )
        text = Checkpoint(self.origin, size, root).to_text()
        self._signed_at = time.monotonic()
        return SignedCheckpoint(size, root, sign_note(text, self.origin, self._signers))

    def generate_witness(
        self,
        index: int,
        tx: LogTransaction | None = None,
        *,
        disclose: Sequence[str] = (),
    ) -> bytes:
        """The evidence file of one record, against the latest checkpoint.

        ``disclose`` names the digests whose values the holder chooses to reveal.

        Raises:
            WitnessError: if no checkpoint covers the record yet, a value to disclose is not the
                record's or has been erased, or the file would be larger than verifiers read.
        """
        at = tx or self.log
        latest = at.latest_checkpoint()
        if latest is None or not 0 <= index < latest.size:
            covered = latest.size if latest else 0
            raise WitnessError(f"no checkpoint covers record {index}: {covered} are covered")
        leaf = next(iter(at.leaves(index, index + 1)), None)
        if leaf is None:
            raise WitnessError(f"the log lacks its record {index}: restore it from a backup")
        path = inclusion_proof(at, index, latest.size)
        evidence = {
            "payloadType": leaf.payload_type,
            "statement": base64.b64encode(leaf.statement).decode(),
            "proof": TlogProof(index, tuple(path), latest.note).to_text(),
            "disclosed": _disclosures(at, leaf, disclose),
        }
        data = json.dumps(evidence, indent=1).encode() + b"\n"
        if len(data) > MAX_BYTES:
            raise WitnessError(
                f"the evidence has {len(data):,} bytes, verifiers read {MAX_BYTES:,}: disclose less"
            )
        return data

    def sign_record(self, index: int, tx: LogTransaction | None = None) -> dict[str, bytes]:
        """Signatures over one record's DSSE encoding, by the id of their key.

        Only what the log proves is signed: a statement that somebody has edited is not.

        Raises:
            WitnessError: if no checkpoint covers the record yet, or its proof is refused.
        """
        data = self.generate_witness(index, tx)
        report = self.verify_witness(data)
        if not report.is_valid:
            refused = next(step for step in report.steps if not step.passed)
            raise WitnessError(
                f"record {index} is not what the log's head was signed over, so it is not signed: "
                f"step {refused.number} of its verification, {refused.name}: {refused.detail}"
            )
        evidence = Evidence.parse(data)
        message = pae(evidence.payload_type, evidence.body)
        return {signer.public.key_id: signer.sign(message) for signer in self._signers}

    def verify_witness(
        self, data: bytes, trust: Trust | None = None, *, against: str | None = None
    ) -> VerificationReport:
        """Check an evidence file, by this log's own keys unless others are given."""
        return verify_witness(data, trust or self.trust, against=against)

    def verify_log(
        self,
        tx: LogTransaction | None = None,
        trust: Trust | None = None,
        *,
        against: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> VerificationReport:
        """Check the whole log, by its own keys unless others are given."""
        believed = trust or self.trust
        return verify_log(tx or self.log, believed, against=against, progress=progress)

    def _extends(self, at: LogTransaction, latest: SignedCheckpoint, head: Checkpoint) -> bool:
        """Whether a head extends what the latest note says; its other columns prove nothing."""
        try:
            note = Note.parse(latest.note)
            signed = Checkpoint.parse(note.text)
        except VerificationError:
            return False
        # one of the keys is enough: the configured algorithm may have changed since
        if not any(note.is_signed_by(self.origin, signer.public) for signer in self._signers):
            return False
        if signed.origin != head.origin or signed.size > head.size:
            return False
        proof = consistency_proof(at, signed.size, head.size)
        return merkle.verify_consistency(signed.size, head.size, signed.root, head.root, proof)


def _disclosures(at: LogTransaction, leaf: LogLeaf, digests: Sequence[str]) -> list[dict[str, str]]:
    foreign = set(digests) - set(subject_digests(parse_statement(leaf.statement)))
    if foreign:
        raise WitnessError(f"the record does not commit to {min(foreign)}")
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
        for digest in digests
    ]
