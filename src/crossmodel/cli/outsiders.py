"""``crossmodel log cosign``, ``attach`` and ``stamp``: others say what they have seen of the log.

Nothing here asks a network: files go to outsiders, and come back, by whatever way suits them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    read_file,
    read_text,
    refusing,
    run_async,
    write_file,
)
from crossmodel.cli.source import config_source
from crossmodel.errors import InvalidInputError

TrustOption = Annotated[
    Path | None, typer.Option(help="A trust file of this log that names the outsider.")
]


def cosign(
    checkpoint: Annotated[Path, typer.Argument(help="The log's checkpoint, as log root --out.")],
    trust: Annotated[Path, typer.Option(help="The log's keys that you believe.")],
    name: Annotated[str, typer.Option(help="What you call yourself, such as watcher.example.")],
    key: Annotated[Path, typer.Option(help="Your Ed25519 key, PKCS#8 in PEM, for this alone.")],
    previous: Annotated[
        Path | None, typer.Option(help="The checkpoint of this log that you signed last.")
    ] = None,
    proof: Annotated[
        Path | None,
        typer.Option(help="That the one extends the other: what log consistency --out wrote."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--out", help="Where your line goes; or standard output.")
    ] = None,
    passphrase_env: Annotated[
        str, typer.Option(help="The environment variable with the passphrase of your key.")
    ] = "CROSSMODEL_KEY_PASSPHRASE",  # noqa: S107 - a variable's name
    json: JsonOption = False,
) -> None:
    """As an outsider, sign another's checkpoint, if it extends what you signed before.

    Needs no settings and no store. Exit code 0 signed, 1 refused. Keep each checkpoint that you
    signed: it is --previous the next time, and two that do not extend each other must not both be
    signed.
    """
    from crossmodel import auditing

    passphrase = os.environ.get(passphrase_env) or None
    note, before = read_text(checkpoint), read_text(previous) if previous else None
    shown = read_file(proof) if proof else None
    with refusing():
        line = auditing.cosign(
            note,
            trust=read_file(trust),
            name=name,
            key=key,
            passphrase=passphrase,
            previous=before,
            proof=shown,
        )
    if file is not None:
        write_file(file, f"{line}\n".encode())
    if json:
        print_json({"name": name, "line": line, "out": str(file) if file else None})
    elif file is None:
        sys.stdout.write(f"{line}\n")
    if previous is None:
        err.print(plain(f"signed as the first of this log; keep {checkpoint} for --previous"))


def attach(
    lines: Annotated[
        Path, typer.Argument(metavar="LINE-FILE", help="A cosigner's line, or several.")
    ],
    size: Annotated[
        int | None,
        typer.Option(help="Which checkpoint it is over; with --trust the latest that it fits."),
    ] = None,
    trust: TrustOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Keep cosigners' lines with the checkpoints that they signed; log root then shows them.

    With --trust they are verified first. Exit code 0 kept, 1 refused.
    """
    from crossmodel.assembly import CrossModel

    text, keys = read_text(lines), read_file(trust) if trust else None

    async def work() -> list[tuple[str, int]]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.attach_cosignatures(text, trust=keys, size=size)

    with refusing():
        kept = run_async(work())
    if json:
        print_json([{"name": name, "size": at} for name, at in kept])
        return
    for name, at in kept:
        out.print(plain(f"the checkpoint of {at} records bears a line of {name}"), soft_wrap=True)


def stamp(
    request: Annotated[
        Path | None,
        typer.Option(metavar="OUT.tsq", help="Write the request (RFC 3161) over the latest head."),
    ] = None,
    response: Annotated[
        Path | None,
        typer.Option(metavar="IN.tsr", help="Keep the authority's answer with its checkpoint."),
    ] = None,
    trust: TrustOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Have a time-stamp authority say when a checkpoint existed: ask, then keep the answer.

    Exit code 0 done, 1 the answer is refused.
    """
    from crossmodel.assembly import CrossModel

    if (request is None) == (response is None):
        raise InvalidInputError("say either --request or --response")

    async def ask() -> tuple[int, bytes]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.timestamp_request()

    async def keep(answer: bytes, keys: bytes) -> tuple[str, int]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.attach_timestamp(answer, trust=keys)

    if request is not None:
        size, query = run_async(ask())
        write_file(request, query)
        said = {"size": size, "request": str(request)}
        told = f"{request} asks for a time-stamp over the checkpoint of {size} records"
    else:
        assert response is not None
        if trust is None:
            raise InvalidInputError(
                "--trust is needed: crossmodel keys trust --authority writes it"
            )
        with refusing():
            name, size = run_async(keep(read_file(response), read_file(trust)))
        said = {"name": name, "size": size}
        told = f"the checkpoint of {size} records bears a time-stamp by {name}"
    if json:
        print_json(said)
    else:
        out.print(plain(told), soft_wrap=True)
