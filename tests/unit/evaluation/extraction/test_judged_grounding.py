"""Grounding figures, of our grounder and of broken ones."""

import dataclasses
import random

import pytest

from crossmodel.domain.insight import Evidence, Span
from crossmodel.evaluation.extraction.edits import FLIPS
from crossmodel.evaluation.extraction.grounding import (
    CLIPPED,
    FOREIGN,
    judge_false_grounding,
    judge_grounding,
)
from crossmodel.text.grounding import ground

TEXT = "The Tern line runs 14 km to Oslo. It is not open on Sundays, since 3 < 4 crews are there."
OTHER = (
    "The mill in Bergen grinds 20 kg of rye an hour. It must not run dry, or 2 + 2 stones crack."
)


def test_what_our_extractor_finds_is_grounded(of):
    figures = judge_grounding([of(f"{TEXT}\nTherefore the answer is 14.")])
    assert figures.insights > 0
    assert figures.rate == 1
    assert not figures.ungrounded


def test_counts_are_by_type_and_kind(of):
    found = [
        ("claim", "14 km to Oslo"),
        ("claim", "open on Sundays"),
        ("risk", "3 < 4", "analysis"),
    ]
    figures = judge_grounding([of(TEXT, found)])
    assert figures.counts == {("reasoning", "claim"): 2, ("analysis", "risk"): 1}
    assert judge_grounding([]).rate is None


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        ("no evidence", {"evidence": ()}),
        ("evidence of another source", {"evidence": (Evidence(0, 5, "0" * 64),)}),
        ("evidence that says something else", {"content": "The Tern line runs 15 km to Oslo."}),
    ],
)
def test_an_ungrounded_insight_is_an_offender(of, fault, change):
    extracted = of(TEXT, [("claim", "The Tern line runs 14 km to Oslo.")])
    extracted.result.insights[0] = dataclasses.replace(extracted.insights[0], **change)
    (offender,) = judge_grounding([extracted]).ungrounded
    assert offender.reason == fault
    assert offender.row_id == "r"
    assert TEXT not in str(offender.to_dict())


def test_evidence_beyond_the_end_is_an_offence(of):
    extracted = of(TEXT, [("claim", TEXT)])
    sha256 = extracted.insights[0].evidence[0].source_sha256
    beyond = Evidence(0, len(TEXT) + 1, sha256)
    extracted.result.insights[0] = dataclasses.replace(extracted.insights[0], evidence=(beyond,))
    assert judge_grounding([extracted]).ungrounded[0].reason == "evidence beyond the end"


def test_evidence_that_does_not_ground_is_an_offence(of):
    extracted = of("It is not open on Sundays.", [("claim", "open on Sundays")])
    assert judge_grounding([extracted]).ungrounded[0].reason == "does not ground"


def swap(claim, what, rng):
    assert isinstance(rng, random.Random)
    old, new = {
        "number": ("14", "15"),
        "unit": (" km", " miles"),
        "negation": (" not", ""),
        "operator": ("<", ">"),
        "name": ("Oslo", "Riga"),
        "opposite": ("open", "closed"),
        "order": ("line runs", "runs line"),
    }[what]
    return claim.replace(old, new) if old in claim else None


def rows(of):
    return [of(TEXT, id="a", prompt="p", task="t"), of(OTHER, id="b", prompt="q", task="t")]


def test_our_grounder_accepts_none_of_them(of):
    found = {each.what: each for each in judge_false_grounding(rows(of), flip=swap)}
    assert set(found) == {*FLIPS, CLIPPED, FOREIGN}
    assert all(each.claims > 0 for each in found.values())
    assert all(each.accepted == 0 for each in found.values())


def test_a_grounder_that_takes_everything_is_found_out(of):
    found = judge_false_grounding(rows(of), flip=swap, grounder=lambda _: lambda _: Span(0, 1))
    assert all(each.accepted == each.claims > 0 for each in found)
    assert set(found[0].accepted_ids) == {"a"}
    document = found[0].to_dict()
    assert document["rate"] == 1
    assert "Oslo" not in str(document)


def test_a_grounder_that_ignores_one_sort_is_found_out_by_that_sort(of):
    def careless(source):
        return lambda claim: ground(claim.replace("miles", "km"), source)

    found = judge_false_grounding(rows(of), flip=swap, grounder=careless)
    assert [each.what for each in found if each.accepted] == ["unit"]


def test_a_grounder_that_looks_for_letters_alone_is_found_out(of):
    def naive(source):
        return lambda claim: Span(0, 1) if claim in source else None

    found = {each.what: each for each in judge_false_grounding(rows(of), flip=swap, grounder=naive)}
    assert [each.what for each in found.values() if each.accepted] == [CLIPPED]
    assert found[CLIPPED].accepted == found[CLIPPED].claims > 0


def test_what_the_source_says_elsewhere_is_no_cut(of):
    text = "It is not open on Sundays. They say it is open on Sundays."
    clipped = judge_false_grounding([of(text, id="a")], flip=swap)[-2]
    assert (clipped.what, clipped.claims, clipped.said_elsewhere) == (CLIPPED, 0, 1)


def test_what_the_source_says_as_well_is_no_corruption(of):
    text = "The line is 14 km long. The line is 15 km long."
    found = judge_false_grounding([of(text, id="a")], flip=swap)
    assert found[0].what == "number"
    assert (found[0].claims, found[0].said_elsewhere) == (0, 1)


def test_answers_to_the_same_question_are_not_strangers(of):
    same = [of(TEXT, id="a", prompt="p"), of(OTHER, id="b", prompt="p")]
    found = judge_false_grounding(same, flip=swap)
    assert found[-1].what == FOREIGN
    assert found[-1].claims == 0


def test_the_sample_is_the_same_each_time(of):
    first, second = (judge_false_grounding(rows(of), flip=swap) for _ in range(2))
    assert first == second
