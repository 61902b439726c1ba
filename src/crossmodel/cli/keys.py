"""``crossmodel keys``: the keys that sign the log, from their making to their replacement.

A passphrase comes from the environment alone: the command line of a process is no secret.
"""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from contextlib import ExitStack
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
    print_table,
    read_file,
    refusing,
    replacing,
    run_async,
    write_file,
)
from crossmodel.cli.source import config_source
from crossmodel.domain.witness import LogKey
from crossmodel.errors import InvalidInputError, NotFoundError
from crossmodel.settings import Settings, load_settings

OutOption = Annotated[
    Path | None, typer.Option("--out", help="Where to write it; standard output if left out.")
]

app = typer.Typer(help="Make, rotate and list the keys that sign the log.", no_args_is_help=True)


@app.command()
def new(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Make the log's first keys. Keys that are there are never overwritten."""
    from crossmodel.assembly import create_keys

    settings = load_settings(config_source(config))
    _show(create_keys(settings), settings, json)


@app.command()
def rotate(
    evidence: Annotated[
        Path | None, typer.Option(help="Where to write what verifiers need to accept it.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Go on with new keys; the log says so, signed by both, and the old private keys go."""
    from crossmodel.assembly import CrossModel

    settings = _with_keys(config)

    async def work() -> tuple[int, list[LogKey]]:
        async with CrossModel(settings, with_models=False) as cm:
            with ExitStack() as stack:
                # a file that cannot be written is noticed before anything is done
                file = stack.enter_context(replacing(evidence)) if evidence else None
                leaf = await cm.rotate_keys()
                if file:
                    file.write(await cm.rotation_evidence(leaf))
            return leaf, await cm.keys()

    leaf, keys = run_async(work())
    if json:
        print_json({"rotation": leaf, "keys": [key.to_dict() for key in keys]})
    else:
        out.print(plain(f"the keys were rotated; the log says so in record {leaf}"))
        out.print("hand out the new trust file, or the evidence: crossmodel keys accept")
    _warn(keys, settings)


@app.command("list")
def list_keys(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the keys of all generations, with the sizes of trees that they sign."""
    from crossmodel.assembly import CrossModel

    settings = _with_keys(config)

    async def work() -> list[LogKey]:
        async with CrossModel(settings, with_models=False) as cm:
            return await cm.keys()

    _show(run_async(work()), settings, json)


@app.command()
def trust(
    cosigner: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PUBLIC.pem",
            help="An outsider who signs checkpoints, and its Ed25519 public key; may be repeated.",
        ),
    ] = None,
    cosignatures_needed: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="How many of them must have signed the latest checkpoint; or all."
        ),
    ] = None,
    authority: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=CERT.pem",
            help="A time-stamp authority, and its root certificate; may be repeated.",
        ),
    ] = None,
    to: OutOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write the trust file: hand it to verifiers by a way that they trust.

    It may name outsiders, without whose word verifiers will not believe the log.
    """
    from crossmodel.assembly import CrossModel

    settings = _with_keys(config)
    cosigners, authorities = _named("--cosigner", cosigner), _named("--authority", authority)

    async def work() -> bytes:
        async with CrossModel(settings, with_models=False) as cm:
            return cm.trust_file(
                cosigners=cosigners,
                cosignatures_needed=cosignatures_needed,
                authorities=authorities,
            )

    _write_trust(run_async(work()), to, json)


@app.command()
def evidence(
    rotation: Annotated[int, typer.Argument(help="The record that rotated the keys.")],
    to: OutOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write a rotation's evidence, for those who trust the keys before it."""
    from crossmodel.assembly import CrossModel

    settings = _with_keys(config)

    async def work() -> bytes:
        async with CrossModel(settings, with_models=False) as cm:
            return await cm.rotation_evidence(rotation)

    write_file(to, run_async(work()))
    if json and to is not None:
        print_json({"rotation": rotation, "out": str(to)})


@app.command()
def accept(
    evidence: Annotated[Path, typer.Argument(help="The evidence of a rotation.")],
    trust: Annotated[Path, typer.Option(help="The keys that you believe so far.")],
    to: Annotated[Path, typer.Option("--out", help="Where to write what to believe from now on.")],
    json: JsonOption = False,
) -> None:
    """Accept a rotation by keys that you trust, offline. Exit code 0 accepted, 1 refused."""
    from crossmodel.auditing import accept_rotation

    with refusing():
        data = accept_rotation(read_file(evidence), trust=read_file(trust))
    _write_trust(data, to, json)


def _with_keys(config: Path | None) -> Settings:
    """The settings, if there are keys: looking at them must not make any."""
    settings = load_settings(config_source(config))
    witness = settings.witness
    if witness.needs_folder and not Path(witness.key_dir).is_dir():
        raise NotFoundError(
            f"there are no keys in {witness.key_dir}: crossmodel keys new makes them"
        )
    return settings


def _write_trust(data: bytes, to: Path | None, json: bool) -> None:
    write_file(to, data)
    if to is None:
        return
    document = jsons.loads(data)
    keys = len(document["keys"])
    if json:
        print_json({"out": str(to), "origin": document["origin"], "keys": keys})
    else:
        out.print(plain(f"{to}: {keys} keys of the log {document['origin']}"))


def _show(keys: Sequence[LogKey], settings: Settings, json: bool) -> None:
    if json:
        print_json(
            {
                "origin": settings.witness.origin,
                "folder": str(Path(settings.witness.key_dir).resolve()),
                "keys": [key.to_dict() for key in keys],
            }
        )
    else:
        print_table(
            f"Keys of the log {settings.witness.origin}, in {settings.witness.key_dir}",
            ("algorithm", "key id", "from size", "to size", "rotation", "current", "file", "mode",
             "encrypted"),
            (
                (key.algorithm, key.key_id, key.from_size, _or_nothing(key.to_size),
                 _or_nothing(key.rotation), _yes(key.is_current), _where(key),
                 "" if key.mode is None else f"{key.mode:04o}",
                 "" if key.is_encrypted is None else _yes(key.is_encrypted))
                for key in keys
            ),
        )  # fmt: skip
    _warn(keys, settings)


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _where(key: LogKey) -> str:
    return key.path or ("elsewhere" if key.is_current else "destroyed")


def _or_nothing(number: int | None) -> str:
    return "" if number is None else str(number)


def _warn(keys: Sequence[LogKey], settings: Settings) -> None:
    if any(key.is_encrypted is False for key in keys):
        err.print(
            plain(
                "warning: the private keys are not encrypted: whoever reads their files can sign "
                f"for this log; {settings.witness.passphrase_env} must hold a passphrase when keys "
                "are made"
            )
        )
    for key in keys:
        if not key.is_private:
            err.print(plain(f"warning: others may read or write {key.path}: chmod 600 it"))


def _named(option: str, given: Sequence[str] | None) -> dict[str, bytes]:
    """What stands in the files of ``NAME=FILE``."""
    pairs = [each.partition("=") for each in given or ()]
    if not all(name and path for name, _, path in pairs):
        raise InvalidInputError(f"{option} is NAME=FILE")
    if len({name for name, *_ in pairs}) < len(pairs):
        raise InvalidInputError(f"{option}: a name stands twice")
    return {name: read_file(Path(path)) for name, _, path in pairs}
