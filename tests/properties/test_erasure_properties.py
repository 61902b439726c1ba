"""Appends, erasures, retention and crashes in any order: what the log and the files then hold."""

import asyncio
import json
import re
import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.domain.config import CrossModelVIFConfig, WitnessGenerationConfig
from crossmodel.domain.insight import Evidence, ExtractionResult, Insight
from crossmodel.domain.records import SelectionRecord, SourceText
from crossmodel.domain.selection import Outcome
from crossmodel.errors import NotFoundError
from crossmodel.store import open_store, schema
from crossmodel.witness import CrossModelVIF, KeyPair, Ledger, Retention, retention
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.statement import subject_digests
from crossmodel.witness.turns import TurnRecord, write_turn

PAIR = KeyPair.generate()
CONFIG = CrossModelVIFConfig(
    witness_generation=WitnessGenerationConfig(cryptographic_algorithm="Ed25519")
)
DAY = timedelta(days=1)
PERIOD = 10 * DAY
TOKEN = re.compile(rb"q(?:prompt|answer|rule)z\d+q")

numbers = st.integers(0, 4)
steps = st.one_of(
    st.tuples(st.just("ask"), st.booleans()),  # whether something is learned from the answer
    st.tuples(st.just("ask"), st.booleans()),
    st.tuples(st.just("days"), st.sampled_from([1, 11])),
    st.tuples(st.just("erase_request"), numbers, st.booleans()),
    st.tuples(st.just("erase_insight"), numbers),
    st.tuples(st.just("retain")),
)
plans = st.lists(st.tuples(steps, st.one_of(st.none(), st.integers(0, 3))), max_size=14)
"""Steps, each with how many transactions are left until the process is killed in it."""


class KilledError(Exception):
    pass


