"""``crossmodel log``: what others need to check the log: its head, proofs, and the whole of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer
from rich.progress import Progress

from crossmodel.cli import outsiders
from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    replacing,
    run_async,
    write_file,
)
from crossmodel.cli.source import config_source
from crossmodel.errors import InvalidInputError

EXPORT_FILE: Final = "log.jsonl"
TRUST_FILE: Final = "trust.json"
PIN_FILE: Final = "checkpoint.txt"

_MOST_DIGITS: Final = 18
"""Longest number of a record: more is somebody's id."""

app = typer.Typer(help="The witness log: its head, proofs, exports.", no_args_is_help=True)
app.command("cosign")(outsiders.cosign)
app.command("attach")(outsiders.attach)
app.command("stamp")(outsiders.stamp)

DiscloseOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIGEST|all",
        help="Reveal this hidden value, or all that are not erased; may be repeated.",
    ),
]


@app.command()
def root(
    file: Annotated[
        Path | None,
        typer.Option("--out", help="Write the signed checkpoint: keep it, and verify against it."),
    ] = None,
    trust: Annotated[
        Path | None, typer.Option("--trust-out", help="Write the public keys for verifiers.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Print the log's size, root and signed checkpoint."""
    from crossmodel.assembly import CrossModel
    from crossmodel.domain.witness import SignedCheckpoint

    async def work() -> tuple[SignedCheckpoint, bytes]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.log_head(), cm.trust_file()

    head, keys = run_async(work())
    for path, content in ((file, head.note.encode()), (trust, keys)):
        if path is not None:
            write_file(path, content)
    if json:
        print_json({"size": head.size, "root": head.root.hex(), "checkpoint": head.note})
        return
    out.print(f"{head.size} records, root {head.root.hex()}", soft_wrap=True)
    out.print(plain(head.note), end="", soft_wrap=True)


@app.command()
def prove(
    record: Annotated[
        str,
        typer.Argument(
            metavar="LEAF|ID", help="A record's number, or a request's or insight's id."
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Option("--out", help="The evidence file; for an id a folder that gets one for each."),
    ] = None,
    disclose: DiscloseOption = None,
    tenant: Annotated[str | None, typer.Option(help="Whose id it is.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write the evidence file of a record, which anyone can verify offline."""
    from crossmodel.assembly import CrossModel

    is_leaf = record.isascii() and record.isdigit() and len(record) <= _MOST_DIGITS

    async def work() -> dict[int, bytes]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            if is_leaf:
                leaves = [int(record)]
            else:
                leaves = await cm.leaves_about(record, tenant=tenant)
            return {leaf: await cm.witness(leaf, disclose=disclose or ()) for leaf in leaves}

    if file is None and (json or not is_leaf):
        raise InvalidInputError("--out is needed: name the file, or for an id the folder")
    files = run_async(work())
    if file is None:
        sys.stdout.buffer.write(*files.values())
        return
    if is_leaf:
        written = dict.fromkeys(files, file)
    else:
        _folder(file)
        written = {leaf: file / f"record-{leaf}.json" for leaf in files}
    for leaf, path in written.items():
        write_file(path, files[leaf])
    if json:
        print_json([{"leaf": leaf, "file": str(path)} for leaf, path in written.items()])
        return
    for leaf, path in written.items():
        out.print(plain(f"record {leaf}: {path}"), soft_wrap=True)


@app.command()
def consistency(
    size1: Annotated[int, typer.Argument(help="How many records the earlier head has.")],
    size2: Annotated[
        int | None, typer.Argument(help="How many the later one has; the latest if left out.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--out", help="Write the proof as JSON.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Prove that the log was only added to between two sizes, and check that proof."""
    from crossmodel.assembly import CrossModel
    from crossmodel.domain.witness import ConsistencyProof

    async def work() -> ConsistencyProof:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.log_consistency(size1, size2)

    proof = run_async(work())
    if file is not None:
        import msgspec

        write_file(
            file, msgspec.json.format(msgspec.json.encode(proof.to_dict()), indent=2) + b"\n"
        )
    if json:
        print_json(proof.to_dict())
        return
    out.print(f"{proof.size1} records, root {proof.root1.hex()}", soft_wrap=True)
    out.print(f"{proof.size2} records, root {proof.root2.hex()}", soft_wrap=True)
    for node in proof.path:
        out.print(node.hex())
    out.print("[green]consistent[/]: the first is the beginning of the second")


@app.command()
def export(
    target: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER|FILE.jsonl", help="Where the log is written."),
    ],
    disclose: DiscloseOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write the whole log, of all tenants, for others to verify without a database.

    A folder gets the log, the public keys and the latest checkpoint; a FILE.jsonl the log alone.
    """
    from crossmodel.assembly import CrossModel
    from crossmodel.domain.witness import SignedCheckpoint

    into = target.parent if target.suffix == ".jsonl" else target
    file = target if target.suffix == ".jsonl" else target / EXPORT_FILE

    async def work(lines: BinaryIO) -> tuple[int, SignedCheckpoint, bytes]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            head = await cm.log_head()
            with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
                bar = progress.add_task("exporting", total=None)
                records = await cm.export_log(
                    lines.write,
                    disclose=disclose or (),
                    progress=lambda done, total: progress.update(bar, completed=done, total=total),
                )
            return records, head, cm.trust_file()

    _folder(into)
    with replacing(file) as lines:
        records, head, trust = run_async(work(lines))
    if into == target:
        write_file(target / TRUST_FILE, trust)
        write_file(target / PIN_FILE, head.note.encode())
    if json:
        print_json({"records": records, "file": str(file), "size": head.size})
        return
    out.print(plain(f"{records} records written to {file}"), soft_wrap=True)


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"cannot write {path}: {error.strerror}") from error
