"""The log's record of an insight: the right one, or none where that is not certain."""

from crossmodel.domain.insight import Evidence, Insight
from crossmodel.domain.witness import LogLeaf
from crossmodel.store import open_store
from crossmodel.witness.leaves import InsightLeaves
from crossmodel.witness.statement import commit, insight_statement


def leaf(index, insight):
    body = insight_statement(insight, commit("source")).body
    return LogLeaf(index, "type", body, bytes(32))


async def test_each_insight_has_its_record_and_one_of_two_tenants_has_none():
    found = [Insight(f"c{n}", evidence=(Evidence(n, n + 1, "0" * 64),)) for n in range(40)]
    other = LogLeaf(40, "type", b'{"predicate":{"insight_ids":["x"]}}', bytes(32))
    twice = leaf(41, found[7])
    leaves = [leaf(n, insight) for n, insight in enumerate(found)]
    store = await open_store("sqlite:///:memory:")
    empty = await store.read(InsightLeaves)
    assert empty.of(found[0].id) is None
    await store.transact(lambda tx: tx.append_leaves([*leaves, other, twice]))
    index = await store.read(InsightLeaves)
    expected = [None if n == 7 else n for n in range(40)]
    assert [index.of(insight.id) for insight in found] == expected
    assert index.of("nobody") is None
    assert index.of("") is None
    await store.close()
