"""One model's lessons, every model's answers.

Everything public is importable from here; ``__init__.pyi`` lists it. Names load when they are
first used (PEP 562), so ``import crossmodel`` costs next to nothing.
"""

import importlib
from pathlib import Path
from typing import Any

__version__ = "0.1.0"


def _listed() -> dict[str, str]:
    """Module of each public name, as the stub's ``from .module import name as name`` lines say."""
    lines = Path(__file__).with_suffix(".pyi").read_text("utf-8").splitlines()
    imports = [line.split() for line in lines if line.startswith("from ")]
    return {words[3]: words[1] for words in imports}


_MODULE_OF = _listed()

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - read off the stub


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULE_OF[name]
    if module == ".":
        return importlib.import_module(f".{name}", __name__)
    value = getattr(importlib.import_module(module, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
