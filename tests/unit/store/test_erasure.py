"""What is erased is gone from every row and every byte; what belongs to others stays."""

import asyncio
import json
import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.insight import Evidence, Insight
from crossmodel.domain.period import utc_now
from crossmodel.domain.records import SourceText, TransferRecord
from crossmodel.domain.witness import Commitment
from crossmodel.errors import InvalidInputError
from crossmodel.store import open_store, schema
from crossmodel.text.redaction import FILLER, blot, occurrences

WORD = "qzxwvoplian"
SAID = f"The relay code of Tavor is {WORD}-47\r\nand \U0001f511 \ud800 too."
NEXT = "Parcels for Nelvik go through gate Q."
TEXT = f"Caf\u00e9 \U0001f600 first. {SAID} {NEXT} Last."


@pytest.fixture
async def store(store_url):
    opened = await open_store(store_url)
    yield opened
    await opened.close()


def source(text=TEXT, tenant="t"):
    return SourceText(text, "m", tenant)


def found(content, text=TEXT, **fields):
    start = text.index(content)
    evidence = (Evidence(start, start + len(content), source(text).sha256),)
    return Insight(content, evidence=evidence, source_model="m", **fields)


def hidden(value, tenant="t"):
    raw = value.encode("utf-8", "surrogatepass")
    return Commitment(f"{tenant}:{hash(raw)}", b"s" * 32, raw, tenant)


async def keep(store, *insights, text=TEXT, tenant="t"):
    def work(tx):
        tx.add_source(source(text, tenant))
        tx.add_insights(tenant, insights)

    await store.transact(work)


async def erase(store, *insights, tenant="t"):
    erased = await store.transact(lambda tx: tx.erase_insights(tenant, [i.id for i in insights]))
    assert await store.scrub()
    return erased


async def rows(store, table):
    return await store.read(lambda tx: list(tx._connection.execute(sa.select(table)).mappings()))


async def test_every_row_of_it_goes(store):
    rule, other = found(SAID), found(NEXT)
    other = replace(other, links=(rule.id, "x"))
    await keep(store, rule, other)
    seq = next(row["seq"] for row in await rows(store, schema.insights) if row["id"] == rule.id)

    def measured(tx):
        units = [f"insight:{rule.id}", f"insight:{other.id}", "topic:x"]
        tx._connection.execute(
            sa.insert(schema.uplift),
            [
                {"tenant": tenant, "unit": unit, "target_model": "m", "task_type": "", "arm": "a",
                 "n": 1, "total": 1.0, "squares": 1.0}
                for unit in units for tenant in ("t", "u")
            ],
        )  # fmt: skip
        tx._connection.execute(
            sa.insert(schema.playbook_items),
            [{"tenant": "t", "topic": "x", "item": n, "insight_id": i, "retired": ""}
             for n, i in enumerate((rule.id, other.id))],
        )  # fmt: skip
        vector = b"v" if tx._connection.dialect.name == "sqlite" else "[1, 0]"
        tx._connection.execute(
            sa.text("INSERT INTO insight_vectors VALUES (:seq, 't', 'e', :vector)"),
            {"seq": seq, "vector": vector},
        )

    await store.transact(measured)
    erased = await erase(store, rule)
    assert erased.insight_ids == (rule.id,)
    assert erased.still_held_by == ()
    assert erased.counts == {
        "judgements": 0,
        "insights": 1, "evidence": 1, "links": 1, "keys": erased.counts["keys"], "vectors": 1,
        "uplift": 1, "playbook_items": 1, "passages": 1, "sources": 0, "commitments": 0,
    }  # fmt: skip
    assert erased.counts["keys"] > 0
    [left] = await store.read(lambda tx: tx.list_insights("t"))
    assert (left.id, left.links) == (other.id, ("x",))
    assert all(row["insight_seq"] != seq for row in await rows(store, schema.insight_keys))
    assert len(await rows(store, schema.uplift)) == 5
    assert await store.read(lambda tx: tx.search_insights("t", WORD)) == []
    [hit] = await store.read(lambda tx: tx.search_insights("t", "parcels Nelvik"))
    assert hit.insight.id == other.id


async def test_neighbours_still_stand_on_their_evidence(store):
    rule, other = found(SAID), found(NEXT)
    await keep(store, rule, other)
    await erase(store, rule)
    [left] = await store.read(lambda tx: tx.get_insights("t", [other.id]))
    [span] = left.evidence
    kept = await store.read(lambda tx: tx.get_source("t", span.source_sha256))
    assert span.span.of(kept.text) == NEXT
    assert kept.sha256 == span.source_sha256  # the hash of what is left: the old one tells
    assert kept.text == TEXT.replace(SAID, FILLER * len(SAID))
    assert await store.read(lambda tx: tx.get_source("t", source().sha256)) is None
    again = await erase(store, left)
    assert (again.counts["passages"], again.counts["sources"]) == (1, 1)
    assert await rows(store, schema.sources) == []  # it went with the last that stood on it


