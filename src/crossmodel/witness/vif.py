"""CrossModelVIF: statements into the log, signed heads over it, evidence out of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from crossmodel.domain.config import CrossModelVIFConfig
from crossmodel.domain.period import utc_now
from crossmodel.domain.witness import (
    ConsistencyProof,
    LogLeaf,
    SignedCheckpoint,
    Statement,
    VerificationReport,
)
from crossmodel.errors import NotFoundError, VerificationError, WitnessError
from crossmodel.ports import Clock, LogTransaction
from crossmodel.witness import merkle
from crossmodel.witness.checkpoint import Checkpoint
from crossmodel.witness.dsse import Envelope, Signature
from crossmodel.witness.evidence import Evidence
from crossmodel.witness.export import export_log
from crossmodel.witness.keychain import KeyChain
from crossmodel.witness.keys.keyring import FixedKeys, Keyring
from crossmodel.witness.keys.pairs import KeyPair, Signer
from crossmodel.witness.keys.trust import Trust
from crossmodel.witness.log import (
    MemoryLog,
    append,
    consistency_proof,
    root_at,
)
from crossmodel.witness.note import Note, sign_note
from crossmodel.witness.proving import head_of, prove_consistency, prove_record
from crossmodel.witness.statement import Draft, pae, rotation_statement
from crossmodel.witness.steps import NORMAL, Depth
from crossmodel.witness.strict import is_key_name
from crossmodel.witness.verify import verify_witness
from crossmodel.witness.verify_log import verify_log


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
        keys: the log's keys, or whoever has them and may rotate them; new ones if left out.
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
        keys: KeyPair | Keyring | None = None,
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
        pair = KeyPair.generate() if keys is None else keys
        self.keyring: Keyring = FixedKeys(pair) if isinstance(pair, KeyPair) else pair
        self.log: LogTransaction = log or MemoryLog()
        self.clock = clock
        self._signed_at = time.monotonic()
        algorithm = self.config.witness_generation.cryptographic_algorithm
        self._keys = KeyChain(self.keyring, origin, algorithm)

    @property
    def trust(self) -> Trust:
        """Trust in this log's own keys, with the rotations that were there at the last look."""
        return self._keys.trust

    def trust_of(self, tx: LogTransaction | None = None) -> Trust:
        """Trust in the log's own keys, back from those that we hold.

        A generation is believed only where the one after it has signed who came before, so nothing
        that is written into a store can bring in a key.
        """
        return self._keys.trust_of(tx or self.log)

    def trust_file(self) -> bytes:
        """What verifiers need to be given, by a way that they trust."""
        return self.trust.to_json()

    def append(
        self, statements: Sequence[Draft | Statement], tx: LogTransaction | None = None
    ) -> list[int]:
        """Add statements to the log, each signed if so configured; returns their leaves' indexes.

        Raises:
            WitnessError: if the log's keys have been rotated and we do not hold the new ones.
        """
        at = tx or self.log
        indexes = append(at, statements, self.clock)
        if self.config.witness_generation.sign_each and indexes:
            signers = self._keys.signers_at(at, indexes[-1] + 1)
            for leaf in at.leaves(indexes[0], indexes[-1] + 1):
                at.put_signatures(leaf.index, _signed(leaf, signers))
        return indexes

    def append_rotation(self, new: KeyPair, tx: LogTransaction | None = None) -> int:
        """Add the record that hands the log over to ``new``; returns its leaf.

        Then sign its handover head, and only then stop using the old keys:
        :func:`crossmodel.witness.rotating.rotate_keys` does it all.

        Raises:
            WitnessError: if the log was edited, or its keys are not ours.
        """
        at = tx or self.log
        size = at.log_size()
        old = self._keys.signers_at(at, size + 1)
        self._check_unchanged(at, size)
        both = (*old, *new.signers(self._keys.algorithm))
        draft = rotation_statement(
            size + 1,
            old=[signer.public.to_row() for signer in old],
            new=[signer.public.to_row() for signer in both[len(old) :]],
            moment=self.clock(),
        )
        [index] = append(at, [draft], self.clock)
        for leaf in at.leaves(index, index + 1):
            at.put_signatures(index, _signed(leaf, both))
        return index

    def rotation_to(self, pair: KeyPair, tx: LogTransaction | None = None) -> int | None:
        """The leaf of the record that hands the log over to these keys, if there is one."""
        rotations = self._keys.rotations(tx or self.log)
        leaves = [each.index for each in rotations if pair.has_one_of(each.new)]
        return leaves[-1] if leaves else None

    def sign_handover(self, leaf: int, tx: LogTransaction | None = None) -> SignedCheckpoint:
        """Sign the head that ends in a rotation record, by the keys before it and after it.

        Raises:
            WitnessError: as :meth:`sign_checkpoint`.
        """
        return self._sign(tx or self.log, leaf + 1)

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
                its keys; then something has changed what was signed, and nothing more is signed.
                Also if its keys have been rotated and we do not hold the new ones.
        """
        at = tx or self.log
        return self._sign(at, at.log_size())

    def rotation_evidence(self, leaf: int, tx: LogTransaction | None = None) -> bytes:
        """The evidence of a rotation record under its handover head, for those who accept it.

        Raises:
            NotFoundError: if that record is no rotation.
            WitnessError: if its head is missing.
        """
        at = tx or self.log
        if leaf not in {each.index for each in self._keys.rotations(at)}:
            raise NotFoundError(
                f"record {leaf} is no key rotation: crossmodel keys list names them"
            )
        return self.generate_witness(leaf, at, size=leaf + 1)

    def generate_witness(
        self,
        index: int,
        tx: LogTransaction | None = None,
        *,
        disclose: Sequence[str] = (),
        size: int | None = None,
    ) -> bytes:
        """The evidence file of one record, against the latest checkpoint or the one of ``size``.

        ``disclose`` names the digests whose values the holder chooses to reveal; ``["all"]`` stands
        for all that have not been erased.

        Raises:
            NotFoundError: if there is no such record, or it has no such value to disclose.
            WitnessError: if no checkpoint covers the record yet, a value to disclose has been
                erased, or the file would be larger than verifiers read.
        """
        return prove_record(tx or self.log, index, disclose=disclose, size=size)

    def sign_record(self, index: int, tx: LogTransaction | None = None) -> dict[str, bytes]:
        """Signatures over one record's DSSE encoding, by the id of their key.

        Only what the log proves is signed: a statement that somebody has edited is not.

        Raises:
            WitnessError: if no checkpoint covers the record yet, or its proof is refused.
        """
        at = tx or self.log
        data = self.generate_witness(index, at)
        report = self.verify_witness(data, self.trust_of(at))
        if not report.is_valid:
            refused = next(step for step in report.steps if not step.passed)
            raise WitnessError(
                f"record {index} is not what the log's head was signed over, so it is not signed: "
                f"step {refused.number} of its verification, {refused.name}: {refused.detail}"
            )
        evidence = Evidence.parse(data)
        message = pae(evidence.payload_type, evidence.body)
        signers = self._keys.newest(at)
        return {signer.public.key_id: signer.sign(message) for signer in signers}

    def consistency(
        self, size1: int, size2: int | None = None, tx: LogTransaction | None = None
    ) -> ConsistencyProof:
        """The proof that the log's first ``size1`` records begin its first ``size2``, checked.

        ``size2`` is that of the latest checkpoint if it is left out.

        Raises:
            InvalidInputError: unless ``1 <= size1 <= size2``, and the log has so many records.
            WitnessError: if the log's nodes do not give the roots that were signed.
        """
        return prove_consistency(tx or self.log, size1, size2)

    def export(
        self,
        write: Callable[[bytes], object],
        tx: LogTransaction | None = None,
        *,
        disclose: Collection[str] = (),
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> int:
        """Give the whole log as lines to ``write``; returns how many records it has.

        The arguments are those of :func:`crossmodel.witness.export.export_log`.
        """
        at = tx or self.log
        return export_log(at, self.trust_of(at), write, disclose=disclose, progress=progress)

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
        since: str | int | None = None,
        depth: Depth = NORMAL,
        progress: Callable[[int, int], None] | None = None,
    ) -> VerificationReport:
        """Check the whole log, by its own keys unless others are given.

        The arguments are those of :func:`crossmodel.witness.verify_log.verify_log`.
        """
        at = tx or self.log
        return verify_log(
            at,
            trust or self.trust_of(at),
            against=against,
            since=since,
            depth=depth,
            clock=self.clock,
            progress=progress,
        )

    def envelope(self, index: int, tx: LogTransaction | None = None) -> bytes:
        """The DSSE envelope of a record that was signed when it was appended (``sign_each``).

        Raises:
            WitnessError: if there is no such record, or it was not signed.
        """
        at = tx or self.log
        leaf = next(iter(at.leaves(index, index + 1)), None)
        signatures = at.get_signatures(index)
        if leaf is None or not signatures:
            raise WitnessError(f"record {index} has no signatures of its own: only heads over it")
        rows = tuple(Signature(key_id, sig) for key_id, sig in signatures.items())
        return Envelope(leaf.payload_type, leaf.statement, rows).to_json()

    def _sign(self, at: LogTransaction, size: int) -> SignedCheckpoint:
        """Sign the head of ``size``, by the keys that are valid for it."""
        is_handover = any(each.from_size == size for each in self._keys.rotations(at))
        kept = head_of(at, size) if is_handover else None
        # once that head is kept the old keys may be gone, and are needed no more
        signers = self._keys.signers_at(at, size) if kept is None else ()
        root = self._check_unchanged(at, size)
        if kept is not None:
            return kept
        note = sign_note(Checkpoint(self.origin, size, root).to_text(), self.origin, signers)
        self._signed_at = time.monotonic()
        return SignedCheckpoint(size, root, note)

    def _check_unchanged(self, at: LogTransaction, size: int) -> bytes:
        """The root at ``size``, unless the log and its latest checkpoint belie each other."""
        root = root_at(at, size)
        latest = at.latest_checkpoint()
        trust = self.trust_of(at)
        if latest is None:
            return root
        signed = self._signed_by_us(latest, trust)
        if signed is None:
            raise WitnessError(
                f"the log of {size} records does not extend a checkpoint of ours: that of "
                f"{latest.size} is signed by none of our keys. Either somebody has replaced it, or "
                "another machine signs with keys of its own: give all machines the same keys, as a "
                "folder or a key service"
            )
        if not self._agrees(at, signed, Checkpoint(self.origin, size, root)):
            raise WitnessError(
                f"the log of {size} records does not extend its checkpoint of {latest.size}: "
                "records that were signed have changed; restore them before going on"
            )
        return root

    def _signed_by_us(self, latest: SignedCheckpoint, trust: Trust) -> Checkpoint | None:
        """What the latest note says, if we signed it. Its other columns prove nothing."""
        try:
            note = Note.parse(latest.note)
            signed = Checkpoint.parse(note.text)
        except VerificationError:
            return None
        # one of the keys is enough: the configured algorithm may have changed since
        own = (trusted.key for trusted in trust.keys if trusted.covers(signed.size))
        return signed if any(note.is_signed_by(self.origin, key) for key in own) else None

    def _agrees(self, at: LogTransaction, signed: Checkpoint, head: Checkpoint) -> bool:
        """Whether a head and the latest one are heads of one log.

        Only a handover head may be smaller than the latest one.
        """
        if signed.origin != head.origin or signed.size > at.log_size():
            return False
        first, second = sorted((signed, head), key=lambda each: each.size)
        proof = consistency_proof(at, first.size, second.size)
        return merkle.verify_consistency(first.size, second.size, first.root, second.root, proof)


def _signed(leaf: LogLeaf, signers: Sequence[Signer]) -> dict[str, bytes]:
    message = pae(leaf.payload_type, leaf.statement)
    return {signer.public.key_id: signer.sign(message) for signer in signers}
