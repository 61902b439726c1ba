"""Python in answers, by Python's own parser; nothing is ever run."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator
from typing import Final

_DEFINED: Final = re.compile(r"^(?:async )?def (\w+)\(", re.MULTILINE)
_FENCED: Final = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MAX_PARSED: Final = 100_000
"""Characters; the parser takes about 100 bytes of memory for each."""


def parse(source: str) -> ast.Module | None:
    """``source`` as a module, or ``None`` if it is no Python or is too long to try."""
    if len(source) > _MAX_PARSED:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the author's invalid escapes are not the reader's
        try:
            return ast.parse(textwrap.dedent(source).strip("\n"))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def function_of(answer: str, prompt: str) -> str | None:
    """The whole answer, or the fenced block in it, that defines the prompt's last function."""
    names: list[str] = _DEFINED.findall(prompt)
    blocks: list[str] = _FENCED.findall(answer)
    for source in (answer, *blocks) if names else ():
        if _definition(source, names[-1]) is not None:
            return f"{names[-1]}\n{source}"
    return None


def is_same_function(source: str, stated: str | None) -> bool:
    """Whether ``source`` defines the function as ``stated``, a result of `function_of`, does."""
    name, _, said = (stated or "").partition("\n")
    mine, theirs = (_definition(each, name) for each in (source, said))
    return mine is not None and mine == theirs


def is_same(source: str, stated: str | None) -> bool:
    """Whether both are the same program, layout and comments aside; one of no code is none."""
    mine, theirs = (
        _dumped(tree) if tree is not None and tree.body else None
        for tree in (parse(source), parse(stated or ""))
    )
    return mine is not None and mine == theirs


def bare_program(answer: str) -> str | None:
    """The answer if all of it is Python that defines something."""
    if "```" in answer or not _DEFINED.search(answer):
        return None
    return answer.strip() if parse(answer) is not None else None


def _definition(source: str, name: str) -> str | None:
    tree = parse(source)
    return next((_dumped(node) for node in _functions(tree) if node.name == name), None)


def _dumped(tree: ast.AST) -> str | None:
    try:
        return ast.dump(tree)
    except RecursionError:
        return None


def _functions(tree: ast.Module | None) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
