"""What the source digest needs to know of one file: read with ``ast``, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from outcomes.errors import OutcomesError


@dataclass(frozen=True, slots=True)
class Import:
    """One import: a module, and the names taken from it (none for ``import m``)."""

    module: str
    names: tuple[str, ...]
    level: int
    line: int


@dataclass(frozen=True, slots=True)
class Outline:
    """What the digest needs to know of one source file."""

    imports: tuple[Import, ...]
    reads: tuple[str, ...]
    bound: frozenset[str]  # names a reader of the module finds without __getattr__
    lazy: bool  # has a module-level __getattr__ (PEP 562)


@lru_cache(maxsize=1024)
def read_outline(content: bytes, name: str) -> Outline:
    """Read imports, READS and bound names from source text.

    Kept by content, so a second reading in one process parses only what changed.

    Parameters
    ----------
    content : bytes
        The source.
    name : str
        Path in the package, for messages.

    Returns
    -------
    Outline
        What the digest needs.

    Raises
    ------
    OutcomesError
        If ``READS`` is not a tuple of literal text.
    SyntaxError
        If the source is not Python.
    """
    tree = ast.parse(content, filename=name)
    bound = frozenset(_bound_names(tree.body))
    return Outline(
        imports=tuple(_imports(tree)),
        reads=_reads(tree, name),
        bound=bound,
        lazy="__getattr__" in bound,
    )


def _imports(tree: ast.Module) -> Iterator[Import]:
    """Walk all imports that can happen when the program runs, functions included."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), 0, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.module or "", names, node.level, node.lineno)
        elif isinstance(node, ast.Call):
            name = _import_module_argument(node)
            if name is not None:
                yield Import(name, (), 0, node.lineno)
        waiting.extend(_running_children(node))


def _running_children(node: ast.AST) -> Iterator[ast.AST]:
    """Iterate over child nodes, less the branch only a type checker takes."""
    if isinstance(node, ast.If) and _type_checking(node.test):
        yield from node.orelse
    elif (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.UnaryOp)
        and isinstance(node.test.op, ast.Not)
        and _type_checking(node.test.operand)
    ):
        yield from node.body
    else:
        yield from ast.iter_child_nodes(node)


def _type_checking(test: ast.expr) -> bool:
    if isinstance(test, ast.Attribute):
        return test.attr == "TYPE_CHECKING"
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _import_module_argument(call: ast.Call) -> str | None:
    """Return the module that ``import_module("...")`` names in literal text."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else None
    if isinstance(call.func, ast.Name):
        name = call.func.id
    if name != "import_module" or not call.args:
        return None
    first = call.args[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value if not first.value.startswith(".") else None
    return None


def _bound_names(body: list[ast.stmt]) -> Iterator[str]:
    """Name what the statements of a module bind, looking into if and try."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0]
        elif isinstance(node, ast.If):
            if not _type_checking(node.test):
                yield from _bound_names(node.body)
            yield from _bound_names(node.orelse)
        elif isinstance(node, ast.Try):
            for block in (node.body, node.orelse, node.finalbody):
                yield from _bound_names(block)
        else:
            for child in ast.walk(node):
                if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                    yield child.id


def _reads(tree: ast.Module, name: str) -> tuple[str, ...]:
    """Return the patterns of the module's READS constant."""
    for node in tree.body:
        value: ast.expr | None = None
        if isinstance(node, ast.Assign):
            if any(isinstance(t, ast.Name) and t.id == "READS" for t in node.targets):
                value = node.value
        elif (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and node.target.id == "READS"
        ):
            value = node.value
        if value is not None:
            return _literal_patterns(value, name)
    return ()


def _literal_patterns(value: ast.expr, name: str) -> tuple[str, ...]:
    message = (
        f"{name}, line {value.lineno}: READS is not a tuple of literal text."
        ' Write it as ("folder/*.yaml",), without calls or names.'
    )
    try:
        patterns = ast.literal_eval(value)
    except ValueError as error:
        raise OutcomesError(message) from error
    if not isinstance(patterns, tuple | list):
        raise OutcomesError(message)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise OutcomesError(message)
    return tuple(patterns)
