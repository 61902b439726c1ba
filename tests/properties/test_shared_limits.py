"""Replicas that share limits by leases: simulated, with clocks, crashes and answers that are lost."""

import contextlib
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
from crossmodel.balancing.shared_rates import LEASE_SECONDS, SharedRates
from crossmodel.domain.config import CostOptimizationConfig
from crossmodel.domain.leases import SHARE, RateAsk, Wanted
from crossmodel.domain.traffic import NANO
from crossmodel.errors import BudgetExceededError, InvalidInputError
from crossmodel.selection.shared import SharedBudgets
from crossmodel.store import schema
from crossmodel.store.leases import RATE_SECONDS, Leases

EVENING = datetime(2026, 5, 31, 23, 59, tzinfo=UTC)
LIMITS = {"daily_budget": 1.0, "monthly_budget": 1.5}
OF_KEYS = {"daily_budget": 0.4}
RATE = RateLimit(1.0, 16.0)
PLACE = ("ci", "requests")
TABLES = (
    schema.budget_periods,
    schema.budget_leases,
    schema.rate_buckets,
    schema.rate_leases,
    schema.spending,
)
numbers = st.integers(0, 9)
counts = st.integers(1, 20)
keys = st.sampled_from(["ci", "app"])
delays = st.sampled_from([0.0, 0.0, 0.1, 4.0, 6.0, 12.0, 25.0])
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

    def renew(
        self, wanted=(), units=(), *, delay=0.0, fails=False, answer_is_lost=False,
        meanwhile=lambda: None, **how,
    ):  # fmt: skip
        """One renewal, as a gateway makes it; ``meanwhile`` is done while the store is asked."""
        budgets, rates = self.budgets.asks(wanted, **how), self.rates.asks(units, **how)
        asked_at = self.world.seconds
        meanwhile()
        if fails:
            return
        self.world.seconds += delay / 2
        granted = self.world.leases.lease(self.name, list(budgets.values()), list(rates.values()))
        self.world.seconds += delay / 2
        meanwhile()
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
        query = sa.select(
            table.c.scope, table.c.owner, table.c.budget, table.c.period, table.c.committed
        )
        return {row[:4]: row[4] for row in self.connection.execute(query)}


class Replicas(RuleBasedStateMachine):
    """Some gateways on one store: any of them may fail, die or end at any moment."""

    def __init__(self):
        super().__init__()
        self.world = World()
        self.replicas = []

    @initialize(count=st.integers(1, 4))
    def begin(self, count):
        self.replicas = [Replica(self.world) for _ in range(count)]

    def replica(self, number):
        return self.replicas[number % len(self.replicas)]

    @rule(number=numbers)
    def crash(self, number):
        self.replicas[number % len(self.replicas)] = Replica(self.world)

    @rule(number=numbers)
    def restart(self, number):
        self.replica(number).end()
        self.crash(number)

    @rule(seconds=st.floats(0.0, 30.0))
    def wait(self, seconds):
        self.world.seconds += seconds

    def teardown(self):
        self.world.connection.close()
        self.world.engine.dispose()


