"""Outcomes to learn from: what each model made of each prompt, and what it cost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def hashes(query_ids: Iterable[str], salt: str = "") -> Rows:
    """A number of 56 bits for each query, by its id: the same in every run, on any part."""
    digests = (
        hashlib.sha256(f"{salt}{query}".encode("utf-8", "surrogatepass")).digest()
        for query in query_ids
    )
    return np.array([int.from_bytes(digest[:7], "big") for digest in digests], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Trial:
    """One model's answer to one prompt.

    Attributes:
        query_id: which prompt; equal ids are one query.
        prompt: what was asked.
        model: who answered.
        quality: how good the answer was, 0..1.
        cost_usd: what it cost; ``None`` where nobody knows.
        domain: what kind of task it was; empty where nobody said.
    """

    query_id: str
    prompt: str
    model: str
    quality: float
    cost_usd: float | None = None
    domain: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTable:
    """Trials as arrays: one row per query, one column per model; NaN where there is no figure.

    Attributes:
        query_ids: shape (n,).
        prompts: shape (n,).
        domains: shape (n,); empty strings where nobody said.
        models: shape (m,), sorted.
        quality: shape (n, m), 0..1.
        cost_usd: shape (n, m), not negative.
    """

    query_ids: tuple[str, ...]
    prompts: tuple[str, ...]
    domains: tuple[str, ...]
    models: tuple[str, ...]
    quality: Floats
    cost_usd: Floats

    def __len__(self) -> int:
        return len(self.query_ids)

    @classmethod
    def from_trials(cls, trials: Iterable[Trial]) -> OutcomeTable:
        """Lay trials out; queries keep the order in which they first come.

        Raises:
            InvalidInputError: if there are none, a figure is out of range, a model answered one
                query twice, or one query has two prompts.
        """
        listed = list(trials)
        if not listed:
            raise InvalidInputError("there are no outcomes: at least one row is needed")
        models = tuple(sorted({trial.model for trial in listed}))
        column = {model: position for position, model in enumerate(models)}
        row: dict[str, int] = {}
        first: list[Trial] = []
        for trial in listed:
            if row.setdefault(trial.query_id, len(first)) == len(first):
                first.append(trial)
        quality = np.full((len(first), len(models)), np.nan)
        cost = np.full_like(quality, np.nan)
        for trial in listed:
            at = row[trial.query_id], column[trial.model]
            where = f"query {trial.query_id!r}, model {trial.model!r}"
            if first[at[0]].prompt != trial.prompt:
                raise InvalidInputError(f"{where}: the same query_id stands for two prompts")
            if not np.isnan(quality[at]):
                raise InvalidInputError(f"{where}: there are two rows; keep one")
            quality[at] = checks.unit_interval(f"{where}: quality", trial.quality)
            if trial.cost_usd is not None:
                cost[at] = checks.not_negative(f"{where}: cost_usd", trial.cost_usd)
        return cls(
            query_ids=tuple(trial.query_id for trial in first),
            prompts=tuple(trial.prompt for trial in first),
            domains=tuple(trial.domain for trial in first),
            models=models,
            quality=quality,
            cost_usd=cost,
        )

    def take(self, rows: Sequence[int] | Rows) -> OutcomeTable:
        """Only these queries, in this order; all models stay."""
        picked = np.asarray(rows, dtype=np.int64)
        return OutcomeTable(
            query_ids=tuple(self.query_ids[i] for i in picked),
            prompts=tuple(self.prompts[i] for i in picked),
            domains=tuple(self.domains[i] for i in picked),
            models=self.models,
            quality=self.quality[picked],
            cost_usd=self.cost_usd[picked],
        )

    def without(self, model: str) -> OutcomeTable:
        """All queries, as if nobody had asked this model."""
        others = [column for column, name in enumerate(self.models) if name != model]
        return OutcomeTable(
            query_ids=self.query_ids,
            prompts=self.prompts,
            domains=self.domains,
            models=tuple(self.models[column] for column in others),
            quality=self.quality[:, others],
            cost_usd=self.cost_usd[:, others],
        )
