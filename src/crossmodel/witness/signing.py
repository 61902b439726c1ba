"""Signing the log's head: by one signer at a time, whatever number of processes there are.

1. A signer claims the log in the database. Its claim has a token, larger than all before, and is
   renewed for as long as the signer lives and is at it.
2. It reads the head and signs it, which may take long (a key service), outside of any transaction
   that writes.
3. It publishes the head in a transaction that makes sure that no other claim has followed its own,
   and that the log still has exactly the tree that was signed.

So who was stopped in 2, and wakes after its claim had ended and another signer came, publishes
nothing: it finds that out in 3, throws its signature away, and looks again. The log is one, and
only grows, so two signers sign the same tree of one size, unless the database itself has gone back:
to a backup, or to a standby that lacked the last records. Then 3 keeps from the log what was signed
of records that are no more.

Clocks of machines may differ: a claim that ends too early costs its signer one signature, no more,
and one that would end too late counts for twice its length at most.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

from crossmodel.domain.period import utc_now
from crossmodel.domain.witness import SignedCheckpoint, SigningClaim
from crossmodel.errors import StoreConflictError, StoreError, WitnessError
from crossmodel.ports import LogTransaction, Store
from crossmodel.witness.log import has_head
from crossmodel.witness.vif import CrossModelVIF

logger = logging.getLogger(__name__)

CLAIM_SECONDS: Final = 6.0
"""How long a signer that died, or was stopped, holds up the next one."""

RENEW_SECONDS: Final = 2.0
LONGEST_SECONDS: Final = 120.0
"""For how long a claim is renewed: a key service that has not answered by then never will."""

PATIENCE_SECONDS: Final = 30.0
"""How long is waited for other signers."""

POLL_SECONDS: Final = 0.02


@asynccontextmanager
async def claimed(store: Store) -> AsyncIterator[SigningClaim | None]:
    """Be the log's one signer inside; gives ``None`` while somebody else is."""
    holder = _holder()
    claim = await store.transact(lambda tx: tx.claim_signing(holder, utc_now(), _end()))
    if claim is None:
        yield None
        return
    mine = claim
    renewing = asyncio.create_task(_renew(store, mine))
    try:
        yield mine
    finally:
        renewing.cancel()
        with suppress(StoreError):  # it ends by itself
            await store.transact(lambda tx: tx.release_signing(mine))


@asynccontextmanager
async def claimed_in_turn(store: Store) -> AsyncIterator[SigningClaim]:
    """Be the log's one signer inside, once others are done.

    Raises:
        WitnessError: if they are not for too long.
    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        async with claimed(store) as claim:
            if claim is not None:
                yield claim
                return
        await _wait(give_up)


async def sign_head(store: Store, vif: CrossModelVIF, *, patient: bool) -> bool:
    """Sign all records that are not signed yet; whether all are that there were when it was called.

    Who is ``patient`` waits while somebody else signs; others leave it to them.

    Raises:
        WitnessError: if the head must not be signed, or others have signed for too long.
    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    size = await store.read(lambda tx: tx.log_size()) if patient else 0
    while True:
        async with claimed(store) as claim:
            if claim is not None and await _sign(store, vif, claim):
                return True
        if not patient:
            return False
        await _wait(give_up)
        if await store.read(lambda tx: tx.log_size() - vif.unsigned(tx)) >= size:
            return True


def sign_within(tx: LogTransaction, vif: CrossModelVIF) -> bool:
    """Sign what is not signed yet in the transaction after which nobody writes this log any more.

    Everybody who writes waits for the keys meanwhile: nothing but that is a reason to do so.

    Returns:
        Whether all is signed; not while somebody else signs.

    Raises:
        WitnessError: if the head must not be signed.
    """
    claim = tx.claim_signing(_holder(), utc_now(), _end())
    if claim is None:
        return False
    if vif.unsigned(tx) > 0:
        tx.add_checkpoint(vif.sign_checkpoint(tx), claim)
    tx.release_signing(claim)
    return True


async def _sign(store: Store, vif: CrossModelVIF, claim: SigningClaim) -> bool:
    """Sign and publish; False if the signature is worth nothing, since others went on meanwhile."""

    def sign(tx: LogTransaction) -> SignedCheckpoint | None:
        return vif.sign_checkpoint(tx) if vif.unsigned(tx) > 0 else None

    signed = await store.read(sign)
    if signed is None:
        return True
    head = signed
    try:
        await store.transact(lambda tx: publish(tx, head, claim))
    except StoreConflictError as error:
        logger.warning("the head of %d records was signed and is not kept: %s", head.size, error)
        return False
    return True


def publish(tx: LogTransaction, head: SignedCheckpoint, claim: SigningClaim) -> None:
    """Keep a head that was signed under a claim, which is given back.

    Raises:
        StoreConflictError: if another claim has followed, or the log has another tree by now.
        StoreError: if there is another head of that size.
    """
    tx.check_signing(claim)
    if not has_head(tx, head):
        raise StoreConflictError("the database lacks records that it had: it has gone back")
    tx.add_checkpoint(head, claim)
    tx.release_signing(claim)


async def _renew(store: Store, claim: SigningClaim) -> None:
    end = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < end:
        await asyncio.sleep(RENEW_SECONDS)
        with suppress(StoreError):  # it may end then, which publishing finds out
            if not await store.transact(lambda tx: tx.renew_signing(claim, _end())):
                return


async def _wait(give_up: float) -> None:
    if time.monotonic() > give_up:
        raise WitnessError(f"others have been signing the log for {PATIENCE_SECONDS:g} s")
    await asyncio.sleep(POLL_SECONDS)


def _holder() -> str:
    return f"{platform.node()}/{os.getpid()}/{secrets.token_hex(8)}"


def _end() -> datetime:
    return utc_now() + timedelta(seconds=CLAIM_SECONDS)
