"""Files of outcomes: what each model made of each prompt, as parquet, CSV or JSON lines."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Final

import msgspec

from crossmodel.bulk.places import File, find_files, is_uri
from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError, MissingExtraError
from crossmodel.ports import Spread
from crossmodel.selection.learned import OutcomeTable, Trial
from crossmodel.selection.learned.outcomes import Floats

NEEDED: Final = ("prompt", "model", "quality", "cost_usd")
OPTIONAL: Final = ("query_id", "domain")
KINDS: Final = (".parquet", ".csv", ".jsonl")


def read_outcomes(source: Path | str, spread: Spread = map) -> OutcomeTable:
    """The outcomes of a file, of all files of a folder, or of an object store.

    Columns are ``prompt``, ``model``, ``quality`` (0..1), ``cost_usd`` (empty where unknown), and
    where there are ``query_id`` and ``domain``; those that are not known are skipped. Without
    ``query_id`` equal prompts are one query, and what a model made of it several times is averaged.
    ``spread`` shares out the files.

    Raises:
        InvalidInputError: naming the file, the row and the column that is wrong.
        MissingExtraError: if parquet cannot be read here.
        NotFoundError: if an object store holds no such file.
    """
    read = list(spread(_read, _files(source)))
    trials = [trial for part in read for trial in part.trials]
    if not trials:
        raise InvalidInputError(f"{source} holds no outcomes")
    if not all(part.has_ids for part in read):
        trials = _averaged(trials)
    try:
        return OutcomeTable.from_trials(trials)
    except InvalidInputError as error:
        raise InvalidInputError(f"{source}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Read:
    """The outcomes of one file, and whether queries have ids in it."""

    trials: list[Trial]
    has_ids: bool


def _files(source: Path | str) -> list[File]:
    path = Path(source)
    if is_uri(str(source)) or path.is_dir():
        found = find_files(str(source), lambda name: PurePath(name).suffix in KINDS)
        if not found:
            raise InvalidInputError(f"{source} holds no file of {', '.join(KINDS)}")
        return found
    return [File(str(path), path.name, 0)]


def _read(file: File) -> _Read:
    columns = _columns(file)
    for name in NEEDED:
        if name not in columns:
            close = checks.nearest(name, columns) if columns else ""
            hint = f"; the nearest there is {close!r}" if close else ""
            raise InvalidInputError(f"{file.path} has no column {name!r}{hint}")
    return _Read(list(_trials(file.path, columns)), "query_id" in columns)


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


def _columns(file: File) -> Mapping[str, Sequence[Any]]:
    path, kind = file.path, PurePath(file.name).suffix
    if kind not in KINDS:
        raise InvalidInputError(
            f"{path}: outcomes are read from {', '.join(KINDS)}, not from {kind!r}"
        )
    try:
        with file.open() as content:
            return {".parquet": _parquet, ".csv": _csv, ".jsonl": _jsonl}[kind](path, content)
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} is not UTF-8: {error.reason}") from error


def _parquet(path: str, content: BinaryIO) -> Mapping[str, Sequence[Any]]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - part of an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("reading parquet", "train") from None
    try:
        parquet = pq.ParquetFile(content)
        names = [n for n in parquet.schema_arrow.names if n in {*NEEDED, *OPTIONAL}]
        table = parquet.read(columns=names)
        seen = {name: () for name in parquet.schema_arrow.names if name not in names}
        return {**seen, **{name: table[name].to_pylist() for name in names}}
    except pa.ArrowException as error:
        raise InvalidInputError(f"{path} is no parquet file: {error}") from error


def _csv(path: str, content: BinaryIO) -> Mapping[str, Sequence[Any]]:
    columns: dict[str, list[Any]] = {}
    with io.TextIOWrapper(content, "utf-8-sig", newline="") as text:
        rows = csv.reader(text, strict=True)
        try:
            names = next(rows, [])
            columns = {name: [] for name in names}
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


def _jsonl(path: str, content: BinaryIO) -> Mapping[str, Sequence[Any]]:
    rows: list[Mapping[str, Any]] = []
    # not splitlines(), which breaks at U+2028 inside of strings
    for number, line in enumerate(content.read().decode().split("\n"), 1):
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


def _trials(path: str, columns: Mapping[str, Sequence[Any]]) -> Iterator[Trial]:
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
