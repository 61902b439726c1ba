"""Files of outcomes: what each model made of each prompt, as parquet, CSV or JSON lines."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError, MissingExtraError
from crossmodel.selection.learned import OutcomeTable, Trial
from crossmodel.selection.learned.outcomes import Floats

NEEDED: Final = ("prompt", "model", "quality", "cost_usd")
OPTIONAL: Final = ("query_id", "domain")


def read_outcomes(path: Path) -> OutcomeTable:
    """The outcomes of a file; columns that are not known are skipped.

    Columns are ``prompt``, ``model``, ``quality`` (0..1), ``cost_usd`` (empty where unknown), and
    where there are ``query_id`` and ``domain``. Without ``query_id`` equal prompts are one query,
    and what a model made of it several times is averaged.

    Raises:
        InvalidInputError: naming the file, the row and the column that is wrong.
        MissingExtraError: if parquet cannot be read here.
    """
    columns = _columns(path)
    for name in NEEDED:
        if name not in columns:
            close = checks.nearest(name, columns) if columns else ""
            hint = f"; the nearest there is {close!r}" if close else ""
            raise InvalidInputError(f"{path} has no column {name!r}{hint}")
    trials = list(_trials(path, columns))
    if not trials:
        raise InvalidInputError(f"{path} holds no outcomes")
    if "query_id" not in columns:
        trials = _averaged(trials)
    try:
        return OutcomeTable.from_trials(trials)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from error


def write_predictions(
    file: BinaryIO, query_ids: Sequence[str], models: Sequence[str], quality: Floats, cost: Floats
) -> None:
    """Write parquet, a row per query and model: query_id, model, predicted_quality and _cost.

    ``quality`` and ``cost``, in USD, are of shape (queries, models).

    Raises:
        MissingExtraError: if parquet cannot be written here.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - part of an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("writing parquet", "train") from None
    table = pa.table(
        {
            "query_id": [query for query in query_ids for _ in models],
            "model": [model for _ in query_ids for model in models],
            "predicted_quality": quality.reshape(-1),
            "predicted_cost": cost.reshape(-1),
        }
    )
    pq.write_table(table, file)


def _columns(path: Path) -> Mapping[str, Sequence[Any]]:
    kinds = {".parquet": _parquet, ".csv": _csv, ".jsonl": _jsonl}
    if path.suffix not in kinds:
        raise InvalidInputError(
            f"{path}: outcomes are read from {', '.join(kinds)}, not from {path.suffix!r}"
        )
    try:
        return kinds[path.suffix](path)
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} is not UTF-8: {error.reason}") from error


def _parquet(path: Path) -> Mapping[str, Sequence[Any]]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - part of an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("reading parquet", "train") from None
    try:
        with path.open("rb") as file:
            parquet = pq.ParquetFile(file)
            names = [n for n in parquet.schema_arrow.names if n in {*NEEDED, *OPTIONAL}]
            table = parquet.read(columns=names)
            seen = {name: () for name in parquet.schema_arrow.names if name not in names}
            return {**seen, **{name: table[name].to_pylist() for name in names}}
    except pa.ArrowException as error:
        raise InvalidInputError(f"{path} is no parquet file: {error}") from error


def _csv(path: Path) -> Mapping[str, Sequence[Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            names = next(rows, [])
            columns: dict[str, list[Any]] = {name: [] for name in names}
            for number, row in enumerate(rows, 1):
                if not row:
                    continue
                if len(row) != len(names):
                    raise InvalidInputError(
                        f"{path}, row {number}: {len(row)} values under {len(names)} columns"
                    )
                for name, value in zip(names, row, strict=True):
                    columns[name].append(value)
        except csv.Error as error:
            raise InvalidInputError(f"{path}, line {rows.line_num}: {error}") from error
    for name in ("quality", "cost_usd"):
        if name in columns:
            columns[name] = [_number(value) for value in columns[name]]
    return columns


def _jsonl(path: Path) -> Mapping[str, Sequence[Any]]:
    rows: list[Mapping[str, Any]] = []
    # not splitlines(), which breaks at U+2028 inside of strings
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.MsgspecError, UnicodeEncodeError) as error:
            raise InvalidInputError(f"{path}:{number}: {error}") from error
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _number(value: str) -> float | str | None:
    try:
        return float(value) if value.strip() else None
    except ValueError:
        return value


def _trials(path: Path, columns: Mapping[str, Sequence[Any]]) -> Iterator[Trial]:
    for number in range(len(columns["prompt"])):
        row = {name: columns[name][number] for name in (*NEEDED, *OPTIONAL) if name in columns}
        try:
            yield _trial(row)
        except InvalidInputError as error:
            raise InvalidInputError(f"{path}, row {number + 1}: {error}") from error


def _trial(row: Mapping[str, Any]) -> Trial:
    prompt = row["prompt"]
    if not isinstance(prompt, str) or not prompt:
        raise InvalidInputError("prompt must be a string that is not empty")
    cost = row["cost_usd"]
    if cost is not None and not (isinstance(cost, float) and math.isnan(cost)):
        cost = checks.not_negative("cost_usd", cost)
    else:
        cost = None
    query_id = row.get("query_id")
    domain = row.get("domain")
    return Trial(
        query_id=_hash_of(prompt) if query_id is None else str(query_id),
        prompt=prompt,
        model=checks.text("model", row["model"]),
        quality=checks.unit_interval("quality", row["quality"]),
        cost_usd=cost,
        domain="" if domain is None else str(domain),
    )


def _hash_of(prompt: str) -> str:
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _averaged(trials: Sequence[Trial]) -> list[Trial]:
    """One trial per query and model: the mean of those there are."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.query_id, trial.model), []).append(trial)
    averaged = []
    for group in groups.values():
        costs = [trial.cost_usd for trial in group if trial.cost_usd is not None]
        first = group[0]
        averaged.append(
            Trial(
                first.query_id,
                first.prompt,
                first.model,
                math.fsum(trial.quality for trial in group) / len(group),
                math.fsum(costs) / len(costs) if costs else None,
                first.domain,
            )
        )
    return averaged