class Budgets(Replicas):
    """No budget is overspent."""

    calls = Bundle("calls")

    def reserve(self, replica, usd, key):
        reservation = replica.budgets.reserve(usd, tenant="t", key=key)
        self.world.count(reservation, key, usd)
        return replica, reservation, key

    def try_to(self, replica, usd, key):
        found = []
        for each in usd:
            with contextlib.suppress(BudgetExceededError):
                found.append(self.reserve(replica, each, key))
        return found

    @rule(target=calls, number=numbers, usd=st.lists(amounts, max_size=3), key=keys)
    def call(self, number, usd, key):
        return multiple(*self.try_to(self.replica(number), usd, key))

    @rule(target=calls, number=numbers, usd=st.lists(amounts, min_size=1, max_size=3), key=keys)
    def calls_wait(self, number, usd, key):
        """Of those that wait, all go on that the store has enough for."""
        replica = self.replica(number)
        replica.renew([Wanted(each, "t", key) for each in usd])
        return multiple(*self.try_to(replica, usd, key))

    @rule(of=consumes(calls), share=st.floats(0.0, 1.0))
    def settle(self, of, share):
        replica, reservation, key = of
        if replica in self.replicas:
            actual = reservation.amount * share
            replica.budgets.settle(reservation, actual)
            self.world.count(reservation, key, actual - reservation.amount)

    @rule(
        target=calls,
        number=numbers,
        usd=st.lists(amounts, max_size=2),
        key=keys,
        is_turn=st.booleans(),
        delay=st.sampled_from([0.0, 0.0, 50.0]),
        fails=st.booleans(),
        answer_is_lost=st.booleans(),
    )
    def renew(self, number, usd, key, **how):
        replica, found = self.replica(number), []
        replica.renew(meanwhile=lambda: found.extend(self.try_to(replica, usd, key)), **how)
        return multiple(*found)

    @rule(data=st.data())
    def everybody_rests(self, data):
        """After three turns without a call nobody has anything leased that is not committed."""
        for replica in data.draw(st.permutations(self.replicas)):
            for _ in range(3):
                replica.renew(is_turn=True)
        for replica in self.replicas:
            for account, part in replica.budgets._parts.items():
                unused = part.granted - account.committed * NANO
                assert abs(unused) <= 1.0, str(account)

    @invariant()
    def leases_are_within_limits(self):
        for (scope, _, budget, _), committed in self.world.committed().items():
            limit = OF_KEYS[budget] if scope else LIMITS[budget]
            assert committed <= limit * NANO + 10


class Rates(Replicas):
    """No rate is passed, over any stretch of time."""

    def use(self, replica, count):
        for _ in range(count):
            if replica.rates.allow(PLACE, 1.0, RATE) == 0.0:
                self.world.use()

    @rule(number=numbers, count=counts)
    def requests(self, number, count):
        self.use(self.replica(number), count)

    @rule(number=numbers, count=counts, delay=delays)
    def requests_wait(self, number, count, delay):
        replica = self.replica(number)
        replica.renew(units=[Units(PLACE, 1.0, RATE)] * count, delay=delay)
        self.use(replica, count)

    @rule(number=numbers)
    def request_is_given_back(self, number):
        """As where another limit refuses what a rate has allowed."""
        replica = self.replica(number)
        if replica.rates.allow(PLACE, 1.0, RATE) == 0.0:
            replica.rates.charge(PLACE, -1.0, RATE)

    @rule(
        number=numbers,
        count=st.integers(0, 2),
        is_turn=st.booleans(),
        delay=delays,
        fails=st.booleans(),
        answer_is_lost=st.booleans(),
    )
    def renew(self, number, count, **how):
        replica = self.replica(number)
        replica.renew(meanwhile=lambda: self.use(replica, count), **how)

    @invariant()
    def bucket_and_leases_are_within_the_burst(self):
        table = schema.rate_leases
        held = self.world.connection.scalar(
            sa.select(sa.func.sum(table.c.held)).where(table.c.ends_at > self.world.seconds)
        )
        left = self.world.connection.scalar(sa.select(schema.rate_buckets.c.units))
        assert (held or 0.0) + (left or 0.0) <= RATE.burst * (1 + 1e-6)


TestBudgets = Budgets.TestCase
TestRates = Rates.TestCase
TestBudgets.settings = TestRates.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


@pytest.fixture
def world():
    made = World()
    yield made
    made.connection.close()
    made.engine.dispose()


def fill(replica, usd, key="ci"):
    """Reserve as often as goes; how much that came to."""
    total = 0.0
    while True:
        replica.renew([Wanted(usd, "t", key)])
        try:
            replica.budgets.reserve(usd, tenant="t", key=key)
        except BudgetExceededError:
            return total
        total += usd


def test_a_budget_is_spent_to_its_end_by_calls_that_fit(world):
    """What is left is less than a call for each replica, which is the bound of under-use."""
    replicas = [Replica(world) for _ in range(3)]
    spent = sum(fill(replica, 0.03) for replica in replicas)
    assert 0.4 - 0.03 < spent <= 0.4 * (1 + 1e-9)


