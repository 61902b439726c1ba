"""Search by words and meaning: who finds what, and that what is derived follows the database."""

import asyncio
import sqlite3
import threading

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodel.domain.insight import Evidence, Insight, Standing
from crossmodel.errors import InvalidInputError
from crossmodel.store import following, frequencies, fulltext, nearest, open_store, schema
from crossmodel.store.embeddings import embedded
from crossmodel.store.migration import SCRIPTS
from crossmodel.store.search import MOST_FOUND
from crossmodel.store.words import words_in
from crossmodel.text.embedding import open_embedder

TEXTS = [
    "Refunds above 500 euros need a signature of the desk",
    "The night train to Lisbon leaves from platform nine",
    "A cache that keeps old records must be emptied by hand",
    "Orders of frozen fish are packed on the same day",
]


def insight(content, **changes):
    return Insight(content, evidence=(Evidence(0, 5, "0" * 64),), **changes)


def url_of(tmp_path):
    return f"sqlite:///{tmp_path}/s.db"


@pytest.fixture(params=["hashed", "static", None])
async def store(request, durable_url):
    opened = await open_store(durable_url, embedder=request.param)
    yield opened
    await opened.close()


async def keep(store, texts, tenant="t", **changes):
    made = [insight(text, **changes) for text in texts]
    await store.transact(lambda tx: tx.add_insights(tenant, made))
    return made


async def find(store, query, tenant="t", **how):
    hits = await store.read(lambda tx: tx.search_insights(tenant, query, **how))
    assert all(0.0 <= hit.relevance <= 1.0 for hit in hits)
    return [hit.insight.content for hit in hits]


async def erase(store, tenant, contents):
    """What an erasure does, in one transaction."""

    def work(tx):
        table = schema.insights
        query = sa.select(table.c.seq).where(
            table.c.tenant == tenant, table.c.content.in_(contents)
        )
        seqs = list(tx._connection.scalars(query))
        tx._search.remove(tx._connection, seqs)
        for child in (schema.insight_evidence, schema.insight_links, schema.insight_keys):
            tx._connection.execute(sa.delete(child).where(child.c.insight_seq.in_(seqs)))
        tx._connection.execute(sa.delete(table).where(table.c.seq.in_(seqs)))
        tx.erased.append((tenant, seqs))

    await store.transact(work)


async def filled(store):
    """Wait until every insight has its vector."""
    for _ in range(1000):
        have = await store.read(
            lambda tx: tx._connection.scalar(
                sa.select(sa.func.count())
                .select_from(schema.insight_vectors)
                .where(schema.insight_vectors.c.embedder == store._vectors.name)
            )
        )
        if have == await store.read(lambda tx: tx.count_insights("t")):
            await store.transact(lambda _: None)  # behind the last batch
            await store.transact(lambda _: None)  # and behind what it left to do
            return
        await asyncio.sleep(0.005)
    raise AssertionError("no vectors came")


async def test_each_is_found_by_its_words(store):
    await keep(store, TEXTS)
    for text in TEXTS:
        assert (await find(store, text))[0] == text
        assert (await find(store, " ".join(reversed(text.split()))))[0] == text


async def test_what_is_meant_is_found_without_its_words(durable_url):
    store = await open_store(durable_url, embedder="static")
    await keep(store, TEXTS)
    assert (await find(store, "railway stations and trains"))[0] == TEXTS[1]
    assert (await find(store, "seafood shipments"))[0] == TEXTS[3]
    await store.close()
    store = await open_store(durable_url)
    assert TEXTS[1] not in await find(store, "railway stations and trains")
    await store.close()


async def test_nothing_is_found_that_has_nothing_to_do_with_the_question(store):
    await keep(store, TEXTS)
    assert await find(store, "quantum chromodynamics") == []
    assert await find(store, "") == []


async def test_tenants_with_equal_texts_find_their_own(store):
    mine = await keep(store, TEXTS, "a", source_model="mine")
    await keep(store, TEXTS[1:], "b", source_model="theirs")
    for text in TEXTS:
        hits = await store.read(lambda tx, q=text: tx.search_insights("a", q))
        assert hits[0].insight == next(each for each in mine if each.content == text)
        assert {hit.insight.source_model for hit in hits} == {"mine"}
        hits = await store.read(lambda tx, q=text: tx.search_insights("b", q))
        assert {hit.insight.source_model for hit in hits} <= {"theirs"}
    assert await find(store, TEXTS[0], "c") == []


