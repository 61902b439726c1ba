"""Which of a log's keys sign what: the private keys that we hold, held to the log's rotations."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from crossmodel.domain.witness import LogLeaf
from crossmodel.errors import VerificationError, WitnessError
from crossmodel.ports import LogTransaction
from crossmodel.witness.keys.keyring import Keyring
from crossmodel.witness.keys.pairs import KeyPair, PublicKey, Signer
from crossmodel.witness.keys.trust import Trust
from crossmodel.witness.rotation import Rotation, generations
from crossmodel.witness.schemas import KEY_ROTATION


class KeyChain:
    """The generations of one log's keys.

    The log says which keys sign from where on, and the keyring has them. Another process may have
    rotated them at any moment, so both are asked anew before each signature.

    Args:
        keyring: who has the private keys.
        origin: the log's name.
        algorithm: which keys of a pair sign, as :meth:`KeyPair.signers` takes it.
    """

    def __init__(self, keyring: Keyring, origin: str, algorithm: str) -> None:
        self.algorithm = algorithm
        self._keyring = keyring
        self._origin = origin
        self._seen: tuple[Rotation, ...] = ()

    @property
    def trust(self) -> Trust:
        """Trust in the log's keys, with the rotations that there were at the last look."""
        return self._trust(self._seen)

    def trust_of(self, at: LogTransaction) -> Trust:
        """Trust in the log's keys, back from those that we hold."""
        return self._trust(self.rotations(at))

    def rotations(self, at: LogTransaction) -> tuple[Rotation, ...]:
        """The log's rotations, but for records that nobody signed: verifying says those."""
        found: list[Rotation] = []
        for leaf in at.leaves_about("", KEY_ROTATION):
            with suppress(VerificationError):
                found.append(self._rotation(at, leaf))
        self._seen = tuple(found)
        return self._seen

    def newest(self, at: LogTransaction) -> tuple[Signer, ...]:
        """Who signs now."""
        return self._newest(self.rotations(at))

    def signers_at(self, at: LogTransaction, size: int) -> tuple[Signer, ...]:
        """Who must sign for a tree of ``size``: both generations where the keys are handed over.

        Raises:
            WitnessError: if we do not hold their keys, or the log's last rotation is not signed.
        """
        leaves = at.leaves_about("", KEY_ROTATION)
        if not leaves:
            return self._keyring.current().signers(self.algorithm)
        rotation = self._rotation(at, leaves[-1])
        if size < rotation.from_size:
            raise WitnessError(
                f"record {rotation.index} has rotated the keys: what is older is signed no more"
            )
        wanted = [rotation.new] if size > rotation.from_size else [rotation.old, rotation.new]
        pairs = [self._holding(keys, rotation.index) for keys in wanted]
        return tuple(signer for pair in pairs for signer in pair.signers(self.algorithm))

    def _trust(self, rotations: Sequence[Rotation]) -> Trust:
        newest = [signer.public for signer in self._newest(rotations)]
        return Trust(self._origin, generations(rotations, newest))

    def _newest(self, rotations: Sequence[Rotation]) -> tuple[Signer, ...]:
        pair = self._held(rotations[-1].new) if rotations else None
        return (pair or self._keyring.current()).signers(self.algorithm)

    def _holding(self, keys: Sequence[PublicKey], record: int) -> KeyPair:
        pair = self._held(keys)
        if pair is None:
            raise WitnessError(
                f"record {record} of the log rotates its keys, and {keys[0].key_id[:16]}… is none "
                "of ours: open it with the key folder that has the newest keys"
            )
        return pair

    def _held(self, keys: Sequence[PublicKey]) -> KeyPair | None:
        """The pair that one of these keys is of, if we hold it."""
        # upcoming keys may come into use between two looks
        for look in (self._keyring.current, self._keyring.upcoming, self._keyring.current):
            pair = look()
            if pair is not None and pair.has_one_of(keys):
                return pair
        return None

    def _rotation(self, at: LogTransaction, leaf: LogLeaf) -> Rotation:
        """A rotation record, checked; those that were found good are not checked again."""
        for known in self._seen:
            if known.index == leaf.index and known.body == leaf.statement:
                return known
        return Rotation.at(leaf, at.get_signatures(leaf.index))
