"""One rule says whether two insights are one, and keys bring together those that may be."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.evaluation.extraction.edits import edited, flipped
from crossmodel.text.fingerprint import keys_of
from crossmodel.text.sameness import EXACT_KINDS, say_the_same
from crossmodel.text.similarity import exchanges, guard

CLAIMS = [
    "The cache in Berlin keeps stale keys for 40 minutes because readers may still hold them.",
    "Ada must never call zput twice, since the second call drops every record that is not signed.",
    "Revenue grew by 12 % in Oslo, which is more than the 5 km of new track would explain.",
    "If x < 5, the parser skips the frame and the ledger in Turin holds its place until restart.",
    "A snapshot of the replica is not copied before the nightly report, so restarts stay short.",
    "The scheduler splits wide tables when traffic doubles, and a worker joins the spare copies.",
]


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("strength", ["light", "medium"])
def test_edits_are_found_again(claim, strength):
    rng = random.Random(5)
    others = [edited(claim, strength, rng) for _ in range(20)]
    assert sum(say_the_same("claim", claim, other, 0.9) for other in others) >= 18
    mine = set(keys_of("claim", claim))
    assert sum(not mine.isdisjoint(keys_of("claim", other)) for other in others) >= 19


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("what", ["number", "unit", "negation", "operator", "name"])
@pytest.mark.parametrize("seed", range(5))
def test_flips_never_merge(claim, what, seed):
    other = flipped(claim, what, random.Random(seed))
    if other is not None:
        assert not say_the_same("claim", claim, other, 0.8)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Send it to Paris today", "Send it to Rome today"),
        ("Paris is the place to send it to", "Rome is the place to send it to"),
        ("Flights to Lima and back to Lima", "Flights to Lima and back to Quito"),
        ("It takes 14 days in all", "It takes 14 hours in all"),
        ("It takes 14 days of the 20 days", "It takes 14 hours of the 20 days"),
        ("The latency of it increases with load", "The latency of it decreases with load"),
        ("At least one reader must stay", "At most one reader must stay"),
        ("Check it before the report runs", "Check it after the report runs"),
        ("The input of the call is valid", "The input of the call is invalid"),
        ("The answer is option (A)", "The answer is option (B)"),
        ("Give X the key", "Give Y the key"),
        ("They are five in all", "They are six in all"),
    ],
)
def test_one_word_that_turns_a_claim_around(first, second):
    assert not say_the_same("claim", first, second, 0.7)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("They are five in all", "They are 5 in all"),
        ("- The **cache** is full", "The cache is full."),
        ("Note that the cache is full now", "The cache is full now"),
        ("It costs 5 euros in total", "In total it costs 5 euros"),
        ("Give 5 snacks to each", "Give 5 small snacks to each"),
        ("We don't keep old keys", "We do not keep the old keys"),
    ],
)
def test_what_says_the_same_in_other_words(first, second):
    assert say_the_same("claim", first, second, 0.8)


def test_a_final_answer_is_the_same_by_whatever_word_it_is_announced():
    assert say_the_same("final_answer", "So the answer is 12.", "So the result is 12.", 0.9)
    assert not say_the_same("final_answer", "So the answer is 12.", "So the result is 13.", 0.9)
    assert not say_the_same("final_answer", "The answer is blue.", "The answer is green.", 0.8)


@pytest.mark.parametrize("kind", sorted(EXACT_KINDS))
def test_code_and_the_like_are_the_same_only_if_equal(kind):
    assert say_the_same(kind, "x = 1\n", " x  = 1", 0.5)
    assert keys_of(kind, "x = 1\n") == keys_of(kind, " x  = 1")
    assert not say_the_same(kind, "x = 1", "x = 1;", 0.5)
    assert keys_of(kind, "x = 1") != keys_of(kind, "x = 1;")


def test_strangers_seldom_meet():
    rng = random.Random(2)
    words = [f"word{letter * n}" for letter in "abcdefgh" for n in range(1, 40)]
    texts = [" ".join(rng.sample(words, 14)) for _ in range(200)]
    keys = [set(keys_of("claim", text)) for text in texts]
    pairs = [(i, j) for i in range(200) for j in range(i)]
    assert sum(not keys[i].isdisjoint(keys[j]) for i, j in pairs) < len(pairs) / 100


@given(st.text(max_size=200), st.text(max_size=200), st.sampled_from(["claim", "rule", "code"]))
def test_whatever_the_texts(first, second, kind):
    assert say_the_same(kind, first, second, 0.9) == say_the_same(kind, second, first, 0.9)
    assert exchanges(first, second) == exchanges(second, first)
    if say_the_same(kind, first, second, 0.9) and kind != "code":
        assert guard(first) == guard(second)
    keys = keys_of(kind, first)
    assert keys == keys_of(kind, first)
    assert all(0 <= key < 2**63 for key in keys)