async def test_the_quarantined_are_never_found_unless_asked_for(store):
    for standing in Standing:
        await keep(store, [f"Refunds of kind{standing} need a signature"], standing=standing)
    query = "refunds need a signature"
    found = await find(store, query)
    assert sorted(found) == [f"Refunds of kind{s} need a signature" for s in ("active", "demoted")]
    assert len(await find(store, query, standings=list(Standing))) == 3
    assert await find(store, query, standings=[Standing.QUARANTINED]) == [
        "Refunds of kindquarantined need a signature"
    ]
    assert await find(store, query, standings=[]) == []


async def test_only_the_trusted_are_found_however_many_others_match_better(store):
    crowd = [f"Refunds need a signature, says number{n}" for n in range(300)]
    await keep(store, crowd, trust=0.2)
    await keep(store, ["Refunds are slow and need patience of the desk"], trust=0.9)
    query = "refunds need a signature"
    assert await find(store, query, least_trust=0.5) == [
        "Refunds are slow and need patience of the desk"
    ]
    assert len(await find(store, query)) == 10


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"least_trust": 1.5}, "least_trust"),
        ({"least_trust": float("nan")}, "least_trust"),
        ({"standings": ["lost"]}, "standing"),
        ({"diversity": -0.1}, "diversity"),
        ({"diversity": float("nan")}, "diversity"),
        ({"diversity": float("inf")}, "diversity"),
    ],
)
async def test_what_is_out_of_range_is_refused(store, how, message):
    with pytest.raises(InvalidInputError, match=message):
        await find(store, "refunds", **how)


async def test_no_embedder_of_that_name_is_refused_at_once(tmp_path):
    with pytest.raises(InvalidInputError, match="embedder"):
        await open_store(url_of(tmp_path), embedder="oracle")


async def test_copies_come_after_news_when_asked(store):
    await keep(store, ["Refunds need the signature of a desk clerk, always"])
    await keep(store, ["Refunds need the signature of a desk clerk, mostly"])
    await keep(store, ["Refunds go to the card that paid, never to another"])
    query = "which refunds need the signature of a desk clerk"
    plain = await find(store, query, limit=3)
    assert plain[-1].startswith("Refunds go")
    mixed = await find(store, query, limit=2, diversity=0.7)
    assert mixed[0] == plain[0]
    assert mixed[1].startswith("Refunds go")


async def test_the_limit_holds(store):
    await keep(store, [f"Refunds need a signature, says number{n}" for n in range(1200)])
    for limit in (0, 1, 7, 200):
        assert len(await find(store, "refunds need a signature", limit=limit)) == limit
    assert len(await find(store, "refunds need a signature", limit=10**9)) == MOST_FOUND
    assert await find(store, "refunds need a signature", limit=-1) == []


async def test_what_is_erased_is_found_no_more_and_its_number_may_be_used_again(store):
    await keep(store, TEXTS)
    for text in reversed(TEXTS):
        assert text in await find(store, text)
        await erase(store, "t", [text])
        assert text not in await find(store, text)
        again = text.replace("the", "some").replace("must", "may")
        await keep(store, [again])
        assert (await find(store, again))[0] == again


async def test_the_order_does_not_change_from_one_search_to_the_next(store):
    await keep(store, [f"Refunds need a signature of desk {n}" for n in range(40)])
    first = await find(store, "refunds signature desk", limit=40)
    for _ in range(3):
        assert await find(store, "refunds signature desk", limit=40) == first


@settings(max_examples=40)
@given(
    st.text()
    | st.text('"*^:(){}[]-+ANDORNEAR \0', max_size=30)
    | st.text(st.characters(categories=["Cs", "Lo", "Mn", "Cc"]), max_size=30)
)
def test_any_text_is_a_valid_query_and_a_valid_insight(text):
    async def work():
        store = await open_store("sqlite:///:memory:", embedder="hashed")
        try:
            await keep(store, [text, "a b c"])
            await keep(store, ["other"], text.encode("utf-8", "replace").decode())
            for query in (text, f"a {text}", text * 700):
                await find(store, query)
                await find(store, query, diversity=0.5, limit=2)
        finally:
            await store.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    "query",
    [
        '"',
        '" OR "a',
        "refunds) OR (lisbon",
        "content:refunds",
        "NEAR(refunds euros)",
        "ref*",
        "NOT",
    ],
)
async def test_the_query_language_of_the_database_means_nothing(durable_url, query):
    store = await open_store(durable_url)
    await keep(store, TEXTS)
    expected = [text for text in TEXTS if set(words_in(query)) & set(words_in(text))]
    assert sorted(await find(store, query)) == sorted(expected)
    await store.close()


