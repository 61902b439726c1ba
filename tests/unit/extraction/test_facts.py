"""Plain facts are found where nothing announces them; tales, sums and courtesies are none."""

import pytest

from crossmodel import InsightExtractor


def contents(text, kind=None):
    found = InsightExtractor().extract(text, "big").insights
    return [i.content for i in found if kind is None or i.kind == kind]


@pytest.mark.parametrize(
    "fact",
    [
        "Parcels for the Nelvik office go through gate Q.",
        "Shipments marked Zeta travel in amber crates.",
        "When a parcel weighs more than 12 kg, the clerk stamps it with a heron.",
        "The Lindqvist desk answers on extension 8812.",
        "The plural of 'snorf' in that dialect is 'snorvim'.",
        "Vothar prefers amber crates to blue ones.",
        "We ship the Korvan boxes from the northern dock.",
    ],
)
def test_a_fact_is_found_wherever_it_stands(fact):
    for text in (
        fact,
        f"Sure! I hope this helps.\n\nIt rained. {fact} So did I.",
        f"- {fact}\n- b",
    ):
        assert fact in contents(text)


@pytest.mark.parametrize(
    "sentence",
    [
        "Yesterday Ben went to the shop and bought 3 apples.",
        "I called Nelvik twice and nobody was there at all.",
        "It goes through gate Q without any trouble at all.",
        "Ben has 3 + 4 = 7 apples in his basket.",
        "Does the Nelvik office take parcels after 5?",
        "Hope that helps the people in Nelvik with it!",
        "Nelvik is small.",
        "He would go through gate Q if Ben let him.",
    ],
)
def test_what_holds_for_nobody_else_is_no_fact(sentence):
    assert sentence not in contents(f"Well now.\n\n{sentence} And so on.", "claim")


def test_an_example_belongs_to_the_fact_before_it():
    text = "To encode a word in Tarn, reverse it and append -ka. Example: moon -> noom-ka"
    fact, example = sorted(
        InsightExtractor().extract(text, "big").insights, key=lambda i: i.evidence[0].start
    )
    assert (fact.links, example.links) == ((example.id,), (fact.id,))


def test_what_another_finder_has_claimed_is_not_found_twice():
    text = "Codes for Nelvik must start with NV. Therefore the Mora codes must not."
    assert len(contents(text)) == len(set(contents(text))) == 2
