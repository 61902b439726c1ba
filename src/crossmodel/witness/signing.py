"""Signing the log's head: by one signer at a time, whatever number of processes there are.

A signer claims the log in the database and gets a token, larger than all before. It reads the head,
signs it, which may take long (a key service), outside of any transaction that writes, and keeps it
in one that demands that its token is still the latest. So who was stopped while it signed, and
wakes after its claim was over and another has signed, can publish nothing: that matters where the
database itself has gone back meanwhile, to a standby that lacked the last records, since two
different trees of one size would be signed then.

Clocks of machines may differ: a claim that ends too early costs the slower one its head, no more.
"""

from __future__ import annotations

import asyncio
import os
import platform
import secrets
import time
from datetime import timedelta
from typing import Final

from crossmodel.domain.period import utc_now
from crossmodel.domain.witness import SignedCheckpoint
from crossmodel.errors import WitnessError
from crossmodel.ports import LogTransaction, Store
from crossmodel.witness.vif import CrossModelVIF

CLAIM_SECONDS: Final = 15.0
"""How long a signer that died holds up the next one, at most."""

POLL_SECONDS: Final = 0.02


def new_holder() -> str:
    """A name for one signer that no other has."""
    return f"{platform.node()}/{os.getpid()}/{secrets.token_hex(8)}"


async def sign_head(store: Store, vif: CrossModelVIF, holder: str, *, patient: bool) -> bool:
    """Sign all records that are not signed yet; whether none is left.

    Who is ``patient`` waits while somebody else signs; others leave it to them.

    Raises:
        StoreConflictError: if another signer took over while this one signed.
        WitnessError: if the head must not be signed, or others have signed for too long.
    """
    give_up = time.monotonic() + 2 * CLAIM_SECONDS
    while (token := await _claim(store, holder)) is None:
        if not patient:
            return False
        if time.monotonic() > give_up:
            raise WitnessError(f"other signers hold the log since {2 * CLAIM_SECONDS:g} s")
        await asyncio.sleep(POLL_SECONDS)
        if not await store.read(vif.unsigned):
            return True

    def sign(tx: LogTransaction) -> SignedCheckpoint | None:
        return vif.sign_checkpoint(tx) if vif.unsigned(tx) > 0 else None

    mine = token
    try:
        signed = await store.read(sign)
    except BaseException:
        await store.transact(lambda tx: tx.release_signing(mine))
        raise
    if signed is None:
        await store.transact(lambda tx: tx.release_signing(mine))
    else:
        head = signed
        await store.transact(lambda tx: tx.add_checkpoint(head, mine))
    return True


async def _claim(store: Store, holder: str) -> int | None:
    now = utc_now()
    until = now + timedelta(seconds=CLAIM_SECONDS)
    return await store.transact(lambda tx: tx.claim_signing(holder, now, until))
