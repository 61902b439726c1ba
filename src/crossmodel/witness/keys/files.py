"""Keys in files: made whole or not at all, encrypted where there is a passphrase."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Final

from crossmodel.errors import WitnessError
from crossmodel.witness.keys.pairs import (
    ED25519,
    RSA_2048,
    FileSigner,
    KeyPair,
    load_signer,
)

KEY_FILES: Final = {RSA_2048: "rsa.pem", ED25519: "ed25519.pem"}

_GENERATION = re.compile(r"generation-([1-9][0-9]{0,8})", re.ASCII)


def generation_folder(folder: Path, number: int) -> Path:
    """Where a key folder keeps its keys after that many generations; the first lies in itself."""
    return folder if number == 1 else folder / f"generation-{number}"


def newest_generation(folder: Path) -> int:
    """The number of the keys in use, from 1.

    One rename makes a generation the newest, so there is no moment without keys, and none at which
    a reader could get one key of each generation.

    Raises:
        OSError: if the folder cannot be read.
    """
    found = (_GENERATION.fullmatch(path.name) for path in folder.iterdir())
    return max((int(each[1]) for each in found if each is not None), default=1)


def load_keys(folder: Path, passphrase: str | None) -> tuple[int, KeyPair]:
    """The keys in use of a key folder, and the number of their generation.

    Raises:
        OSError: if there are none, or they cannot be read.
        WitnessError: for a wrong passphrase, a damaged file, or a key outside of our policy.
    """
    while True:
        number = newest_generation(folder)
        try:
            return number, load_pair(generation_folder(folder, number), passphrase)
        except (FileNotFoundError, WitnessError):
            # they may have been destroyed for newer ones while they were read
            if newest_generation(folder) == number:
                raise


def load_pair(folder: Path, passphrase: str | None) -> KeyPair:
    """The two keys whose files lie in exactly this folder.

    Raises:
        OSError: if a file cannot be read.
        WitnessError: for a wrong passphrase, a damaged file, or a key outside of our policy.
    """
    rsa_path, ed25519_path = (folder / KEY_FILES[name] for name in (RSA_2048, ED25519))
    return KeyPair(
        load_signer(rsa_path.read_bytes(), rsa_path.name, RSA_2048, passphrase),
        load_signer(ed25519_path.read_bytes(), ed25519_path.name, ED25519, passphrase),
    )


def create_keys(folder: Path, passphrase: str | None) -> None:
    """Make two keys in ``folder``, which is there whole or not at all; old keys are left alone.

    It is made aside, forced to disk and moved into place, so a crash leaves no half-written key,
    and of two processes that start at once the later one reads what the earlier one made.

    Raises:
        OSError: if it cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    aside.mkdir(mode=0o700)
    try:
        pair = KeyPair.generate()
        for algorithm, signer in ((RSA_2048, pair.rsa), (ED25519, pair.ed25519)):
            assert isinstance(signer, FileSigner)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(aside / KEY_FILES[algorithm], flags, 0o600), "wb") as file:
                file.write(signer.pem(passphrase))
                file.flush()
                os.fsync(file.fileno())
        sync_folder(aside)
        aside.rename(folder)
        sync_folder(folder.parent)
    except OSError:
        if not folder.is_dir():  # else another process was faster: its keys are the keys
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk: a signed head must not outlive its keys."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