async def test_the_text_goes_wherever_else_it_stands(store):
    rule = found(SAID)
    copy = f"Somebody wrote: {SAID}"
    await keep(store, rule)
    await keep(store, text=copy)
    values = [
        SAID,
        TEXT,
        f"before {SAID} after",
        json.dumps([{"role": "user", "content": f"is it so: {SAID}"}]),
        json.dumps([{"content": TEXT}], ensure_ascii=False),
        f"notes: {' '.join(SAID.split())}",
        source().sha256,
    ]
    others = ["unrelated", NEXT, SAID[:20]]
    await store.transact(
        lambda tx: tx.put_commitments({0: [hidden(v) for v in [*values, *others]]})
    )
    erased = await erase(store, rule)
    assert erased.counts["commitments"] == len(values)
    assert erased.records == ((0, 0),)
    assert {row["value"] for row in await rows(store, schema.commitments)} == {
        value.encode() for value in others
    }
    assert all(WORD not in row["text"] for row in await rows(store, schema.sources))
    assert erased.counts["passages"] == 2


async def test_contexts_in_which_it_was_handed_over_go_whatever_form_they_have(store):
    rule, other = found(SAID), found(NEXT)
    await keep(store, rule, other)
    contexts = {"mine": hidden("Q: code?\nA: 47"), "another": hidden("something else")}

    def work(tx):
        tx.put_commitments({0: list(contexts.values())})
        for (name, context), insight in zip(contexts.items(), (rule, other), strict=True):
            tx.add_transfer(
                TransferRecord(name, "t", "m", "exemplar", True, (insight.id,), 0.9, 1,
                               context.digest, utc_now())
            )  # fmt: skip

    await store.transact(work)
    await erase(store, rule)
    assert [row["digest"] for row in await rows(store, schema.commitments)] == [
        contexts["another"].digest
    ]


async def test_a_short_text_goes_only_where_it_is_known_to_have_stood(store):
    text = "Answer: 47. There are 47 gates."
    short = Insight("47", evidence=(Evidence(8, 10, source(text).sha256),))
    await keep(store, short, found("There are 47 gates.", text), text=text)
    await store.transact(
        lambda tx: tx.put_commitments(
            {0: [hidden("room 47 is closed"), hidden("47"), hidden(text)]}
        )
    )
    erased = await erase(store, short)
    [row] = await rows(store, schema.sources)
    assert row["text"] == "Answer: **. There are 47 gates."
    assert erased.counts["commitments"] == 2
    assert erased.still_held_by == ()


async def test_who_still_holds_the_text_is_said(store):
    rule = found(SAID)
    around = found(TEXT[5:-5], kind="composition")
    example = Insight("x", kind="example", metadata={"input": f"why? {SAID}", "output": "y"})
    scoped = Insight("y", scope=SAID)
    overlapping = found(TEXT[: TEXT.index(WORD)], kind="definition")
    await keep(store, rule, around, example, scoped, overlapping, found(NEXT))
    erased = await erase(store, rule)
    held = (around, example, scoped, overlapping)
    assert erased.still_held_by == tuple(sorted(each.id for each in held))
    assert (await erase(store, *held)).still_held_by == (found(NEXT).id,)  # the first was around it


async def test_nothing_of_another_tenant_is_touched(store):
    rule = found(SAID)
    for leaf, tenant in enumerate("tu"):
        await keep(store, rule, tenant=tenant)
        value = hidden(SAID, tenant)
        await store.transact(lambda tx, at=leaf, value=value: tx.put_commitments({at: [value]}))
    assert (await erase(store, rule, tenant="nobody")).counts == {}
    assert (await erase(store, rule, tenant="u")).counts["commitments"] == 1
    [left] = await store.read(lambda tx: tx.list_insights("t"))
    assert left == rule
    assert (await store.read(lambda tx: tx.get_source("t", source().sha256))).text == TEXT
    assert [row["tenant"] for row in await rows(store, schema.commitments)] == ["t"]
    [hit] = await store.read(lambda tx: tx.search_insights("t", WORD))
    assert hit.insight == rule


async def test_two_sources_that_become_one_text_are_kept_once(store):
    texts = [f"{NEXT} The relay code of Mora is {word}." for word in ("aaaaaaaaa", "bbbbbbbbb")]
    insights = [found(text[len(NEXT) + 1 :], text) for text in texts]
    neighbours = [found(NEXT, text, kind=kind) for text, kind in zip(texts, "ab", strict=True)]
    for text, *pair in zip(texts, insights, neighbours, strict=True):
        await keep(store, *pair, text=text)
    await erase(store, *insights)
    [row] = await rows(store, schema.sources)
    left = await store.read(lambda tx: tx.list_insights("t"))
    assert {e.source_sha256 for i in left for e in i.evidence} == {row["sha256"]}


