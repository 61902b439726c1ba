"""What a router has to beat: the obvious ways to choose, learned on the same outcomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from crossmodel.errors import MissingExtraError
from crossmodel.selection.learned import OutcomeTable
from crossmodel.selection.learned.outcomes import Floats

Predictor = Callable[[OutcomeTable], Floats]
"""Predicted qualities, (queries, models), of the queries of a table; its qualities stay unread."""

DOMAIN_PRIOR: Final = 5.0
"""Answers' worth of the overall mean in each domain's."""

NEIGHBOURS: Final = 50
VOCABULARY: Final = 50_000


def static(train: OutcomeTable) -> Predictor:
    """The mean quality of each model, whatever is asked."""
    means = _means(train.quality)
    return lambda test: np.tile(means, (len(test), 1))


def chance(_: OutcomeTable) -> Predictor:
    """Uniform random numbers."""
    return lambda test: np.random.default_rng(0).random((len(test), len(test.models)))


def domain_prior(train: OutcomeTable) -> Predictor:
    """The mean quality of each model on the query's true domain: it sees the label."""
    overall = _means(train.quality)
    domains = np.array(train.domains)
    table = {name: _shrunk(train.quality[domains == name], overall) for name in set(train.domains)}
    return lambda test: np.array([table.get(name, overall) for name in test.domains])


def neighbours(train: OutcomeTable) -> Predictor:
    """The mean of the 50 nearest prompts by cosine of TF-IDF."""
    vectorizer, matrix = _tf_idf(train)
    known = ~np.isnan(train.quality)
    quality, overall = np.where(known, train.quality, 0.0), _means(train.quality)
    count = min(NEIGHBOURS, len(train))

    def predict(test: OutcomeTable) -> Floats:
        found = np.empty((len(test), len(test.models)))
        for start in range(0, len(test), 512):
            batch = vectorizer.transform(test.prompts[start : start + 512])
            near = np.argpartition(-(batch @ matrix.T).toarray(), count - 1, axis=1)[:, :count]
            answers = known[near].sum(axis=1)
            mean = quality[near].sum(axis=1) / np.maximum(answers, 1)
            found[start : start + 512] = np.where(answers > 0, mean, overall)
        return found

    return predict


def logistic(train: OutcomeTable) -> Predictor:
    """Logistic regression on TF-IDF, one per model; fractional qualities weigh both classes."""
    vectorizer, matrix = _tf_idf(train)
    fitted = [_fit(matrix, train.quality[:, column]) for column in range(len(train.models))]

    def predict(test: OutcomeTable) -> Floats:
        batch = vectorizer.transform(test.prompts)
        return np.stack([probability(batch) for probability in fitted], axis=1)

    return predict


def oracle(_: OutcomeTable) -> Predictor:
    """The truth: what no router can beat."""
    return lambda test: test.quality


def _means(quality: Floats) -> Floats:
    known = ~np.isnan(quality)
    totals = np.where(known, quality, 0.0).sum(axis=0)
    overall = totals.sum() / max(known.sum(), 1)
    counts = known.sum(axis=0)
    means = np.where(counts > 0, totals / np.maximum(counts, 1), overall)
    return np.asarray(means, dtype=np.float64)


def _shrunk(quality: Floats, overall: Floats) -> Floats:
    known = ~np.isnan(quality)
    totals = np.where(known, quality, 0.0).sum(axis=0)
    shrunk = (totals + DOMAIN_PRIOR * overall) / (known.sum(axis=0) + DOMAIN_PRIOR)
    return np.asarray(shrunk, dtype=np.float64)


def _tf_idf(train: OutcomeTable) -> tuple[Any, Any]:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("the baselines of eval selection", "train") from None
    vectorizer = TfidfVectorizer(
        sublinear_tf=True,
        ngram_range=(1, 2),
        min_df=min(2, len(train)),
        max_features=VOCABULARY,
        token_pattern=r"(?u)\b\w+\b|[^\w\s]",  # noqa: S106 - so that no prompt is without one
    )
    return vectorizer, vectorizer.fit_transform(train.prompts)


def _fit(matrix: Any, quality: Floats) -> Callable[[Any], Floats]:
    from scipy.sparse import vstack  # noqa: PLC0415 - comes with scikit-learn
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    known = np.flatnonzero(~np.isnan(quality))
    weights = np.concatenate([quality[known], 1 - quality[known]])
    labels = np.repeat([1, 0], len(known))
    used = weights > 0
    if len(set(labels[used])) < 2:  # noqa: PLR2004 - one class has no border
        constant = float(labels[used][0]) if used.any() else 0.5
        return lambda batch: np.full(batch.shape[0], constant)
    model = LogisticRegression(max_iter=500)
    model.fit(vstack([matrix[known]] * 2).tocsr()[used], labels[used], sample_weight=weights[used])
    return lambda batch: np.asarray(model.predict_proba(batch)[:, 1], dtype=np.float64)
