"""The settings of a deployment, as they are when it is made: what runs does not change with a file.

An instance that is started again, in a week, reads what its deployment was made with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from crossmodel.errors import ConfigurationError
from crossmodel.settings import load_settings

DEFAULT: Final = "crossmodel.toml"


def read_settings(path: Path) -> bytes:
    """A settings file's text, looked through; nothing where there is none of the default name.

    Raises:
        ConfigurationError: if there is no such file, or it cannot be used.
    """
    if path.name == DEFAULT and not path.exists():
        return b""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    load_settings(path)
    return text