def test_a_call_of_all_that_is_left_goes_through_when_others_rest(world):
    busy, other = Replica(world), Replica(world)
    for _ in range(5):
        busy.renew([Wanted(0.01, "t", "ci")])
        busy.budgets.settle(busy.budgets.reserve(0.01, tenant="t", key="ci"), 0.0)
    assert world.committed()["key", "ci", "daily_budget", "2026-05-31"] > 0
    for _ in range(3):
        busy.renew(is_turn=True)
    other.renew([Wanted(0.4, "t", "ci")])
    other.budgets.reserve(0.4, tenant="t", key="ci")


def test_no_more_than_its_share_of_what_is_left_is_at_hand(world):
    replica = Replica(world)
    for _ in range(3):
        replica.renew([Wanted(0.05, "t", "ci")])
        replica.budgets.reserve(0.05, tenant="t", key="ci")
        replica.renew(is_turn=True)
        account = replica.budgets._account("key", "ci", "daily_budget")
        part = replica.budgets._parts[account]
        unused = part.granted / NANO - account.committed
        left_before = 0.4 - account.committed + 0.05
        assert 0.0 < unused <= left_before / SHARE + 1e-9


def test_nothing_leased_for_one_day_is_spent_on_the_next(world):
    replica = Replica(world)
    replica.renew([Wanted(0.1, "t", "ci")])
    world.seconds += 120.0
    with pytest.raises(BudgetExceededError) as error:
        replica.budgets.reserve(0.1, tenant="t", key="ci")
    assert error.value.is_passing
    replica.renew([Wanted(0.1, "t", "ci")])
    replica.budgets.reserve(0.1, tenant="t", key="ci")
    assert world.committed()["key", "ci", "daily_budget", "2026-06-01"] >= 0.1 * NANO


def test_what_a_dead_replica_had_leased_stays_spent(world):
    dead = Replica(world)
    dead.renew([Wanted(0.1, "t", "ci")])
    dead.budgets.reserve(0.1, tenant="t", key="ci")
    lost = world.committed()["key", "ci", "daily_budget", "2026-05-31"] / NANO
    assert 0.1 <= lost <= 0.1 + 0.4 / SHARE
    assert fill(Replica(world), 0.01) == pytest.approx(0.4 - lost, abs=0.01)


def test_what_was_spent_before_anybody_leased_counts(world):
    day = (EVENING.date() - schema.EPOCH.date()).days
    rows = [
        {"day": day, "tenant": "t", "key": "ci", "usd": 0.2},
        {"day": day - 1, "tenant": "t", "key": "ci", "usd": 0.2},
        {"day": day, "tenant": "u", "key": "", "usd": 0.1},
    ]
    world.connection.execute(sa.insert(schema.spending), rows)
    replica = Replica(world)
    assert fill(replica, 0.01) == pytest.approx(0.2)
    assert replica.budgets.committed("daily_budget", key="ci") == pytest.approx(0.4)
    assert replica.budgets.committed("daily_budget") == pytest.approx(0.5)
    assert replica.budgets.committed("monthly_budget") == pytest.approx(0.7)


def test_one_replica_alone_tells_of_a_crossing(world):
    replicas = [Replica(world) for _ in range(3)]
    for replica in replicas:
        fill(replica, 0.02)
    of_key = [alert for alert in world.alerts if "'ci'" in alert.budget]
    assert len(of_key) == 1
    assert of_key[0].limit == 0.4


def test_all_of_a_rate_is_used_by_those_who_ask(world):
    """One replica after the other, and then again when units have come in."""
    replicas = [Replica(world) for _ in range(3)]

    def ask():
        for replica in replicas * 10:
            replica.renew(units=[Units(PLACE, 1.0, RATE)])
            if replica.rates.allow(PLACE, 1.0, RATE) == 0.0:
                world.use()

    ask()
    assert RATE.burst - 3 <= len(world.used) <= RATE.burst
    before = len(world.used)
    for _ in range(10):
        world.seconds += 1.0
        for replica in replicas:
            replica.renew(is_turn=True)
        ask()
    assert 10 - 3 <= len(world.used) - before <= 10 + 3


