"""Rotating a log's keys, in steps each of which survives a crash.

1. New keys are made aside, in the key folder's ``next``, and forced to disk.
2. The rotation record, signed by old and new keys, becomes durable.
3. The handover head, signed by both, becomes durable.
4. One rename puts the new keys in use.
5. The old private keys are destroyed.

After a crash before 2 the new keys are unknown to the log and are destroyed; from then on the
rotation has happened, and is carried to its end.

Whoever does any of it holds the folder's lock, and is the log's one signer: a lock does not reach
other machines that share the folder, and the database does. 2 and 3 make sure of that in their own
transactions, so no process puts keys on record that another one, believing it dead, has destroyed.
"""

from __future__ import annotations

import asyncio
import logging

from crossmodel.domain.witness import SigningClaim
from crossmodel.errors import StoreConflictError, WitnessError
from crossmodel.ports import LogTransaction, Store
from crossmodel.witness.keys.keyring import FolderKeyring
from crossmodel.witness.keys.pairs import KeyPair
from crossmodel.witness.signing import claimed_in_turn
from crossmodel.witness.vif import CrossModelVIF

logger = logging.getLogger(__name__)


async def rotate_keys(store: Store, vif: CrossModelVIF) -> int:
    """Replace the log's keys by new ones; returns the leaf of the rotation record.

    Raises:
        WitnessError: if the keys are not in a folder of ours, somebody else is changing them, the
            log was edited, or the witness is switched off.
        StoreConflictError: if this process was stopped for so long that another one took over, and
            carries the rotation to its end or undoes it.
    """
    keyring = _folder(vif)
    if not vif.is_enabled:
        raise WitnessError("the witness is switched off: a rotation would have no record")
    with keyring.locked() as is_ours:
        if not is_ours:
            raise WitnessError(
                f"another process is changing the keys in {keyring.folder}: try again later"
            )
        async with claimed_in_turn(store) as claim:
            await _settle(store, vif, keyring, claim)
            new = await asyncio.to_thread(keyring.prepare)
            leaf = await store.transact(lambda tx: _append(tx, vif, new, claim))
            await _hand_over(store, vif, keyring, leaf, claim)
    return leaf


async def settle_keys(store: Store, vif: CrossModelVIF) -> None:
    """Complete or discard what a crash has left of a rotation, and learn which there have been.

    Where that cannot be, because the log was edited, the keys stay as they are.
    """
    keyring = vif.keyring
    if isinstance(keyring, FolderKeyring) and not keyring.is_settled():
        with keyring.locked() as is_ours:
            if is_ours:  # else whoever changes them brings it to its end
                await _try_to_settle(store, vif, keyring)
    await store.read(vif.trust_of)


async def _try_to_settle(store: Store, vif: CrossModelVIF, keyring: FolderKeyring) -> None:
    try:
        async with claimed_in_turn(store) as claim:
            await _settle(store, vif, keyring, claim)
    except (WitnessError, StoreConflictError):
        logger.exception("a rotation stays unfinished: crossmodel verify says what is wrong")


async def _settle(
    store: Store, vif: CrossModelVIF, keyring: FolderKeyring, claim: SigningClaim
) -> None:
    pending = keyring.upcoming()
    if pending is not None:
        leaf = await store.read(lambda tx: vif.rotation_to(pending, tx))
        if leaf is None:
            keyring.discard()
        else:
            await _hand_over(store, vif, keyring, leaf, claim)
    keyring.tidy()


def _append(tx: LogTransaction, vif: CrossModelVIF, new: KeyPair, claim: SigningClaim) -> int:
    """Step 2."""
    tx.check_signing(claim)
    return vif.append_rotation(new, tx)


async def _hand_over(
    store: Store, vif: CrossModelVIF, keyring: FolderKeyring, leaf: int, claim: SigningClaim
) -> None:
    """Steps 3 to 5. The head is signed when the record under it is durable."""
    head = await store.read(lambda tx: vif.sign_handover(leaf, tx))
    await store.transact(lambda tx: tx.add_checkpoint(head, claim))
    await asyncio.to_thread(keyring.promote)


def _folder(vif: CrossModelVIF) -> FolderKeyring:
    if not isinstance(vif.keyring, FolderKeyring):
        raise WitnessError("these keys are not in a folder of ours: rotate them where they are")
    return vif.keyring
