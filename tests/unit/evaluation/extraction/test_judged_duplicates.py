"""Planted duplicates: what should merge and what should not, with ours and with broken mergers."""

from crossmodel.domain.insight import Insight
from crossmodel.evaluation.extraction.duplicates import judge_duplicates, merges_at

SAID = [
    ("claim", "The line runs 14 km along the coast to Oslo."),
    ("claim", "The mill must not run dry on any day at all."),
]
TEXT = " ".join(said for _, said in SAID)


def edit(text, strength, rng):
    return {"light": text.replace("The", "the"), "medium": text, "heavy": text + " Indeed."}[
        strength
    ]


def flip(text, what, rng):
    if what == "number" and "14" in text:
        return text.replace("14", "15")
    return text.replace(" not", "") if what == "negation" and " not" in text else None


OURS = merges_at(0.9)


def judged(of, merge=OURS):
    return judge_duplicates([of(TEXT, SAID)], merge, edit=edit, flip=flip)


def test_our_merger_keeps_flips_apart_and_merges_edits(of):
    found = judged(of)
    light, medium, heavy = found.edits
    assert (light.pairs, light.merged) == (2, 2)
    assert medium.pairs == 0  # what is not changed is no pair
    assert heavy.pairs == 2
    assert [(each.what, each.pairs) for each in found.flips if each.pairs] == [
        ("number", 1),
        ("negation", 1),
    ]
    assert found.false_merges == 0


def test_a_merger_that_takes_everything_is_found_out(of):
    found = judged(of, merge=lambda first, second: True)
    assert found.false_merges == 1
    assert found.flips[0].wrong_ids == ("r",)
    assert found.to_dict()["false_merges_on_flips"][0]["share"] == 1


def test_a_merger_that_takes_nothing_is_found_out(of):
    found = judged(of, merge=lambda first, second: False)
    assert [each.share for each in found.edits] == [0, None, 0]
    assert found.edits[0].wrong_ids == ("r",)


def test_code_is_not_edited(of):
    code = "def f(x): return x + 1 if x else 0"
    found = judge_duplicates([of(code, [("code", code)])], OURS, edit=edit, flip=flip)
    assert not any(each.pairs for each in (*found.edits, *found.flips))
    assert found.false_merges is None


def test_merging_leaves_both_as_they_are():
    first, second = Insight("The same words here.", id="a"), Insight("The same words here.", id="b")
    assert OURS(first, second)
    assert (first.id, second.id, first.evidence) == ("a", "b", ())
