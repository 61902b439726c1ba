"""Replicas that share limits by leases: simulated, with clocks, crashes and answers that are lost."""

import itertools
import math
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from crossmodel.balancing.rate import RateLimit, Units
from crossmodel.balancing.shared_rates import SharedRates
from crossmodel.domain.config import CostOptimizationConfig
from crossmodel.domain.leases import SHARE, Wanted
from crossmodel.domain.traffic import NANO
from crossmodel.errors import BudgetExceededError
from crossmodel.selection.shared import SharedBudgets
from crossmodel.store import schema
from crossmodel.store.leases import Leases

EVENING = datetime(2026, 5, 31, 23, 59, tzinfo=UTC)
LIMITS = {"daily_budget": 1.0, "monthly_budget": 1.5}
OF_KEYS = {"daily_budget": 0.4}
RATE = RateLimit(2.0, 10.0)
PLACE = ("ci", "requests")
TABLES = (
    schema.budget_periods,
    schema.budget_leases,
    schema.rate_buckets,
    schema.rate_leases,
    schema.spending,
)
amounts = st.floats(0.0, 0.3) | st.sampled_from([0.0, 0.1, 0.3, 1e-9, 1e-12, 0.4, 1.0, 2.0])


class Replica:
    """One gateway's part, and how the store is asked."""

    numbers = itertools.count()

    def __init__(self, world):
        self.world = world
        self.name = f"r{next(self.numbers)}"
        self.budgets = SharedBudgets(
            CostOptimizationConfig(
                budget_constraints=dict(LIMITS),
                key_budgets={"*": dict(OF_KEYS)},
                enable_cost_optimization=True,
            ),
            clock=world.utc,
            monotonic=world.monotonic,
            on_alert=world.alerts.append,
        )
        self.rates = SharedRates(world.monotonic)

    def renew(self, wanted=(), units=(), *, delay=0.0, fails=False, answer_is_lost=False, **how):
        budgets, rates = self.budgets.asks(wanted, **how), self.rates.asks(units, **how)
        asked_at = self.world.seconds
        if fails:
            return
        self.world.seconds += delay / 2
        granted = self.world.leases.lease(self.name, list(budgets.values()), list(rates.values()))
        self.world.seconds += delay / 2
        if not answer_is_lost:
            self.budgets.take(budgets, granted.budgets)
            self.rates.take(rates, granted.rates, asked_at)

    def end(self):
        self.renew(is_end=True)
        self.world.leases.end(self.name)


class World:
    """A store, a clock, and what really was spent and used."""

    def __init__(self):
        self.seconds = 1000.0
        self.engine = sa.create_engine("sqlite://")
        self.connection = self.engine.connect()
        schema.metadata.create_all(self.connection, tables=TABLES)
        self.leases = Leases(self.connection, self.monotonic)
        self.alerts = []
        self.spent = {}
        self.used = []

    def monotonic(self):
        return self.seconds

    def utc(self):
        return EVENING + timedelta(seconds=self.seconds - 1000.0)

    def count(self, reservation, key, usd):
        for account, limit in reservation.limits:
            at = str(account), reservation.periods[account.budget]
            self.spent[at] = self.spent.get(at, 0.0) + usd
            assert self.spent[at] <= limit * (1 + 1e-9), at

    def use(self):
        """No stretch of time up to now has seen more requests than the rate allows."""
        self.used.append(self.seconds)
        for number, since in enumerate(self.used):
            count = len(self.used) - number
            allowed = RATE.burst + RATE.per_second * (self.seconds - since)
            assert count <= allowed * (1 + 1e-6), (count, allowed)

    def committed(self):
        table = schema.budget_periods
        query = sa.select(table.c.scope, table.c.owner, table.c.budget, table.c.period, table.c.committed)
        return {row[:4]: row[4] for row in self.connection.execute(query)}