class World:
    """A store with what must be in it, and what may."""

    def __init__(self, folder):
        self.root, self.lives = folder, 0
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.asked, self.learned = {}, {}
        self.may_be_gone = set()
        self.must_be_gone = set()

    @property
    def folder(self):
        return self.root / f"life{self.lives}"

    async def open(self):
        self.store = await open_store(f"sqlite:///{self.folder}/s.db")
        vif = CrossModelVIF(CONFIG, keys=PAIR, clock=lambda: self.now)
        self.ledger = Ledger(vif, self.store, lambda: self.now)

    async def die(self):
        """What kill -9 leaves: the files as they stand, without anything that closing does."""
        after = self.root / f"life{self.lives + 1}"
        shutil.copytree(self.folder, after)
        await self.store.close()
        shutil.rmtree(self.folder)
        self.lives += 1
        await self.open()

    async def step(self, what, *how, killed_after=None):
        if killed_after is None:
            await getattr(self, what)(*how)
            return
        real, left = self.store.transact, [killed_after]

        async def transact(work):
            if left[0] == 0:
                raise KilledError
            left[0] -= 1
            return await real(work)

        async def scrub():
            raise KilledError

        self.store.transact, self.store.scrub = transact, scrub
        with suppress(KilledError):
            await getattr(self, what)(*how)
        await self.die()

    async def days(self, count):
        self.now += count * DAY

    async def ask(self, is_learned):
        number = len(self.asked)
        name = f"r{number}"
        rule = f"The gate of town {number * 37} is called qrulez{number}q by all who know it."
        answer = f"qanswerz{number}q says so. {rule}"
        turn = TurnRecord(
            SelectionRecord(name, "t", "m", 0.5, (), {}, self.now, 1.0),
            Outcome(name, "m", success=True, recorded_at=self.now),
            json.dumps(
                {"messages": [{"role": "user", "content": f"qpromptz{number}q please"}]}
            ).encode(),
            answer=answer,
        )
        self.asked[number] = self.now
        self.may_be_gone |= {f"prompt{number}", f"answer{number}"}  # killed before it was kept
        await self.store.transact(lambda tx: write_turn(tx, self.ledger.vif, turn))
        self.may_be_gone -= {f"prompt{number}", f"answer{number}"}
        if is_learned:
            source = SourceText(answer, "m", "t", name, self.now)
            start = answer.index(rule)
            evidence = Evidence(start, start + len(rule), source.sha256)
            insight = Insight(rule, evidence=(evidence,))
            self.may_be_gone.add(f"rule{number}")
            await self.ledger.record_insights(source, ExtractionResult([insight], "m"))
            self.learned[number] = insight.id
            self.may_be_gone.discard(f"rule{number}")

    async def erase_request(self, number, with_insights):
        number %= max(1, len(self.asked))
        gone = {f"prompt{number}", f"answer{number}"}
        if with_insights:
            gone.add(f"rule{number}")
        self.may_be_gone |= gone
        with suppress(NotFoundError):
            await self.ledger.erase_request("t", f"r{number}", "asked", with_insights=with_insights)
            self.must_be_gone |= gone

    async def erase_insight(self, number):
        number %= max(1, len(self.asked))
        if number not in self.learned:
            return
        self.may_be_gone |= {f"rule{number}", f"answer{number}"}
        with suppress(NotFoundError):
            await self.ledger.erase("t", [self.learned[number]], "asked")
            self.must_be_gone |= {f"rule{number}"}

    async def retain(self):
        due = {n for n, moment in self.asked.items() if moment < self.now - PERIOD}
        gone = {f"{kind}{n}" for n in due for kind in ("prompt", "answer")}
        self.may_be_gone |= gone
        await Retention(self.ledger, PERIOD).apply()
        # the answer is the source of what was learned from it
        self.must_be_gone |= {f"prompt{n}" for n in due}

    async def check(self):
        await self.ledger.seal()
        report = await self.store.read(self.ledger.vif.verify_log)
        size = await self.store.read(lambda tx: tx.log_size())
        assert report.is_valid or size == 0, report.steps[-1]
        values, rows = await self.store.read(self._rows)
        hidden, live = self._told(values), self._told(values + rows)
        held = self._told(b" ".join(p.read_bytes() for p in self.folder.rglob("*") if p.is_file()))
        assert held <= live  # nothing that is gone from the rows is in a file
        asked = {f"{kind}{n}" for n in self.asked for kind in ("prompt", "answer")}
        assert asked - self.may_be_gone <= hidden
        assert {f"rule{n}" for n in self.learned} - self.may_be_gone <= live
        assert not self.must_be_gone & live

    @staticmethod
    def _told(data):
        return {token.decode().strip("q").replace("z", "") for token in TOKEN.findall(data)}

    @staticmethod
    def _rows(tx):
        lacking, explained = set(), set()
        for leaf in tx.leaves(0, tx.log_size()):
            document = parse_statement(leaf.statement)
            digests = list(subject_digests(document))
            if set(tx.get_commitments(leaf.index, digests)) != set(digests):
                lacking.add(leaf.index)
            for first, last in document["predicate"].get("records", ()):
                explained |= set(range(first, last + 1))
        assert lacking <= explained
        run = tx._connection.scalars
        texts = [*run(sa.select(schema.insights.c.content)), *run(sa.select(schema.sources.c.text))]
        return (
            b" ".join(run(sa.select(schema.commitments.c.value))),
            b" ".join(text.encode() for text in texts),
        )


async def live(folder, plan):
    world = World(folder)
    world.folder.mkdir()
    await world.open()
    try:
        for step, killed_after in plan:
            await world.step(*step, killed_after=killed_after)
            await world.check()
    finally:
        await world.store.close()


@pytest.mark.slow
@settings(max_examples=40)
@given(plans)
def test_whatever_happens_nothing_is_half_gone(plan):
    retention.BATCH, before = 1, retention.BATCH
    try:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(live(Path(folder), plan))
    finally:
        retention.BATCH = before
