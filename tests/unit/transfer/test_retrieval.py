"""Retrieval: the right subject or none, the nearest examples, the same whatever the order."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from crossmodel.domain.insight import Evidence, Insight, InsightKind
from crossmodel.domain.records import RankedInsight
from crossmodel.ports import Transaction
from crossmodel.store import open_store
from crossmodel.transfer import retrieval
from crossmodel.transfer.choosing import NEAREST_EXAMPLES, choose
from crossmodel.transfer.quality import RELEVANCE
from crossmodel.transfer.retrieval import search


def subject(
    name: str, scope: str, rule: str, *pairs: tuple[str, str], source: str = ""
) -> list[Insight]:
    """A rule and its worked examples, linked both ways, as extraction gives them."""
    ids = [f"{name}-{n}" for n in range(len(pairs))]
    common: dict[str, Any] = {"scope": scope, "confidence_score": 0.9}
    made = [
        Insight(
            rule,
            kind=InsightKind.RULE,
            links=tuple(ids),
            evidence=(Evidence(0, 9, source or name),),
            id=name,
            **common,
        )
    ]
    for n, (given, result) in enumerate(pairs):
        made.append(
            Insight(
                f"{given} -> {result}",
                kind=InsightKind.EXAMPLE,
                links=(name,),
                metadata={"input": given, "output": result},
                evidence=(Evidence(10 * n + 10, 10 * n + 19, source or name),),
                id=ids[n],
                **common,
            )
        )
    return made


ORDERS = subject(
    "order",
    "Order codes",
    "An order code is BM, the city and the number of crates.",
    ("What is the order code for 12 crates to Oslo?", "BM/Oslo/12"),
    ("What is the order code for 7 crates to Lyon?", "BM/Lyon/7"),
    ("What is the order code for 30 crates to Madrid?", "BM/Madrid/30"),
    ("What is the order code for 9 crates to Turin?", "BM/Turin/9"),
)
RETURNS = subject(
    "return",
    "Return codes",
    "A return code is the number of crates, R and the city.",
    ("What is the return code for 4 crates from Bremen?", "+4Rbremen"),
    ("What is the return code for 16 crates from Nantes?", "+16Rnantes"),
)
DESKS = subject(
    "desk",
    "Which desk takes which customer",
    "Returns go to desk ORCHID, late parcels to desk COBALT.",
    ("Which desk takes a customer who wants to return a chair?", "ORCHID"),
    ("Which desk takes a customer who says that a sofa is late?", "COBALT"),
    ("Which desk takes a customer who wants to return a blanket?", "ORCHID"),
    ("Which desk takes a customer who says that a pillow is late?", "COBALT"),
)
EVERYTHING = [*ORDERS, *RETURNS, *DESKS]
ORDER_QUESTION = "What is the order code for 8 crates to Porto?"


def names(insights: list[Insight]) -> list[str]:
    return [i.id for i in insights]


def test_the_rule_comes_first_then_the_nearest_examples() -> None:
    chosen = choose(ORDER_QUESTION, EVERYTHING, 12)
    assert chosen[0].id == "order"
    assert len(chosen) == 1 + NEAREST_EXAMPLES
    assert all(name.startswith("order") for name in names(chosen))


def test_examples_of_the_same_kind_of_question_are_nearer() -> None:
    late = choose("Which desk takes a customer who says that a clock is late?", EVERYTHING, 12)
    assert {late[1].metadata["output"], late[2].metadata["output"]} == {"COBALT"}
    back = choose("Which desk takes a customer who wants to return a lamp?", EVERYTHING, 12)
    assert {back[1].metadata["output"], back[2].metadata["output"]} == {"ORCHID"}


@pytest.mark.parametrize(
    "question",
    [
        ORDER_QUESTION,
        "How many crates did we ship to Bremen?",
        "What is the customs code for 8 crates to Porto?",
        "What is the capital of France?",
        "the of and",
        "",
        "???",
        "\ud800 \0",
    ],
)
def test_an_insight_that_looks_alike_but_does_not_apply_is_left_out(question: str) -> None:
    assert choose(question, RETURNS, 12) == []


def test_the_right_subject_wins_however_many_look_alike() -> None:
    alike = [
        insight
        for n in range(30)
        for insight in subject(
            f"x{n}",
            f"Kind{chr(97 + n % 26)} codes",
            f"A kind{chr(97 + n % 26)} code is X{n}.",
            (f"What is the kind{chr(97 + n % 26)} code for 4 crates to Bremen?", f"X{n}"),
            (f"What is the kind{chr(97 + n % 26)} code for 5 crates to Ghent?", f"X{n}"),
        )
    ]
    assert choose(ORDER_QUESTION, [*alike, *ORDERS], 12)[0].id == "order"


def test_the_order_of_the_candidates_does_not_matter() -> None:
    expected = names(choose(ORDER_QUESTION, EVERYTHING, 12))
    for seed in range(20):
        shuffled = [*EVERYTHING, *ORDERS]
        random.Random(seed).shuffle(shuffled)
        assert names(choose(ORDER_QUESTION, shuffled, 12)) == expected


def test_each_choice_is_a_copy_that_carries_its_relevance() -> None:
    chosen = choose(ORDER_QUESTION, ORDERS, 12)
    assert all(0.4 <= i.metadata[RELEVANCE] <= 1.0 for i in chosen)
    assert all(RELEVANCE not in i.metadata for i in ORDERS)


def test_the_limit_holds() -> None:
    assert names(choose(ORDER_QUESTION, ORDERS, 2))[0] == "order"
    assert len(choose(ORDER_QUESTION, ORDERS, 2)) == 2
    assert choose(ORDER_QUESTION, ORDERS, 0) == []


def test_rules_alone_are_found_by_content_and_scope() -> None:
    rule = Insight(
        "Invoices above 500 euros need two signatures.", kind=InsightKind.RULE, scope="Invoices"
    )
    assert choose("Who signs invoices above 700 euros?", [rule], 5)
    assert not choose("How do I book a train?", [rule], 5)


def test_a_table_of_the_examples_is_not_given_beside_them() -> None:
    table = Insight(
        "\n".join(i.content for i in ORDERS[1:]),
        kind=InsightKind.RULE,
        scope="Order codes",
        links=tuple(i.id for i in ORDERS[1:]),
        evidence=(Evidence(0, 99, "order"),),
        id="table",
    )
    assert "table" not in names(choose(ORDER_QUESTION, [*ORDERS, table], 12))


def test_ten_megabytes_of_question_are_no_hindrance() -> None:
    assert choose("order code crates " * 600_000, ORDERS, 12)


async def test_search_follows_links_from_examples_to_rules_and_back(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'insights.db'}")
    try:
        await store.transact(lambda tx: tx.add_insights("t", EVERYTHING))

        async def run(query: str, tenant: str, limit: int) -> list[RankedInsight]:
            def work(tx: Transaction) -> list[RankedInsight]:
                return search(tx, tenant, query, limit)

            return await store.read(work)

        hits = await run("Madrid", "t", 1)
        assert {hit.insight.id for hit in hits} == {i.id for i in ORDERS}
        assert all(hit.relevance > 0 for hit in hits)
        assert await run("Madrid", "somebody else", 5) == []
        assert await run("nothing of the kind", "t", 0) == []
    finally:
        await store.close()


async def test_search_is_bounded_however_far_links_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "MAX_FOUND", 20)
    chained = [
        Insight(f"word{n}", kind=InsightKind.RULE, links=(f"i{n + 1}",), id=f"i{n}")
        for n in range(100)
    ]
    store = await open_store(f"sqlite:///{tmp_path / 'insights.db'}")
    try:
        await store.transact(lambda tx: tx.add_insights("t", chained))
        hits = await store.read(lambda tx: search(tx, "t", "word0", 5))
        assert len(hits) == 20
    finally:
        await store.close()
