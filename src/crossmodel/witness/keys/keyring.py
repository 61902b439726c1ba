"""Where a log's private keys are: in this process alone, or in a folder that processes share.

A key folder holds the first generation's two files; later generations lie in ``generation-2`` and
so on below it, and only the newest one's keys are still there. ``next`` holds keys that the log may
not know yet. A rotation makes ``next``, appends its record, signs the handover head, and renames
``next``: that one step puts the new keys in use. Only then are the old ones destroyed.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from crossmodel.domain.witness import LogKey
from crossmodel.errors import WitnessError
from crossmodel.witness.keys.files import (
    KEY_FILES,
    create_keys,
    generation_folder,
    load_keys,
    load_pair,
    newest_generation,
    sync_folder,
)
from crossmodel.witness.keys.pairs import PKCS8_ENCRYPTED, RSA_2048, KeyPair
from crossmodel.witness.keys.trust import Trust, TrustedKey

NEXT: Final = "next"


class Keyring(Protocol):
    """Whoever has a log's private keys."""

    def current(self) -> KeyPair:
        """The keys in use, as they are now: another process may have rotated them."""
        ...

    def upcoming(self) -> KeyPair | None:
        """The keys of a rotation that is under way."""
        ...


@dataclass(frozen=True, slots=True)
class FixedKeys:
    """Keys that are held in this process, or by a service, and not rotated by us."""

    pair: KeyPair

    def current(self) -> KeyPair:
        """The keys."""
        return self.pair

    def upcoming(self) -> KeyPair | None:
        """None are."""
        return None


class FolderKeyring:
    """The keys of a folder, made there if it does not exist.

    Args:
        folder: where the keys are.
        passphrase: what they are encrypted with; ``None`` if they are not.

    Raises:
        WitnessError: if they cannot be read (a wrong passphrase, a missing file) or written.
    """

    def __init__(self, folder: Path, *, passphrase: str | None = None) -> None:
        self.folder = folder
        self._passphrase = passphrase
        with _explained(folder):
            if not folder.exists():
                create_keys(folder, passphrase)
            self._current = load_keys(folder, passphrase)

    def current(self) -> KeyPair:
        """The keys in use; read again if another process has put newer ones there."""
        number, pair = self._current
        try:
            if newest_generation(self.folder) == number:
                return pair
        except OSError:  # the folder is gone for now: the keys that were read are still ours
            return pair
        with _explained(self.folder):
            self._current = load_keys(self.folder, self._passphrase)
        return self._current[1]

    def upcoming(self) -> KeyPair | None:
        """The keys that a rotation has made and not yet put in use, read anew each time."""
        try:
            return load_pair(self.folder / NEXT, self._passphrase)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WitnessError(f"cannot read {self.folder / NEXT}: {error.strerror}") from error

    def prepare(self) -> KeyPair:
        """Make the next generation's keys and force them to disk; call it under the lock.

        Raises:
            WitnessError: if they cannot be written.
        """
        with _explained(self.folder):
            create_keys(self.folder / NEXT, self._passphrase)
            return load_pair(self.folder / NEXT, self._passphrase)

    def promote(self) -> None:
        """Put the next generation in use and destroy the one before; call it under the lock."""
        with _explained(self.folder):
            number = newest_generation(self.folder) + 1
            (self.folder / NEXT).rename(generation_folder(self.folder, number))
            sync_folder(self.folder)
        self.tidy()

    def discard(self) -> None:
        """Destroy keys that no log knows; call it under the lock."""
        with _explained(self.folder):
            # under its own name it is whole or not there, whenever this ends
            (self.folder / NEXT).rename(self.folder / f".{NEXT}.{secrets.token_hex(8)}")
        self.tidy()

    def tidy(self) -> None:
        """Destroy replaced keys and unused new ones; call it under the lock."""
        with _explained(self.folder):
            for path in self._leftovers():
                _destroy(path)

    def is_settled(self) -> bool:
        """Whether nothing is left of a rotation."""
        with _explained(self.folder):
            return not (self.folder / NEXT).exists() and not self._leftovers()

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Keep others from changing the folder; gives ``False`` if somebody else is doing so."""
        import fcntl  # noqa: PLC0415 - readers run where there is none

        with _explained(self.folder):
            descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_ours = True
            except BlockingIOError:
                is_ours = False
            yield is_ours
        finally:
            os.close(descriptor)

    def describe(self, trust: Trust) -> list[LogKey]:
        """The trusted keys of the log, and the files of those that lie here."""
        with _explained(self.folder):
            used = generation_folder(self.folder, newest_generation(self.folder))
            paths = {
                signer.public: used / KEY_FILES[signer.public.algorithm]
                for signer in self.current().signers(RSA_2048)
            }
            return [_describe(each, paths.get(each.key)) for each in trust.keys]

    def _leftovers(self) -> list[Path]:
        newest = newest_generation(self.folder)
        first = [self.folder] if newest > 1 and any(_key_files(self.folder)) else []
        later = (generation_folder(self.folder, number) for number in range(2, newest))
        aside = self.folder.glob(f".{NEXT}.*")
        return [*first, *(path for path in later if path.exists()), *aside]


def load_or_create_keys(folder: Path, *, passphrase: str | None = None) -> KeyPair:
    """The keys in use of those kept in ``folder``; made there if it does not exist.

    Raises:
        WitnessError: if they cannot be read (a wrong passphrase, a missing file) or written.
    """
    return FolderKeyring(folder, passphrase=passphrase).current()


def _key_files(folder: Path) -> Iterator[Path]:
    for name in KEY_FILES.values():
        if (folder / name).exists():
            yield folder / name


def _describe(trusted: TrustedKey, path: Path | None) -> LogKey:
    key, sizes = trusted.key, (trusted.from_size, trusted.to_size)
    if path is None:
        return LogKey(key.algorithm, key.key_id, *sizes)
    with path.open("rb") as file:
        is_encrypted = file.read(len(PKCS8_ENCRYPTED)) == PKCS8_ENCRYPTED
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    return LogKey(key.algorithm, key.key_id, *sizes, str(path), is_encrypted, mode)


def _destroy(folder: Path) -> None:
    """Overwrite and remove a generation's keys.

    Disks that write elsewhere than they are told may keep the old bytes: a passphrase is what
    protects those.
    """
    for path in _key_files(folder):
        _overwrite(path)
        path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
        sync_folder(folder.parent)
    else:  # the first generation lies in the key folder itself
        sync_folder(folder)


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WitnessError(f"cannot keep keys in {folder}: {error.strerror}") from error