@pytest.mark.parametrize(
    "query", ["refunds " * 2500, "x" * 20_000, "\ud800" * 20_000, "é" * 20_000]
)
async def test_a_long_query_is_no_hindrance(store, query):
    await keep(store, TEXTS)
    found = await find(store, query)
    assert (TEXTS[0] in found) == query.startswith("refunds")


async def test_readers_and_a_writer_at_once(store):
    async def write(number):
        await keep(store, [f"{text}, case {number}" for text in TEXTS])

    async def read(number):
        return await find(store, TEXTS[number % 4])

    await write(0)
    tasks = [write(n // 4) if n % 4 == 0 else read(n) for n in range(4, 120)]
    found = await asyncio.gather(*tasks)
    assert all(each for each in found if each is not None)
    for number in range(1, 30):
        text = f"{TEXTS[2]}, case {number}"
        assert text in await find(store, text, limit=40)


async def test_an_older_snapshot_disturbs_no_newer_one(durable_url):
    store = await open_store(durable_url, embedder="hashed")
    await keep(store, TEXTS[:1])
    looked, go_on = threading.Event(), threading.Event()

    def slow(tx):
        tx.count_insights("t")  # the snapshot begins
        looked.set()
        assert go_on.wait(10)
        return [hit.insight.content for hit in tx.search_insights("t", TEXTS[1])]

    task = asyncio.create_task(store.read(slow))
    assert await asyncio.to_thread(looked.wait, 10)
    await keep(store, TEXTS[1:])
    assert (await find(store, TEXTS[1]))[0] == TEXTS[1]
    go_on.set()
    assert TEXTS[1] not in await task
    assert (await find(store, TEXTS[1]))[0] == TEXTS[1]
    await store.close()


async def test_a_writer_finds_nothing_that_may_be_taken_back_for_others(durable_url):
    store = await open_store(durable_url, embedder="hashed")
    await keep(store, TEXTS[:1])

    def fail(tx):
        tx.add_insights("t", [insight(TEXTS[1])])
        assert tx.search_insights("t", TEXTS[1])[0].insight.content == TEXTS[1]
        raise KeyError

    with pytest.raises(KeyError):
        await store.transact(fail)
    assert TEXTS[1] not in await find(store, TEXTS[1])
    await keep(store, TEXTS[2:3])  # has the number that was given back
    assert (await find(store, TEXTS[2]))[0] == TEXTS[2]
    if durable_url.startswith("sqlite"):
        assert store._vectors._following("t").nearest.numbers.tolist() == [1, 2]
    await store.close()


# what other processes do


async def test_what_another_process_adds_and_erases_is_noticed(durable_url):
    one = await open_store(durable_url, embedder="hashed")
    other = await open_store(durable_url, embedder="hashed")
    await keep(one, TEXTS[:2])
    assert (await find(other, TEXTS[1]))[0] == TEXTS[1]
    await keep(other, TEXTS[2:])
    assert (await find(one, TEXTS[3]))[0] == TEXTS[3]
    await erase(other, "t", TEXTS[2:])
    assert TEXTS[3] not in await find(one, TEXTS[3])
    await keep(other, ["Wholly new matters of gardening with tulips"])  # takes number 3 again
    new = "Wholly new matters of gardening with tulips"
    assert (await find(one, f"{new}, they say"))[0] == new
    if durable_url.startswith("sqlite"):
        numbers = one._vectors._following("t").nearest.numbers.tolist()
        assert sorted(numbers) == [1, 2, 3]
    await one.close()
    await other.close()


# graphs in files


@pytest.fixture
def small_graphs(monkeypatch):
    monkeypatch.setattr(nearest, "EXACT", 20)
    monkeypatch.setattr(nearest.Nearest.__init__, "__kwdefaults__", {"exact": 20})
    monkeypatch.setattr(following, "_FEW", 30)


def many(count, start=0):
    return [f"Rule {n}: part{n} goes to shelf{n * 7} in hall{n * 13}" for n in range(start, count)]


def graph_files(tmp_path):
    return list(tmp_path.glob("s.db.vectors/*"))


async def built(tmp_path, count=100):
    store = await open_store(url_of(tmp_path), embedder="hashed")
    await keep(store, many(count))
    await find(store, "rule")
    store._vectors.settle("t")
    return store


async def check(store, texts, gone=()):
    vectors = open_embedder("hashed").embed_all([embedded(insight(text)) for text in texts])
    near = store._vectors._following("t").nearest
    await find(store, "rule")
    assert len(near) == len(texts)
    for text, vector in zip(texts, vectors, strict=True):
        assert (await find(store, text))[0] == text
        assert near.search(vector, 1)[1][0] > 0.9
    for text in gone:
        assert text not in await find(store, text)


async def test_a_graph_is_kept_between_starts(tmp_path, small_graphs, monkeypatch):
    store = await built(tmp_path)
    await store.close()
    assert len(graph_files(tmp_path)) == 1
    added = []
    real = nearest.Nearest.add
    monkeypatch.setattr(
        nearest.Nearest, "add", lambda self, n, m, v: added.extend(n) or real(self, n, m, v)
    )
    store = await open_store(url_of(tmp_path), embedder="hashed")
    await check(store, many(100))
    assert added == []
    await store.close()


async def test_a_damaged_graph_is_built_anew(tmp_path, small_graphs):
    await (await built(tmp_path)).close()
    (file,) = graph_files(tmp_path)
    file.write_bytes(file.read_bytes()[:-50])
    store = await open_store(url_of(tmp_path), embedder="hashed")
    await check(store, many(100))
    await store.close()


async def test_a_graph_of_before_gets_what_came_since_and_loses_what_went(tmp_path, small_graphs):
    await (await built(tmp_path)).close()
    (file,) = graph_files(tmp_path)
    old = file.read_bytes()
    store = await open_store(url_of(tmp_path), embedder="hashed")
    await erase(store, "t", [*many(20, 10), *many(100, 90)])
    await keep(store, many(140, 100))  # ten of them have the numbers of erased ones
    await store.close()
    file.write_bytes(old)
    store = await open_store(url_of(tmp_path), embedder="hashed")
    await check(store, many(10) + many(90, 20) + many(140, 100), gone=many(20, 10))
    await store.close()


async def test_a_graph_of_another_database_is_not_believed(tmp_path, small_graphs):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    await (await built(tmp_path / "a")).close()
    (file,) = graph_files(tmp_path / "a")
    store = await open_store(url_of(tmp_path / "b"), embedder="hashed")
    others = many(300, 200)
    await keep(store, others)
    (tmp_path / "b" / "s.db.vectors").mkdir()
    (tmp_path / "b" / "s.db.vectors" / file.name).write_bytes(file.read_bytes())
    await check(store, others)
    await store.close()


async def test_an_erased_vector_is_in_no_file(tmp_path, small_graphs):
    store = await built(tmp_path)
    await store.close()
    vector = open_embedder("hashed").embed(many(51, 50)[0])
    secret = nearest._eight_bits(vector).tobytes()
    (file,) = graph_files(tmp_path)
    assert secret in file.read_bytes()
    store = await open_store(url_of(tmp_path), embedder="hashed")
    await erase(store, "t", many(51, 50))
    assert not file.exists()
    await check(store, many(50) + many(100, 51), gone=many(51, 50))
    await store.close()
    assert secret not in file.read_bytes()


async def test_a_folder_that_cannot_be_written_hinders_nobody(tmp_path, small_graphs):
    (tmp_path / "s.db.vectors").write_text("a file is in the way")
    store = await built(tmp_path)
    await check(store, many(100))
    await store.close()


async def test_memory_is_bounded_over_many_tenants(tmp_path, monkeypatch):
    monkeypatch.setattr("crossmodel.store.vectors.MOST_BYTES", 200_000)
    store = await open_store(url_of(tmp_path), embedder="hashed")
    for tenant in "abcdef":
        await keep(store, many(60), tenant)
        await find(store, "rule part7", tenant)
    assert len(store._vectors._tenants) < 6
    for tenant in "abcdef":
        assert (await find(store, many(8, 7)[0], tenant))[0] == many(8, 7)[0]
    await store.close()


# stores of before


def downgrade(path, revision):
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engine.dispose()


async def test_a_store_of_before_is_searched_by_words_at_once_and_by_meaning_soon(tmp_path):
    store = await open_store(url_of(tmp_path))
    await keep(store, [*TEXTS, "Café \0 opens \ud800 at nine"])
    await keep(store, many(1300), "t")
    await store.close()
    downgrade(tmp_path / "s.db", "0003")
    with sqlite3.connect(tmp_path / "s.db") as db:
        query = "SELECT count(*) FROM insights_fts WHERE insights_fts MATCH 'cafe'"
        assert db.execute(query).fetchone() == (1,)
    db.close()
    store = await open_store(url_of(tmp_path), embedder="static")
    assert (await find(store, "cafe opens"))[0].startswith("Café")
    await filled(store)
    assert (await find(store, "seafood shipments"))[0] == TEXTS[3]
    await store.close()


async def test_vectors_of_another_embedder_are_made_anew(tmp_path):
    store = await open_store(url_of(tmp_path), embedder="hashed")
    await keep(store, TEXTS)
    assert TEXTS[1] not in await find(store, "railway stations and trains")
    await store.close()
    store = await open_store(url_of(tmp_path), embedder="static")
    await filled(store)
    assert (await find(store, "seafood shipments"))[0] == TEXTS[3]
    await store.close()


async def test_what_a_store_without_embedder_added_gets_its_vectors_later(durable_url):
    store = await open_store(durable_url, embedder="static")
    await keep(store, TEXTS[:2])
    plain = await open_store(durable_url)
    await keep(plain, TEXTS[2:])
    await plain.close()
    await keep(store, many(3))
    assert TEXTS[3] not in await find(store, "seafood shipments")
    await store.close()
    store = await open_store(durable_url, embedder="static")
    await find(store, "seafood shipments")
    await filled(store)
    assert (await find(store, "seafood shipments"))[0] == TEXTS[3]
    await store.close()


async def test_closing_does_not_wait_for_all_vectors(durable_url):
    store = await open_store(durable_url)
    await keep(store, many(3000))
    await store.close()
    store = await open_store(durable_url, embedder="hashed")
    await store.close()
    store = await open_store(durable_url, embedder="hashed")
    await filled(store)
    assert (await find(store, many(3000)[-1]))[0] == many(3000)[-1]
    await store.close()


def test_a_worked_example_is_known_by_its_input():
    example = insight("4 -> 7", kind="example", scope="Codes", metadata={"input": "Which of 4?"})
    assert embedded(example) == "Codes\n4 -> 7\nWhich of 4?"
    assert embedded(insight("4 -> 7", metadata={"input": "Which of 4?"})) == "4 -> 7"
    assert embedded(insight("x", kind="example", metadata={"input": 4})) == "x"


# the full text in large stores


async def test_common_words_alone_still_find_something(tmp_path, monkeypatch):
    monkeypatch.setattr(fulltext, "LOOKED_AT", 50)
    monkeypatch.setattr(frequencies, "SMALL", 50)
    store = await open_store(url_of(tmp_path))
    await keep(store, [f"common words of page{n} stand everywhere" for n in range(300)])
    await keep(store, ["common zebra"])
    assert len(await find(store, "common words")) == 10
    assert (await find(store, "common words zebra"))[0] == "common zebra"
    found = await find(store, "common words everywhere of page77 unheard")
    assert found[0] == "common words of page77 stand everywhere"
    assert len(found) == 10
    await store.close()


async def test_pruned_search_finds_what_ranking_every_row_finds(tmp_path, monkeypatch):
    store = await open_store(url_of(tmp_path))
    rng = np.random.default_rng(1)
    words = [f"w{n}" for n in range(400)]
    weights = 1.0 / np.arange(1, 401)
    weights /= weights.sum()
    texts = [" ".join(rng.choice(words, 15, p=weights)) for _ in range(1500)]
    await keep(store, texts)
    queries = [" ".join(rng.choice(words, 8, p=weights)) for _ in range(40)]
    whole = [await find(store, query) for query in queries]
    monkeypatch.setattr(fulltext, "LOOKED_AT", 600)
    pruned = [await find(store, query) for query in queries]
    shares = [len(set(a) & set(b)) / len(a) for a, b in zip(whole, pruned, strict=True) if a]
    assert whole != pruned
    assert np.mean(shares) > 0.9
    await store.close()
