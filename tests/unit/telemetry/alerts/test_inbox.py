"""Results on their way in."""

from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.operations import HealthCheckResult
from crossmodel.telemetry.alerts.inbox import Inbox


@given(st.lists(st.integers(0, 8), max_size=60), st.integers(1, 10))
def test_the_latest_of_each_check_arrives_and_memory_is_bounded(names, most):
    inbox = Inbox(most)
    results = [
        HealthCheckResult(str(name), is_healthy=False, error=str(n)) for n, name in enumerate(names)
    ]
    for result in results:
        inbox.put(result)
        assert len(inbox) <= 2 * most
    taken = inbox.take()
    assert not inbox.take()
    assert [each.error for each in taken[:most]] == [each.error for each in results[:most]]
    latest = {each.check_name: each.error for each in results}
    arrived = {each.check_name: each.error for each in taken}
    if not inbox.dropped:
        assert arrived == latest
    assert len(latest) > most or not inbox.dropped
