"""The game of 24: an expression of the given numbers, each used once, that makes 24."""

# ruff: noqa: RUF001 - the look-alike characters are what models write

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

_PLAIN: Final = str.maketrans(
    {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "`": " ", "$": " "}
)
_EXPRESSION: Final = re.compile(r"[\d(][\d\s()+*/.-]*[\d)]|\d")
_GIVEN: Final = re.compile(r":\s*(\d+(?:[\s,]+\d+)+)\s*$")
_MAX_LENGTH: Final = 200
_OPERATORS: Final[Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def is_won(text: str, prompt: str, target: str) -> bool:
    """Whether the first expression in ``text`` makes ``target``.

    Where the prompt ends in a list of numbers, it must use exactly these.
    """
    found = _EXPRESSION.search(text[:_MAX_LENGTH].translate(_PLAIN))
    if found is None:
        return False
    try:
        tree = ast.parse(found.group().strip(), mode="eval").body
        is_hit = _value(tree) == Fraction(target)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        return False
    given = _GIVEN.search(prompt)
    if given is not None:
        used = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        if sorted(map(str, used)) != sorted(re.findall(r"\d+", given.group(1))):
            return False
    return is_hit


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    raise ValueError(f"no arithmetic: {type(node).__name__}")
