"""Whether a text is Python, by Python's own parser; nothing is ever run."""

from __future__ import annotations

import ast
import textwrap
import threading
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

PYTHON_NAMES: Final = frozenset({"python", "py", "python3", "py3"})
_MAX_PARSED: Final = 100_000
"""Characters; the parser takes about 100 bytes of memory for each."""
_WARNINGS: Final = threading.Lock()
"""Warning filters are global: two threads that change and restore them would mix them up."""


class Program(NamedTuple):
    """Python that parses: what it defines at top level, and the packages that it imports."""

    defines: tuple[str, ...]
    imports: tuple[str, ...]
    statements: int


@lru_cache(maxsize=16)
def parsed(source: str) -> Program | None:
    """``source`` as a program, or ``None`` if it does not parse or is too long to try."""
    if len(source) > _MAX_PARSED:
        return None
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the author's invalid escapes are not the reader's
        try:
            tree = ast.parse(textwrap.dedent(source) if source[:1].isspace() else source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = tuple(node.name for node in tree.body if isinstance(node, defined))
    return Program(names, tuple(dict.fromkeys(_imported(tree))), len(tree.body))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
