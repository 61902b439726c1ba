"""Choosing: little, of the right subject, with what its names lead on to."""

import pytest

from crossmodel.domain.insight import Evidence, Insight, InsightKind, Standing, text_sha256
from crossmodel.transfer.choosing import choose
from crossmodel.transfer.lessons import lessons
from crossmodel.transfer.relevance import names_in, words_in


def fact(content, *, source=None, scope="", **fields):
    evidence = (Evidence(0, len(content), text_sha256(source or content)),)
    return Insight(content, evidence=evidence, scope=scope, confidence_score=0.8, **fields)


def row(key, value, source="table"):
    return Insight(
        f"{key} | {value}",
        kind=InsightKind.EXAMPLE,
        evidence=(Evidence(len(key), 99, text_sha256(source)),),
        metadata={"columns": ["Depot", "Relay code"], "input": key, "output": value},
        scope="Relay codes",
        confidence_score=0.8,
    )


def others(template, count=40):
    return [
        fact(template.format(f"Zo{chr(97 + n % 26)}{chr(97 + n // 26)}k", n)) for n in range(count)
    ]


def contents(query, candidates, **options):
    return [i.content for i in choose(query, candidates, 12, **options)]


def test_the_one_about_the_name_that_is_asked_for_is_given_alone():
    told = fact("The relay code of the Tavor depot is 47.")
    rivals = others("The relay code of the {} depot is {}.")
    assert contents("What is the relay code of the Tavor depot?", [*rivals, told]) == [told.content]


def test_two_steps_are_followed_by_the_name_that_links_them():
    first = fact("Claims from Datas go to the Naeklox desk.")
    second = fact("The Naeklox desk answers on extension 8499.")
    crowd = others("The {} desk answers on extension {}.") + others("Claims from {} go to desk {}.")
    given = contents("Which extension answers claims from Datas?", [*crowd, second, first])
    assert set(given) == {first.content, second.content}


def test_numbered_things_are_names_too():
    first, second = fact("Dr. Ferrin looks after ward 7."), fact("Ward 7 uses the purple form.")
    crowd = others("Ward 1{1} uses the {0} form.")
    question = "Which form does the ward that Dr. Ferrin looks after use?"
    assert set(contents(question, [*crowd, first, second])) == {first.content, second.content}


def test_of_a_table_the_row_that_is_asked_for_is_given():
    table = [row("Tavor", "47"), row("Mora", "12"), row("Nelvik", "93")]
    assert contents("What is the relay code of the Mora depot?", table) == ["Mora | 12"]


@pytest.mark.parametrize(
    "question",
    [
        "What is the default timeout in PostgreSQL?",
        "Which bus goes to Berlin?",
        "What is 12 times 7?",
    ],
)
def test_what_is_about_somebody_else_does_not_apply(question):
    known = [
        fact("The default timeout in Quillsocket is 17 seconds; the maximum is 90 seconds."),
        fact("Bus 93 goes to Lutz Harbour."),
    ]
    assert contents(question, known) == []


def test_of_near_equals_the_better_supported_is_given():
    lie = fact("Badges of the Orrin tower show the heron.", source="a", trust=0.3)
    truth = fact("Badges of the Orrin tower show the lynx.", source="b", trust=0.8)
    for candidates in ([lie, truth], [truth, lie]):
        question = "Which animal do badges of the Orrin tower show?"
        assert contents(question, candidates) == [truth.content]


def test_what_was_demoted_comes_last():
    demoted = fact("Parcels for Nelvik leave from the red dock.", standing=Standing.DEMOTED)
    active = fact("Parcels for Nelvik always leave through gate Q, whatever the hour.")
    assert contents("Where do parcels for Nelvik leave?", [demoted, active])[0] == active.content


def test_below_the_bound_nothing_is_given():
    told = fact("Parcels for Nelvik go through gate Q on every day but Sunday, as people know.")
    question = "When does the gate for visitors and parcels close in winter?"
    assert contents(question, [told], least_relevance=0.9) == []
    assert contents(question, [told], least_relevance=0.0)


def test_a_table_that_many_sources_share_ties_no_lessons_together():
    shared = Insight(
        "weekdays | yes", kind=InsightKind.EXAMPLE, links=("a", "b"),
        metadata={"columns": ["Day", "Open"], "input": "weekdays", "output": "yes"}, id="t",
        evidence=(Evidence(500, 510, text_sha256("1")), Evidence(500, 510, text_sha256("2"))),
    )  # fmt: skip
    first = fact("Codes of Tavor start with T.", source="1", id="a", links=("t",), kind="rule")
    second = fact("Codes of Mora start with M.", source="2", id="b", links=("t",), kind="rule")
    assert sorted(len(each.insights) for each in lessons([shared, first, second])) == [1, 1, 1]


def test_words_and_names():
    assert words_in("The Depots' codes, 12 of them") == {"depot", "code", "0"}
    assert names_in("Which bus goes to Lutz Harbour?", within=True) == {"lutz", "harbour"}
    assert "ward 7" in names_in("It stands in ward 7.")
    assert names_in("") == frozenset()
