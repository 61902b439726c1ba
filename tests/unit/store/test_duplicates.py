"""A lesson that is told twice is kept once, with both sources; tenants do not meet."""

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from crossmodel.domain.insight import Evidence, Insight, text_sha256
from crossmodel.domain.records import SourceText
from crossmodel.store import open_store
from crossmodel.store.migration import SCRIPTS

RULE = "Release tags must start with the letters rel-, and never with a date."


def told(content, source, kind="claim", **fields):
    evidence = (Evidence(0, len(content), text_sha256(source)),)
    return Insight(content, kind=kind, evidence=evidence, **fields)


@pytest.fixture
async def store(store_url):
    opened = await open_store(store_url)
    yield opened
    await opened.close()


async def keep(store, *insights, tenant="t"):
    return await store.transact(lambda tx: tx.add_insights(tenant, insights))


async def kept(store, tenant="t"):
    return await store.read(lambda tx: tx.list_insights(tenant, limit=1000))


async def test_the_same_lesson_from_two_models_is_one_with_both_sources(store):
    first = told(RULE, "one", source_model="big")
    assert await keep(store, first) == [first.id]
    assert await keep(store, told(f"Note: {RULE}", "two", source_model="other")) == []
    [only] = await kept(store)
    assert (only.id, only.content, only.source_model) == (first.id, RULE, "big")
    assert [each.source_sha256 for each in only.evidence] == [
        text_sha256("one"),
        text_sha256("two"),
    ]
    await keep(store, told(f"Note: {RULE}", "two", source_model="other"))
    assert len((await kept(store))[0].evidence) == 2  # told once more by the same source


@pytest.mark.parametrize(
    "other", [RULE.replace("never ", ""), RULE.replace("rel-", "tag-"), RULE.replace("must", "may")]
)
async def test_what_says_something_else_is_kept_beside_it(store, other):
    await keep(store, told(RULE, "one", "rule"))
    assert len(await keep(store, told(other, "two", "rule"))) == 1


async def test_tenants_and_kinds_do_not_meet(store):
    await keep(store, told(RULE, "one"))
    assert len(await keep(store, told(RULE, "two"), tenant="u")) == 1
    assert len(await keep(store, told(RULE, "two", kind="rule"))) == 1
    assert len(await kept(store, "u")) == 1


async def test_links_to_a_lesson_that_was_told_before_lead_to_it(store):
    first = told(RULE, "one", "rule")
    await keep(store, first)
    again = told(RULE, "two", "rule")
    example = told("v2 -> rel-2", "two", "example", links=(again.id,))
    again.links = (example.id,)
    assert await keep(store, again, example) == [example.id]
    by_kind = {insight.kind: insight for insight in await kept(store)}
    assert by_kind["example"].links == (first.id,)
    assert by_kind["rule"].links == (example.id,)


async def test_many_copies_are_one(store):
    for number in range(300):
        await keep(store, told(f"{RULE} " * (1 + number % 2), str(number)))
    insights = await kept(store)
    assert sum(len(insight.evidence) for insight in insights) == 300
    assert len(insights) <= 2


@pytest.mark.parametrize("content", ["?", "…", "\ud800 lone", "İ" * 300, "1 2 3", "a" * 50_000])
async def test_odd_contents_are_kept_and_known_again(store, content):
    await store.transact(lambda tx: tx.add_source(SourceText("x", "m", "t", "")))
    await keep(store, told(content, "one"))
    await keep(store, told(content, "two"))
    assert 1 <= len(await kept(store)) <= 2


def downgrade(path, revision):
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engine.dispose()


async def test_a_store_of_before_knows_its_lessons_again(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    store = await open_store(url)
    await keep(store, told(RULE, "one"))
    await store.close()
    downgrade(tmp_path / "s.db", "0002")
    store = await open_store(url)
    assert await keep(store, told(f"Note: {RULE}", "two")) == []
    assert len((await kept(store))[0].evidence) == 2
    await store.close()


async def test_what_a_more_trusted_source_tells_again_is_trusted_as_much(store):
    await keep(store, told(RULE, "one", trust=0.4))
    for trust, expected in ((0.9, 0.9), (0.2, 0.9)):
        await keep(store, told(f"Note: {RULE}", f"source of {trust}", trust=trust))
        [only] = await kept(store)
        assert only.trust == expected