class Sharing(RuleBasedStateMachine):
    """Whatever replicas do, and whenever they die, nothing is overspent."""

    calls = Bundle("calls")

    @initialize(count=st.integers(1, 4))
    def begin(self, count):
        self.world = World()
        self.replicas = [Replica(self.world) for _ in range(count)]

    def replica(self, number):
        return self.replicas[number % len(self.replicas)]

    def reserve(self, replica, usd, key):
        reservation = replica.budgets.reserve(usd, tenant="t", key=key)
        self.world.count(reservation, key, usd)
        return replica, reservation, key

    @rule(target=calls, number=st.integers(0, 9), usd=amounts, key=st.sampled_from(["ci", "app"]))
    def call(self, number, usd, key):
        replica = self.replica(number)
        try:
            return self.reserve(replica, usd, key)
        except BudgetExceededError:
            return multiple()

    @rule(
        target=calls,
        number=st.integers(0, 9),
        usd=st.lists(amounts, min_size=1, max_size=3),
        key=st.sampled_from(["ci", "app"]),
    )
    def calls_wait(self, number, usd, key):
        """They go on in their order after a renewal; the first does if the store has enough."""
        replica = self.replica(number)
        wanted = [Wanted(each, "t", key) for each in usd]
        replica.renew(wanted)
        found = []
        for each in usd:
            try:
                found.append(self.reserve(replica, each, key))
            except BudgetExceededError:
                assert each > 0.0
        return multiple(*found)

    @rule(of=consumes(calls), share=st.floats(0.0, 1.0))
    def settle(self, of, share):
        replica, reservation, key = of
        if replica in self.replicas:
            actual = reservation.amount * share
            replica.budgets.settle(reservation, actual)
            self.world.count(reservation, key, actual - reservation.amount)

    @rule(number=st.integers(0, 9), cost=st.integers(1, 4))
    def request(self, number, cost):
        replica = self.replica(number)
        for _ in range(cost):
            if replica.rates.allow(PLACE, 1.0, RATE) == 0.0:
                self.world.use()

    @rule(number=st.integers(0, 9), delay=st.floats(0.0, 12.0))
    def request_waits(self, number, delay):
        replica = self.replica(number)
        replica.renew(units=[Units(PLACE, 1.0, RATE)], delay=delay)
        if replica.rates.allow(PLACE, 1.0, RATE) == 0.0:
            self.world.use()

    @rule(number=st.integers(0, 9))
    def request_is_given_back(self, number):
        """As where another limit refuses what a rate has allowed."""
        replica = self.replica(number)
        if replica.rates.allow(PLACE, 1.0, RATE) == 0.0:
            replica.rates.charge(PLACE, -1.0, RATE)

    @rule(
        number=st.integers(0, 9),
        is_turn=st.booleans(),
        delay=st.floats(0.0, 12.0),
        fails=st.booleans(),
        answer_is_lost=st.booleans(),
    )
    def renew(self, number, **how):
        self.replica(number).renew(**how)

    @rule(number=st.integers(0, 9))
    def crash(self, number):
        at = number % len(self.replicas)
        self.replicas[at] = Replica(self.world)

    @rule(number=st.integers(0, 9))
    def restart(self, number):
        at = number % len(self.replicas)
        if not any(replica is self.replicas[at] for replica in ()):
            self.replicas[at].end()
            self.replicas[at] = Replica(self.world)

    @rule(seconds=st.floats(0.0, 30.0))
    def wait(self, seconds):
        self.world.seconds += seconds

    @invariant()
    def leases_are_within_limits(self):
        if not hasattr(self, "world"):
            return
        for (scope, _, budget, _), committed in self.world.committed().items():
            limit = OF_KEYS[budget] if scope else LIMITS[budget]
            assert committed <= limit * NANO + 1
        table = schema.rate_leases
        held = self.world.connection.scalar(
            sa.select(sa.func.sum(table.c.held)).where(table.c.ends_at > self.world.seconds)
        )
        left = self.world.connection.scalar(sa.select(schema.rate_buckets.c.units))
        assert (held or 0.0) + (left or 0.0) <= RATE.burst * (1 + 1e-6)

    def teardown(self):
        if hasattr(self, "world"):
            self.world.connection.close()
            self.world.engine.dispose()


TestSharing = Sharing.TestCase
TestSharing.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
