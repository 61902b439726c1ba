"""Files in folders and object stores: what is there, and its bytes.

A path is read as ever. A URI, such as ``s3://bucket/folder``, is read by the file systems of Apache
Arrow, which find their credentials where those of the cloud look for them.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from crossmodel.errors import InvalidInputError, MissingExtraError, NotFoundError
from crossmodel.extraction.logs import files_in, is_read

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem


@dataclass(frozen=True, slots=True)
class File:
    """A file as any machine finds it that sees the same folders.

    Attributes:
        path: where it is.
        name: what it is called, for people.
        size: in bytes.
        modified_ns: when it was last changed, in nanoseconds since 1970, as its store tells.
        store: the URI that leads to its file system; empty where that is the machine's own. It may
            hold a secret, so it is not shown.
    """

    path: str
    name: str
    size: int
    modified_ns: int = 0
    store: str = ""

    def __repr__(self) -> str:
        return f"<File {self.name}>"

    def open(self) -> BinaryIO:
        """Its bytes, from the first on.

        Raises:
            OSError: if it cannot be read.
        """
        if not self.store:
            return Path(self.path).open("rb")
        file = _file_system(self.store).open_input_file(self.path)
        return cast("BinaryIO", io.BufferedReader(file))  # Arrow's files lack readline


def is_uri(source: str) -> bool:
    """Whether ``source`` is a URI, and no path."""
    return "://" in source


def find_files(source: str, wanted: Callable[[str], bool] = is_read) -> list[File]:
    """The file itself, or those of a folder and below it with a wanted name, in order of name.

    Raises:
        NotFoundError: if there is no such file or folder.
        InvalidInputError: if the place cannot be reached.
        MissingExtraError: if it takes Apache Arrow, and that is not installed.
    """
    if is_uri(source):
        return _find_in_store(source, wanted)
    return [_local(path) for path in files_in(Path(source), wanted)]


def _local(path: Path) -> File:
    stat = path.stat()
    return File(str(path.resolve()), path.name, stat.st_size, stat.st_mtime_ns)


def _find_in_store(uri: str, wanted: Callable[[str], bool]) -> list[File]:
    shown = _without_secrets(uri)
    try:
        from pyarrow import ArrowException  # noqa: PLC0415 - part of an extra
        from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError(f"reading {shown}", "ray") from None
    try:
        system, path = _located(uri)
        root = system.get_file_info(path)
        if root.type == FileType.NotFound:
            raise NotFoundError(f"there is no file or folder {shown}")
        if root.type == FileType.File:
            return [_remote(root, uri)]
        below = system.get_file_info(FileSelector(path, recursive=True))
    except (ArrowException, OSError) as error:
        raise InvalidInputError(f"cannot read {shown}: {error}".replace(uri, shown)) from None
    files = [each for each in below if each.type == FileType.File and wanted(each.base_name)]
    files.sort(key=lambda each: PurePosixPath(each.path).parts)
    return [_remote(each, uri) for each in files]


def _remote(info: FileInfo, uri: str) -> File:
    return File(info.path, info.base_name, info.size, info.mtime_ns or 0, uri)


def _located(uri: str) -> tuple[FileSystem, str]:
    from pyarrow.fs import FileSystem  # noqa: PLC0415 - part of an extra

    system, path = FileSystem.from_uri(uri)
    return system, path


@functools.cache
def _file_system(uri: str) -> FileSystem:
    return _located(uri)[0]


def _without_secrets(uri: str) -> str:
    """A URI as it may be shown: without user, password and options."""
    scheme, _, rest = uri.partition("://")
    place = rest.partition("?")[0]
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
