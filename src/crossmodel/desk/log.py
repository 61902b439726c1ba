"""What people do with the log: verify it, prove and trace what it holds, change keys, erase.

What only some of it needs is loaded there: who opens a CrossModel to ask it traces nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from crossmodel.domain.erasure import ErasureReceipt, RetentionReport
from crossmodel.domain.witness import (
    ConsistencyProof,
    LogKey,
    SignedCheckpoint,
    VerificationReport,
)
from crossmodel.engine import Engine
from crossmodel.errors import InvalidInputError, NotFoundError
from crossmodel.settings import Settings
from crossmodel.witness import FolderKeyring, Retention, Trust, rotate_keys
from crossmodel.witness.steps import NORMAL, Depth

if TYPE_CHECKING:
    from crossmodel.witness.provenance import Chain


class LogDesk(ABC):
    """The part of :class:`~crossmodel.CrossModel` that is about the log."""

    settings: Settings

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """The loop itself, with its stages and adapters."""

    async def verify(
        self,
        *,
        against: str | None = None,
        since: str | int | None = None,
        depth: Depth = NORMAL,
        progress: Callable[[int, int], None] | None = None,
    ) -> VerificationReport:
        """Check every record of the log against its signed heads and our own keys.

        ``against`` is a checkpoint note that was kept elsewhere; only with one can truncation be
        noticed. ``since`` starts after a checkpoint: such a note, or the size of one of the log's.
        ``depth`` says how much is looked at. ``progress`` is told how many records of how many are
        done.
        """
        await self.engine.ledger.seal()
        vif = self.engine.ledger.vif
        return await self.engine.store.read(
            lambda tx: vif.verify_log(
                tx, against=against, since=since, depth=depth, progress=progress
            )
        )

    async def witness(self, leaf: int, *, disclose: Sequence[str] = ()) -> bytes:
        """The evidence file of one record of the log, which anyone can verify offline.

        ``disclose`` names digests of its commitments whose values it is to reveal, or ``"all"``
        that have not been erased.

        Raises:
            NotFoundError: if the log has no such record, or it does not commit to such a value.
            WitnessError: if no checkpoint covers it yet, or the value has been erased.
        """
        await self.engine.ledger.settle()
        await self.engine.ledger.checkpoint(now=True)
        vif = self.engine.ledger.vif
        return await self.engine.store.read(
            lambda tx: vif.generate_witness(leaf, tx, disclose=disclose)
        )

    async def leaves_about(self, id: str, *, tenant: str | None = None) -> list[int]:  # noqa: A002 - the public interface's name
        """Where the log holds the tenant's records about a request or insight.

        Raises:
            NotFoundError: if it has none.
        """
        of = tenant or self.settings.loop.tenant
        await self.engine.ledger.settle()
        found = await self.engine.store.read(lambda tx: tx.leaves_about(of, id))
        if not found:
            raise NotFoundError(f"the log has no record about {id!r}")
        return [leaf.index for leaf in found]

    async def log_head(self) -> SignedCheckpoint:
        """The signed head of the log as it is now: keep its note to verify against later.

        Raises:
            NotFoundError: if the log has no records yet.
        """
        await self.engine.ledger.checkpoint(now=True)
        head = await self.engine.store.read(lambda tx: tx.latest_checkpoint())
        if head is None:
            raise NotFoundError("the log has no records yet")
        return head

    async def log_consistency(self, size1: int, size2: int | None = None) -> ConsistencyProof:
        """The proof that the log's first ``size1`` records begin its first ``size2``, checked.

        Raises:
            InvalidInputError: unless ``1 <= size1 <= size2``, and the log has so many records.
            WitnessError: if the log's nodes do not give the roots that were signed.
        """
        await self.engine.ledger.checkpoint(now=True)
        vif = self.engine.ledger.vif
        return await self.engine.store.read(lambda tx: vif.consistency(size1, size2, tx))

    async def export_log(
        self,
        write: Callable[[bytes], object],
        *,
        disclose: Collection[str] = (),
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> int:
        """Give the whole log, of all tenants, as lines to ``write``; returns how many records.

        ``disclose`` names digests whose hidden values are to be shown, or ``"all"``. ``write`` and
        ``progress`` are called in another thread.

        Raises:
            WitnessError: if a record is damaged, or a value to be disclosed is not kept.
        """
        await self.engine.ledger.checkpoint(now=True)
        vif = self.engine.ledger.vif
        return await self.engine.store.read(
            lambda tx: vif.export(write, tx, disclose=disclose, progress=progress)
        )

    async def attach_cosignatures(
        self, lines: str, *, trust: bytes | None = None, size: int | None = None
    ) -> list[tuple[str, int]]:
        """Keep cosigners' lines with the checkpoints that they signed, all of them or none.

        With a ``trust`` file that names the cosigners each line is verified, and its checkpoint is
        found; without, ``size`` says which checkpoint it is. Returns names and sizes.

        Raises:
            InvalidInputError: if neither says which checkpoint it is, or the trust file is none or
                another log's.
            NotFoundError: if there is no checkpoint of that size.
            VerificationError: if a line is malformed, or not over such a checkpoint.
        """
        from crossmodel.witness.outsiders import attach_cosignatures  # noqa: PLC0415 - see the module

        vif = self.engine.ledger.vif
        cosigners = self._outsiders(trust).cosigners if trust is not None else ()
        if trust is not None and not cosigners:
            raise InvalidInputError("the trust file names no cosigners")
        return await self.engine.store.transact(
            lambda tx: attach_cosignatures(
                tx, lines, origin=vif.origin, cosigners=cosigners, size=size
            )
        )

    async def timestamp_request(self) -> tuple[int, bytes]:
        """The size of the log's head as it is now, and the request for a time-stamp over it.

        Raises:
            NotFoundError: if the log has no records yet.
            MissingExtraError: without the extra ``audit``.
        """
        from crossmodel.witness.timestamps import timestamp_request  # noqa: PLC0415 - see the module

        head = await self.log_head()
        return head.size, timestamp_request(head.note)

    async def attach_timestamp(self, response: bytes, *, trust: bytes) -> tuple[str, int]:
        """Keep an authority's answer with the checkpoint that it is over.

        Returns the authority's name, as the ``trust`` file has it, and the checkpoint's size.

        Raises:
            InvalidInputError: if the trust file is none, another log's, or names no authority.
            VerificationError: if the answer is over no checkpoint of the log, or not by a trusted
                authority.
        """
        from crossmodel.witness.outsiders import attach_timestamp  # noqa: PLC0415 - see the module

        authorities = self._outsiders(trust).timestamp_authorities
        return await self.engine.store.transact(
            lambda tx: attach_timestamp(tx, response, authorities)
        )

    def _outsiders(self, trust: bytes) -> Trust:
        """A trust file of this log, for the outsiders that it names."""
        from crossmodel.witness.outsiders import believed  # noqa: PLC0415 - see the module

        named, origin = believed(trust), self.engine.ledger.vif.origin
        if named.origin != origin:
            raise InvalidInputError(
                f"the trust file is of the log {named.origin!r}, not {origin!r}"
            )
        return named

    def trust_file(
        self,
        *,
        cosigners: Mapping[str, bytes] | None = None,
        cosignatures_needed: int | None = None,
        authorities: Mapping[str, bytes] | None = None,
    ) -> bytes:
        """The public keys that verify this log: hand it to verifiers by a way that they trust.

        It may name outsiders: ``cosigners`` by their Ed25519 public keys, of whom
        ``cosignatures_needed`` must have signed a head (all if left out), and time-stamp
        ``authorities`` by their certificates, all in PEM.

        Raises:
            InvalidInputError: if a key or certificate cannot be read, or verifiers would refuse it.
        """
        trust = self.engine.ledger.vif.trust
        if cosigners or authorities or cosignatures_needed:
            from crossmodel.witness.outsiders import name_outsiders  # noqa: PLC0415 - see the module

            trust = name_outsiders(trust, cosigners or {}, cosignatures_needed, authorities or {})
        return trust.to_json()

    async def keys(self) -> list[LogKey]:
        """The keys of all generations that have signed the log, the first ones first."""
        vif = self.engine.ledger.vif
        trust = await self.engine.store.read(vif.trust_of)
        if isinstance(vif.keyring, FolderKeyring):
            return vif.keyring.describe(trust)
        return [
            LogKey(each.key.algorithm, each.key.key_id, each.from_size, each.to_size)
            for each in trust.keys
        ]

    async def rotate_keys(self) -> int:
        """Go on with new keys, and destroy the old private ones; returns the record that says so.

        Verifiers accept it by :meth:`rotation_evidence` and :func:`accept_rotation`.

        Raises:
            WitnessError: if another process is changing the keys, they are not in a folder of ours,
                the log was edited, or the witness is switched off.
        """
        return await rotate_keys(self.engine.store, self.engine.ledger.vif)

    async def rotation_evidence(self, leaf: int) -> bytes:
        """The evidence file of a rotation, by which a verifier who trusts the old keys goes on.

        Raises:
            NotFoundError: if that record is no rotation.
            WitnessError: if its head is missing.
        """
        vif = self.engine.ledger.vif
        return await self.engine.store.read(lambda tx: vif.rotation_evidence(leaf, tx))

    async def trace(self, id: str, *, tenant: str | None = None) -> Chain:  # noqa: A002 - the public interface's name
        """Who said what to whom: the chain of an answer, an insight, or a record by its index.

        Raises:
            NotFoundError: if the tenant has no such answer, insight or record.
            WitnessError: if provenance tracking is switched off.
        """
        from crossmodel.witness.provenance import ProvenanceTracker  # noqa: PLC0415 - see the module

        of = tenant or self.settings.loop.tenant
        config = self.settings.cross_model_vif.provenance_tracking
        await self.engine.ledger.settle()
        return await self.engine.store.read(
            lambda tx: ProvenanceTracker(tx, insights_of=tx.get_insights, config=config).chain(
                of, id
            )
        )

    async def attestations(self, chain: Chain) -> bytes:
        """The statements of a chain as an in-toto bundle: a DSSE envelope of each, one a line.

        Those that were not signed when they were made are signed now, by the log's keys.

        Raises:
            WitnessError: if one of them is not what the log proves; then nothing is signed.
        """
        from crossmodel.witness.provenance.in_toto import bundle  # noqa: PLC0415 - see the module

        await self.engine.ledger.checkpoint(now=True)
        vif = self.engine.ledger.vif
        return await self.engine.store.read(
            lambda tx: bundle(chain, tx, lambda leaf: vif.sign_record(leaf, tx))
        )

    def lineage(self, chain: Chain) -> bytes:
        """A chain as OpenLineage run events, one JSON object a line; the log names their runs."""
        from crossmodel.witness.provenance.openlineage import openlineage  # noqa: PLC0415 - see the module

        return openlineage(chain, namespace=self.engine.ledger.vif.origin)

    async def apply_retention(self, *, dry_run: bool = False) -> RetentionReport:
        """Erase what was asked and answered longer ago than is to be kept; the proofs stay.

        A CrossModel with models does so by itself once a day. This one goes by the clock, even
        where the clock has leapt. With ``dry_run`` it is only said what would go.
        """
        return await (self._retention.plan() if dry_run else self._retention.apply())

    async def erase_request(
        self,
        request_id: str,
        reason: str,
        *,
        with_insights: bool = False,
        tenant: str | None = None,
    ) -> ErasureReceipt:
        """Erase what was asked in a request, handed over for it and answered, for good.

        Insights that stand on the answer are named by the receipt, with their evidence they stay;
        ``with_insights`` erases them in the same transaction. The log keeps a record of it, which
        :meth:`witness` gives evidence of.

        Raises:
            InvalidInputError: if there is no reason, or it quotes what is to be erased.
            NotFoundError: if there is no such request.
        """
        return await self.engine.ledger.erase_request(
            tenant or self.settings.loop.tenant, request_id, reason, with_insights=with_insights
        )

    @property
    def _retention(self) -> Retention:
        days = self.settings.cross_model_vif.provenance_tracking.retention_period_days
        return Retention(self.engine.ledger, timedelta(days=days))