async def test_what_is_told_again_is_learned_again_from_the_whole_text(store):
    rule, other = found(SAID), found(NEXT)
    await keep(store, rule, other)
    await erase(store, rule)
    await keep(store, rule, other)
    [again] = await store.read(lambda tx: tx.get_insights("t", [rule.id]))
    kept = await store.read(lambda tx: tx.get_source("t", again.evidence[0].source_sha256))
    assert again.evidence[0].span.of(kept.text) == SAID


@pytest.mark.parametrize("size", [1, 40, 400])
async def test_no_byte_and_no_word_is_left_in_the_files(tmp_path, size):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    rule = found(SAID)
    values = [hidden(f"{n} {SAID}") for n in range(size)]
    for number in range(size):  # so that the index has several parts
        text = f"{number} {TEXT}" if number % 3 else f"{number} is some other text, said by others"
        await keep(store, Insight(f"claim number {number} of {number * 7}"), text=text)
    await keep(store, rule)
    await store.transact(lambda tx: tx.put_commitments({0: values}))

    def files_with(word):
        return [path.name for path in tmp_path.iterdir() if word in path.read_bytes()]

    assert files_with(WORD.encode())
    await erase(store, rule)
    for word in (WORD.encode(), WORD[4:].encode(), SAID[:20].encode()):
        assert files_with(word) == []

    def terms(tx):
        execute = tx._connection.exec_driver_sql
        execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'insights_fts', 'row')")
        listed = {row[0] for row in execute("SELECT term FROM temp.words")}
        execute("DROP TABLE temp.words")
        return listed

    indexed = await store.transact(terms)
    assert not any(WORD in term for term in indexed)
    assert any(term.endswith("number") for term in indexed)
    assert "tavor" not in indexed
    assert await store.read(
        lambda tx: tx._connection.exec_driver_sql("PRAGMA integrity_check").scalar()
    ) == "ok"  # fmt: skip
    await store.close()


async def test_a_reader_of_an_older_snapshot_holds_scrubbing_off_and_is_noticed(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    rule = found(SAID)
    await keep(store, rule)
    looked, go_on = threading.Event(), threading.Event()

    def look(tx):
        tx.count_insights("t")
        looked.set()
        assert go_on.wait(60)

    reading = asyncio.create_task(store.read(look))
    assert await asyncio.to_thread(looked.wait, 10)
    await store.transact(lambda tx: tx.erase_insights("t", [rule.id]))
    assert not await store.scrub()
    assert await store.read(lambda tx: tx.get_mark("scrub")) == 1  # still owed
    go_on.set()
    await reading
    assert await store.scrub()
    assert await store.read(lambda tx: tx.get_mark("scrub")) is None
    assert all(WORD.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    await store.close()


async def test_a_transaction_that_fails_erases_nothing(store):
    rule = found(SAID)
    await keep(store, rule)

    def work(tx):
        tx.erase_insights("t", [rule.id])
        raise InvalidInputError("no")

    with pytest.raises(InvalidInputError):
        await store.transact(work)
    assert await store.read(lambda tx: tx.list_insights("t")) == [rule]
    assert (await store.read(lambda tx: tx.search_insights("t", WORD)))[0].insight == rule


async def test_many_at_once(store):
    texts = [f"The relay code of town {n} is {n * n} and no other." for n in range(350)]
    text = "\n".join(texts)
    insights = [found(each, text) for each in texts]
    await keep(store, *insights, text=text)
    erased = await erase(store, *insights[:-1])
    assert erased.counts["insights"] == 349
    [row] = await rows(store, schema.sources)
    assert row["text"].endswith(f"{FILLER}\n{texts[-1]}")
    assert [i.id for i in await store.read(lambda tx: tx.list_insights("t"))] == [insights[-1].id]


@given(
    text=st.text(),
    spans=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40)).map(lambda s: (s[0], s[0] + s[1]))),
)  # fmt: skip
def test_blotting_keeps_every_offset(text, spans):
    blotted = blot(text, spans)
    assert len(blotted) == len(text)
    for at, (before, after) in enumerate(zip(text, blotted, strict=True)):
        inside = any(start <= at < end for start, end in spans)
        assert after == (FILLER if inside else before)


@given(st.text("ab"), st.text("ab", max_size=3))
def test_every_occurrence_is_found(text, passage):
    places = occurrences(text, passage)
    assert all(text[start:end] == passage for start, end in places)
    assert (passage not in blot(text, places)) or not passage
