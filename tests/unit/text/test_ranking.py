"""Rankings: fused as the paper says, and diverse only as far as asked."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.text.ranking import SMOOTHING, diverse, fused

RANKINGS = st.lists(st.lists(st.integers(0, 30), unique=True, max_size=20), max_size=4)


def test_what_several_rankings_name_comes_before_what_one_names():
    assert list(fused([["a", "b", "c"], ["d", "b"]])) == ["b", "a", "d", "c"]


def test_relevance_is_the_share_of_the_first_place_in_all():
    both = fused([["a", "b"], ["a"]])
    assert both["a"] == 1.0
    assert both["b"] == pytest.approx((SMOOTHING + 1) / (SMOOTHING + 2) / 2)


@given(RANKINGS)
def test_fusing_keeps_every_key_once_in_falling_relevance(rankings):
    scores = fused(rankings)
    assert set(scores) == {key for ranking in rankings for key in ranking}
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert all(0.0 < score <= 1.0 for score in scores.values())
    expected = {
        key: sum(1 / (SMOOTHING + r.index(key) + 1) for r in rankings if key in r) for key in scores
    }
    scale = (SMOOTHING + 1) / max(1, len(rankings))
    assert all(math.isclose(scores[key], expected[key] * scale) for key in scores)


@given(st.lists(st.integers(0, 99), unique=True, max_size=30))
def test_one_ranking_keeps_its_order(ranking):
    assert list(fused([ranking])) == ranking


def unit(*numbers):
    vector = np.array(numbers, dtype=np.float32)
    return vector / np.linalg.norm(vector)


TWINS = {"a": unit(1, 0), "twin": unit(1, 0.01), "other": unit(0, 1)}
RELEVANCE = {"a": 1.0, "twin": 0.9, "other": 0.6}


def test_without_diversity_the_order_stays():
    assert diverse(RELEVANCE, TWINS, 3, 0.0) == ["a", "twin", "other"]


def test_with_diversity_a_copy_comes_after_news():
    assert diverse(RELEVANCE, TWINS, 3, 0.5) == ["a", "other", "twin"]
    assert diverse(RELEVANCE, TWINS, 2, 0.5) == ["a", "other"]


def test_what_has_no_vector_is_like_no_other():
    assert diverse(RELEVANCE, {"a": TWINS["a"], "twin": TWINS["twin"]}, 2, 0.5) == ["a", "other"]
    assert diverse(RELEVANCE, {}, 3, 1.0) == ["a", "twin", "other"]


@given(
    st.dictionaries(st.integers(0, 50), st.floats(0, 1), max_size=20),
    st.integers(-1, 25),
    st.floats(0, 1),
)
def test_diversity_returns_each_key_once_and_the_best_first(relevance, limit, diversity):
    vectors = {key: unit(math.cos(key), math.sin(key), 0.5) for key in relevance if key % 3}
    chosen = diverse(relevance, vectors, limit, diversity)
    assert len(chosen) == len(set(chosen)) == max(0, min(limit, len(relevance)))
    assert set(chosen) <= set(relevance)
    if chosen:
        assert relevance[chosen[0]] == max(relevance.values())
    if diversity == 0:
        assert [relevance[key] for key in chosen] == sorted(relevance.values(), reverse=True)[
            : len(chosen)
        ]