def test_a_lease_of_a_rate_is_of_no_use_after_its_time(world):
    slow, other = Replica(world), Replica(world)
    slow.renew(units=[Units(PLACE, 1.0, RATE)])
    world.seconds += LEASE_SECONDS
    assert slow.rates.allow(PLACE, 1.0, RATE) > 0.0
    other.renew(units=[Units(PLACE, 1.0, RATE)] * 16)
    slow.renew(units=[Units(PLACE, 1.0, RATE)], delay=2 * RATE_SECONDS)
    assert slow.rates.allow(PLACE, 1.0, RATE) > 0.0


def test_while_a_rate_is_leased_its_bucket_fills_no_further(world):
    """Nobody looked meanwhile: what came in is reckoned up to the end of the lease, then on."""
    slow, other = Replica(world), Replica(world)
    slow.renew(units=[Units(PLACE, 1.0, RATE)] * 13, delay=4.0)
    for _ in range(13):
        assert slow.rates.allow(PLACE, 1.0, RATE) == 0.0
        world.use()
    world.seconds += 9.0
    other.renew(units=[Units(PLACE, 1.0, RATE)] * 16)
    while other.rates.allow(PLACE, 1.0, RATE) == 0.0:
        world.use()
    assert len(world.used) == 13 + 4


def test_a_lease_that_the_store_takes_to_be_over_is_not_gone_on_with(world):
    """Whatever its holder believes, whose clock may have stood still."""
    world.leases.lease("a", [], [RateAsk(*PLACE, 1.0, 16.0, 0.0, needs=[16.0])])
    world.seconds += RATE_SECONDS + 6.0
    other = world.leases.lease("b", [], [RateAsk(*PLACE, 1.0, 16.0, 0.0, needs=[1.0] * 16)])
    late = world.leases.lease("a", [], [RateAsk(*PLACE, 1.0, 16.0, 0.0, hold=16.0)])
    assert (other.rates[0].held, late.rates[0].held) == (6.0, 0.0)


def test_tokens_that_were_not_used_are_there_for_others(world):
    one, other = Replica(world), Replica(world)
    limit, place = RateLimit(1.0, 1000.0), ("ci", "tokens")
    one.renew(units=[Units(place, 1000.0, limit)])
    assert one.rates.allow(place, 1000.0, limit) == 0.0
    other.renew(units=[Units(place, 900.0, limit)])
    assert other.rates.allow(place, 900.0, limit) == pytest.approx(900.0)
    assert not other.rates.may_pass(Units(place, 900.0, limit))
    one.rates.charge(place, -950.0, limit)
    for _ in range(3):
        one.renew(is_turn=True)
    other.renew(units=[Units(place, 900.0, limit)])
    assert other.rates.allow(place, 900.0, limit) == 0.0


def test_tokens_beyond_what_was_there_are_waited_for_by_all(world):
    one, other = Replica(world), Replica(world)
    limit, place = RateLimit(1.0, 100.0), ("ci", "tokens")
    one.renew(units=[Units(place, 100.0, limit)])
    assert one.rates.allow(place, 100.0, limit) == 0.0
    one.rates.charge(place, 50.0, limit)
    one.renew(is_turn=True)
    world.seconds += 60.0
    other.renew(units=[Units(place, 20.0, limit)])
    assert other.rates.allow(place, 20.0, limit) > 0.0
    world.seconds += 10.0
    other.renew(units=[Units(place, 20.0, limit)])
    assert other.rates.allow(place, 20.0, limit) == 0.0


@pytest.mark.parametrize("cost", [math.nan, math.inf, -1.0])
def test_what_is_no_cost_is_refused(world, cost):
    replica = Replica(world)
    with pytest.raises(InvalidInputError):
        replica.rates.allow(PLACE, cost, RATE)
    with pytest.raises(InvalidInputError):
        replica.budgets.reserve(cost, key="ci")
    if not math.isfinite(cost):
        with pytest.raises(InvalidInputError):
            replica.rates.charge(PLACE, cost, RATE)
