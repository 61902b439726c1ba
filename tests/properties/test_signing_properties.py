"""Signers that are interleaved in any way, killed, stopped and sent back in time: one log."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.domain.config import CrossModelVIFConfig, WitnessGenerationConfig
from crossmodel.domain.period import utc_now
from crossmodel.domain.witness import SignedCheckpoint, SigningClaim, Statement
from crossmodel.errors import StoreConflictError
from crossmodel.store import open_store, schema
from crossmodel.witness import CrossModelVIF, KeyPair, log
from crossmodel.witness.signing import publish

PAIR = KeyPair.generate()
ED25519 = CrossModelVIFConfig(
    witness_generation=WitnessGenerationConfig(cryptographic_algorithm="Ed25519")
)
CLAIM = timedelta(seconds=6)

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["append", "step", "step", "step", "later", "renew", "die", "save", "go back"]
        ),
        st.sampled_from("ab"),
        st.integers(1, 8),
    ),
    max_size=60,
)


@dataclass
class Signer:
    """A process, by what it knows: any time may pass between its steps."""

    vif: CrossModelVIF
    claim: SigningClaim | None = None
    signed: SignedCheckpoint | None = None


@dataclass
class World:
    """A database, its processes, and what has become of what they published."""

    store: object
    now: object = field(default_factory=utc_now)
    holder: SigningClaim | None = None
    published: dict[int, bytes] = field(default_factory=dict)
    saved: tuple = (0, None, None, {})
    count: int = 0

    def __post_init__(self):
        self.signers = {name: self.fresh() for name in "ab"}

    def fresh(self):
        return Signer(CrossModelVIF(ED25519, keys=PAIR, origin="test/log"))

    async def append(self, who, count):
        said = []
        for _ in range(count):
            self.count += 1  # no two records are alike, so neither are trees
            said.append(Statement("text/plain", f"{who} {self.count}".encode(), (), "t", ""))
        await self.store.transact(lambda tx: log.append(tx, said))

    async def step(self, who, _amount=0):
        """What a signer does next."""
        signer = self.signers[who]
        if signer.claim is None:
            await self.claim(who)
        elif signer.signed is None:
            await self.sign(who)
        else:
            await self.publish(who)

    async def claim(self, who):
        self.count += 1
        name, until = f"{who} {self.count}", self.now + CLAIM
        claim = await self.store.transact(lambda tx: tx.claim_signing(name, self.now, until))
        if claim is not None:
            self.signers[who].claim = self.holder = claim

    async def renew(self, who, _amount):
        claim = self.signers[who].claim
        if claim is not None:
            until = self.now + CLAIM
            lasts = await self.store.transact(lambda tx: tx.renew_signing(claim, until))
            assert lasts == (claim == self.holder)

    async def sign(self, who):
        signer = self.signers[who]
        if await self.store.read(signer.vif.unsigned) > 0:
            signer.signed = await self.store.read(signer.vif.sign_checkpoint)

    async def publish(self, who):
        signer = self.signers[who]
        head, claim = signer.signed, signer.claim
        still_is = await self.store.read(lambda tx: log.has_head(tx, head))
        try:
            await self.store.transact(lambda tx: publish(tx, head, claim))
        except StoreConflictError:
            assert claim != self.holder or not still_is
        else:
            assert claim == self.holder
            assert still_is
            assert self.published.setdefault(head.size, head.root) == head.root
            self.holder = None
        signer.claim = signer.signed = None

    async def die(self, who, _amount):
        self.signers[who] = self.fresh()

    async def later(self, _who, seconds):
        self.now += timedelta(seconds=seconds)

    async def save(self, _who, _amount):
        """Remember the database as it is: a standby that hears nothing more, or a backup."""
        size, row = await self.store.read(lambda tx: (tx.log_size(), _signer_row(tx)))
        self.saved = size, row, self.holder, dict(self.published)

    async def go_back(self, _who, _amount):
        """From now on the database is the one that was saved."""
        size, row, self.holder, published = self.saved
        self.published = dict(published)

        def work(tx):
            run = tx._connection.execute
            leaves, nodes, heads = schema.log_leaves, schema.log_nodes, schema.checkpoints
            run(sa.delete(leaves).where(leaves.c.index >= size))
            run(sa.delete(nodes).where((nodes.c.index + 1) * sa.func.pow(2, nodes.c.level) > size))
            run(sa.delete(heads).where(heads.c.size.not_in(list(published))))
            run(sa.delete(schema.log_signer))
            if row is not None:
                run(sa.insert(schema.log_signer), row)

        await self.store.transact(work)

    async def check(self):
        """The heads that are kept are those that were published, and of the log as it is."""

        def work(tx):
            heads = list(tx.checkpoints())
            assert {head.size: head.root for head in heads} == self.published
            assert all(log.has_head(tx, head) for head in heads)

        await self.store.read(work)

    async def check_whole(self):
        await self.append("a", 1)
        await self.die("a", 0)
        self.now += 2 * CLAIM
        for _ in range(3):
            await self.step("a")
        report = await self.store.read(self.signers["b"].vif.verify_log)
        assert report.is_valid, report
        assert report.records == max(self.published)


def _signer_row(tx):
    row = tx._connection.execute(sa.select(schema.log_signer)).mappings().first()
    return None if row is None else dict(row)


@given(STEPS)
@settings(max_examples=100)
def test_however_signers_are_interleaved_only_the_latest_publishes_and_only_what_is(steps):
    async def run():
        world = World(await open_store("sqlite:///:memory:"))
        try:
            for what, *arguments in steps:
                await getattr(world, what.replace(" ", "_"))(*arguments)
                await world.check()
            await world.check_whole()
        finally:
            await world.store.close()

    asyncio.run(run())
