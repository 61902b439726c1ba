"""Where a command's settings come from."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DEFAULT_CONFIG: Final = "crossmodel.toml"


def config_source(config: Path | None) -> Path | None:
    """The settings file that was named, or the one that lies here."""
    if config is None and Path(DEFAULT_CONFIG).is_file():
        return Path(DEFAULT_CONFIG)
    return config
