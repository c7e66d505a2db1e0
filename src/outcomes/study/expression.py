"""Population expressions: comparisons over columns, parsed, never evaluated as code.

The grammar is that of Python's comparisons joined by ``and``, ``or`` and ``not``:
``RANDFL == 'Y' and AGE >= 18`` or ``SEX in ['F', 'M']``. A column stands on the left,
a constant on the right. Nothing else parses: no call, attribute, index or arithmetic.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcomes.errors import DataError, SpecError, one_of

if TYPE_CHECKING:
    import pandas as pd

_LIMIT = 2000
_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: the ``comparisons`` are pairs of column and constant."""

    source: str
    tree: ast.expr
    comparisons: tuple[tuple[str, str | int | float], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it reads, each once."""
        return tuple(dict.fromkeys(name for name, _ in self.comparisons))


def parse(source: str) -> Expression:
    """Parse an expression.

    Raises
    ------
    SpecError
        If it is anything but comparisons of columns with constants joined by and,
        or, not.
    """
    if len(source) > _LIMIT:
        raise SpecError(f"an expression may have {_LIMIT} characters at most.")
    try:
        tree = ast.parse(source.strip(), mode="eval").body
        comparisons = tuple(_comparisons(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        hint = " Equality is written ==, as in RANDFL == 'Y'." * _single(source)
        raise SpecError(
            f"'{source}' cannot be read as an expression.{hint}"
        ) from problem
    return Expression(source, tree, comparisons)


def _single(source: str) -> bool:
    """Say whether a single = stands outside quotes."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "''", source)
    return re.search(r"(?<![=!<>])=(?!=)", bare) is not None


def _comparisons(node: ast.expr) -> Iterator[tuple[str, str | int | float]]:
    match node:
        case ast.BoolOp(values=values):
            for value in values:
                yield from _comparisons(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _comparisons(operand)
        case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[right]):
            if type(op) not in _OPERATORS:
                raise SpecError(
                    f"'{ast.unparse(node)}': compare with one of "
                    f"{' '.join(_OPERATORS.values())}."
                )
            value = _constant(right, many=isinstance(op, ast.In | ast.NotIn))
            for constant in value if isinstance(value, list | tuple) else [value]:
                yield name, constant
        case _:
            raise SpecError(
                f"'{ast.unparse(node)}' is not allowed: an expression compares a "
                "column with a constant (RANDFL == 'Y') and joins with and, or, not."
            )


def _constant(node: ast.expr, *, many: bool) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError) as problem:
        raise SpecError(
            f"'{ast.unparse(node)}' is not a constant: a text in quotes, a number, or "
            "after 'in' a list of them."
        ) from problem
    parts = value if many else [value]
    if not isinstance(parts, list | tuple) or not all(
        isinstance(part, str | int | float) and not isinstance(part, bool)
        for part in parts
    ):
        kind = "a list of texts or numbers" if many else "a text or a number"
        raise SpecError(f"'{ast.unparse(node)}' should be {kind}.")
    return value


def select(expression: Expression, frame: pd.DataFrame) -> pd.Series[bool]:
    """Say for each row whether the expression holds.

    A comparison with an absent value (``''`` or null) does not hold, except
    ``== ''`` and ``!= ''``, which ask for absence itself.

    Raises
    ------
    DataError
        A column the frame does not have, or a text compared with a number.
    """
    return _evaluate(expression.tree, frame)


def _evaluate(node: ast.expr, frame: pd.DataFrame) -> pd.Series[bool]:
    match node:
        case ast.BoolOp(op=op, values=values):
            parts = [_evaluate(value, frame) for value in values]
            out = parts[0]
            for part in parts[1:]:
                out = out & part if isinstance(op, ast.And) else out | part
            return out
        case ast.UnaryOp(operand=operand):
            return ~_evaluate(operand, frame)
        case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[right]):
            many = isinstance(op, ast.In | ast.NotIn)
            value = _constant(right, many=many)
            return _compare(frame, name, _OPERATORS[type(op)], value)
    raise SpecError(f"'{ast.unparse(node)}' is not allowed in an expression.")


def _compare(
    frame: pd.DataFrame, name: str, operator: str, value: Any
) -> pd.Series[bool]:
    import operator as op

    if name not in frame.columns:
        raise DataError(one_of(name, map(str, frame.columns), name="column"))
    column = frame[name]
    numeric = column.dtype.kind in "iufb"
    constants = list(value) if isinstance(value, list | tuple) else [value]
    for constant in constants:
        if isinstance(constant, str) == numeric:
            kind = "a number" if numeric else "text"
            raise DataError(f"{name} is {kind}; it cannot be compared with {value!r}.")
    if operator in ("in", "not in"):
        inside: pd.Series[bool] = column.isin(constants).astype(bool)
        present = column.notna() if numeric else column != ""
        return inside if operator == "in" else ~inside & present
    compare = {
        "==": op.eq,
        "!=": op.ne,
        "<": op.lt,
        "<=": op.le,
        ">": op.gt,
        ">=": op.ge,
    }[operator]
    held: pd.Series[bool] = compare(column, value).fillna(False).astype(bool)
    if value != "":
        held &= column.notna() if numeric else column != ""
    return held
