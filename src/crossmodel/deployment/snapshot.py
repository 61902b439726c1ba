"""The settings of a deployment, as they are when it is made: what runs does not change with a file.

An instance that is started again, in a week, reads what its deployment was made with.
"""

from __future__ import annotations

from pathlib import Path

from crossmodel.domain.operations import DEFAULT_CONFIG
from crossmodel.errors import ConfigurationError
from crossmodel.settings import Settings, load_settings


def settings_at(path: Path) -> Settings:
    """The settings of a file; the built-in ones where there is none of the default name.

    Raises:
        ConfigurationError: if there is no such file, or it cannot be used.
    """
    return load_settings(None if _is_left_out(path) else path)


def read_settings(path: Path) -> bytes:
    """The text of a settings file that can be used; nothing where there is none, as above.

    Raises:
        ConfigurationError: likewise.
    """
    settings_at(path)
    try:
        return b"" if _is_left_out(path) else path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error


def _is_left_out(path: Path) -> bool:
    return path.name == DEFAULT_CONFIG and not path.exists()
