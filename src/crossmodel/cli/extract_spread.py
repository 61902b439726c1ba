"""``crossmodel extract`` by shards: on a cluster, and from object stores on any machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.progress import Progress

from crossmodel.bulk.extraction import Extraction, Row, Task
from crossmodel.bulk.places import File, find_files
from crossmodel.bulk.rows import made_by
from crossmodel.bulk.shards import SHARD_BYTES, Shard, cut
from crossmodel.cli.output import err, out, plain, print_json
from crossmodel.cli.resuming import PartFile, resuming
from crossmodel.domain.records import SourceText
from crossmodel.errors import InvalidInputError

if TYPE_CHECKING:
    from crossmodel.assembly import CrossModel, Extracted, UnreadableRow
    from crossmodel.ports import Spread
    from crossmodel.settings import Settings

MARK: Final = "extract "
"""Before the digest of what is extracted from: the store's name for how far that has come."""


@dataclass(slots=True)
class Kept:
    """What a run has put into the store; ``resumed`` is how many shards were there already."""

    shards: int
    resumed: int = 0
    answers: int = 0
    insights: int = 0
    witnessed: int = 0
    unreadable: list[UnreadableRow] = field(default_factory=list)
    failed: list[Extracted] = field(default_factory=list)


def write(
    source: str, to: Path, source_model: str, settings: Settings, spread: Spread
) -> list[UnreadableRow]:
    """Write a row for each row of ``source``, as one process does; returns what was skipped.

    Raises:
        InvalidInputError: if ``to`` is a pipe or the like.
        NotFoundError: if there is no such source.
    """
    if to.exists() and not to.is_file():
        raise InvalidInputError(f"{to} is no plain file: only those can be gone on with")
    extraction = _extraction(settings, source_model)
    with Progress(console=err, transient=True) as progress, resuming(to) as part:
        shards = cut(find_files(source), spread)
        task = progress.add_task("extracting", total=len(shards))
        passed, done, unreadable = _pass_over(part, extraction, shards, spread)
        progress.advance(task, passed)
        tasks = [Task(shard) for shard in shards[passed:]]
        if tasks:
            tasks[0] = tasks[0]._replace(done=done)
        for rows in spread(extraction.rows, tasks):
            for row in rows:
                if isinstance(row, Row):
                    part.write(row.digest, row.row)
                else:
                    unreadable.append(row)
            progress.advance(task)
        if part.resumed:
            err.print(plain(f"{part.resumed} answers were done before the interruption"))
    return unreadable


def _pass_over(
    part: PartFile, extraction: Extraction, shards: Sequence[Shard], spread: Spread
) -> tuple[int, int, list[UnreadableRow]]:
    """How many shards an earlier run has done, and how many answers of the next.

    With them what is unreadable in the shards that are done.
    """
    unreadable: list[UnreadableRow] = []
    if not part.has_more:
        return 0, 0, unreadable
    for position, read in enumerate(spread(extraction.digests, [Task(each) for each in shards])):
        done = 0
        for each in read:
            if not isinstance(each, str):
                continue
            if not part.has(each):
                return position, done, unreadable
            done += 1
        unreadable += [each for each in read if not isinstance(each, str)]
    return len(shards), 0, unreadable


async def learn(
    sources: Iterable[str], source_model: str, settings: Settings, spread: Spread
) -> Kept:
    """Put what is found in all sources into the store, each once, and witness it.

    A shard's insights are kept in one transaction with how far the run has come, and they are known
    by their content: a run that was interrupted goes on, and one that is repeated changes nothing.

    Raises:
        NotFoundError: if there is no such source.
        StoreConflictError: if two runs do the same at the same time.
    """
    from crossmodel.assembly import CrossModel

    extraction = _extraction(settings, source_model)
    files = [file for source in sources for file in find_files(source)]
    mark = MARK + _digest(files, extraction, settings.loop.tenant)
    async with CrossModel(settings, with_models=False) as cm:
        shards = cut(files, spread)
        done = await cm.engine.store.read(lambda tx: tx.get_mark(mark)) or 0
        kept = Kept(len(shards), resumed=done)
        tasks = [Task(shard) for shard in shards[done:]]
        with Progress(console=err, transient=True) as progress:
            task = progress.add_task("extracting", total=len(shards), completed=done)
            for count, found in enumerate(spread(extraction.insights, tasks), done + 1):
                await _keep(cm, found, kept, mark, count)
                progress.advance(task)
        await cm.engine.store.transact(lambda tx: tx.set_mark(mark, None))
    return kept


async def _keep(
    cm: CrossModel, found: Sequence[Extracted | UnreadableRow], kept: Kept, mark: str, count: int
) -> None:
    from crossmodel.assembly import Extracted

    extracted = []
    for each in found:
        if not isinstance(each, Extracted):
            kept.unreadable.append(each)
        elif each.result is None:
            kept.failed.append(each)
        else:
            kept.answers += 1
            kept.insights += len(each.result.insights)
            text, tenant = each.answer.output, cm.settings.loop.tenant
            source = SourceText(text, each.answer.source_model, tenant, each.answer.origin)
            extracted.append((source, each.result))
    kept.witnessed += await cm.engine.keep(extracted, mark=mark, count=count)


def tell(kept: Kept, *, as_json: bool) -> None:
    """Say what a run has done; of millions of answers there is no table."""
    for each in kept.failed:
        err.print(plain(f"{each.answer.origin}: {each.error}"), style="yellow")
    if as_json:
        print_json(
            {
                "answers": kept.answers,
                "insights": kept.insights,
                "witnessed": kept.witnessed,
                "shards": kept.shards,
                "resumed_shards": kept.resumed,
                "failed": len(kept.failed),
            }
        )
        return
    if kept.resumed:
        err.print(f"{kept.resumed} of {kept.shards} parts were done before the interruption")
    out.print(
        f"{kept.insights} insights from {kept.answers} answers, {kept.witnessed} of them new; "
        "crossmodel insights list shows them"
    )


def _extraction(settings: Settings, source_model: str) -> Extraction:
    from crossmodel.assembly import ExtractionJob, build_extractor

    if settings.insight_extractor.model_assisted.model:
        raise InvalidInputError(
            "extraction that asks a model keeps within its budget on one machine: leave out "
            "--assisted, insight_extractor.model_assisted or --engine"
        )
    job = ExtractionJob.of(build_extractor(settings))
    return Extraction(job, source_model, made_by(job))


def _digest(files: Iterable[File], extraction: Extraction, tenant: str) -> str:
    """What a run is known again by: the files as they are now, and what is made of them."""
    told = [(file.path, file.size, file.modified_ns) for file in files]
    of = f"{SHARD_BYTES}\x1f{tenant}\x1f{extraction.source_model}\x1f{extraction.made}\x1f{told!r}"
    return blake2b(of.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
