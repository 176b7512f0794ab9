"""The language of features: a small part of Python, read and evaluated by us.

Sources are hostile: they come from manifests. A source is read with Python's own parser
(which runs nothing) after its length and characters were checked, every node of it must
be one that is listed here, and `evaluate` walks over the nodes. There are no loops and
no functions, so a value takes at most as many steps as the source has nodes; integers
are bounded by `MAX_BITS` after every step. Division rounds down, as Python's `//` does.

    def NAME(facts): ["docstring"] statements
    statements   NAME = value, NAME += value, if / elif / else, return value
    values       whole numbers, names, facts.GROUP["NAME"].FIELD, + - * // % **,
                 < <= > >= == !=, and / or / not, value if test else value,
                 min(...), max(...), abs(...)

Tests are comparisons or what `and`, `or` and `not` make of them; a number is no test.
"""

from __future__ import annotations

import ast
import dataclasses
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from affiant.errors import MalformedError
from affiant.onchain.facts import Facts

MAX_SOURCE_CHARS = 2000
"""Longest source, in characters."""

MAX_NODES = 500
"""Most nodes of a source's syntax tree."""

MAX_DEPTH = 40
"""Most nodes inside one another."""

MAX_BITS = 512
"""Most bits of a number on the way."""

_ARITHMETIC: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, Callable[..., int]] = {"min": min, "max": max, "abs": abs}
_RESERVED = {"facts", *_FUNCTIONS}
_FACTS_MODULE = Facts.__module__


def check_source(source: str) -> str:
    """Return the name of the function that `source` defines.

    Raises:
        MalformedError: it is longer, or uses more of Python, than features may.
    """
    return _function(source).name


def evaluate(source: str, facts: Facts) -> int:
    """Return what the function in `source` returns for `facts`.

    Raises:
        MalformedError: it cannot be computed: a fact that is not there, a division by
            zero, a number too large, no `return`, or as `check_source`.
    """
    function = _function(source)
    found = _run(function.body, {"facts": facts})
    if type(found) is not int:
        raise _refused(function, got="no whole number", expected="`return` of one")
    return found


@lru_cache(maxsize=256)
def _function(source: str) -> ast.FunctionDef:
    if not isinstance(source, str) or len(source) > MAX_SOURCE_CHARS:
        raise MalformedError(
            "feature source",
            got=f"{len(source)} characters" if isinstance(source, str) else "no text",
            expected=f"at most {MAX_SOURCE_CHARS}",
        )
    if not all(" " <= letter <= "~" or letter == "\n" for letter in source):
        raise MalformedError(
            "feature source", got="other characters", expected="printable ASCII"
        )
    if "\\" in source:
        raise MalformedError("feature source", got="a backslash", expected="none")
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise MalformedError(
            "feature source", got=f"no Python: {error}"[:200], expected="one function"
        ) from error
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef):
        raise MalformedError(
            "feature source", got=f"{len(body)} statements", expected="one function"
        )
    function = body[0]
    _check_size(function)
    _check_head(function)
    if _is_text(function.body[0]):
        del function.body[0]
    if not any(isinstance(node, ast.Return) for node in ast.walk(function)):
        raise _refused(function, got="no `return`", expected="one at least")
    for statement in function.body:
        _check_statement(statement)
    return function


def _check_size(function: ast.FunctionDef) -> None:
    """Refuse what would take long, or would nest deeper than our own calls can."""
    level: list[ast.AST] = [function]
    nodes, depth = 0, 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise MalformedError(
                "feature source",
                got=f"over {nodes - 1} nodes, {depth} deep",
                expected=f"at most {MAX_NODES} nodes, {MAX_DEPTH} deep",
            )
        level = [inner for node in level for inner in ast.iter_child_nodes(node)]


def _check_head(function: ast.FunctionDef) -> None:
    given = function.args
    names = [argument.arg for argument in given.args]
    plain = not (
        function.decorator_list
        or given.posonlyargs
        or given.kwonlyargs
        or given.vararg
        or given.kwarg
        or given.defaults
        or getattr(function, "type_params", None)
    )
    if names != ["facts"] or not plain or function.name in _RESERVED:
        raise _refused(function, got=ast.unparse(given), expected="(facts)")


def _check_statement(node: ast.stmt) -> None:
    if isinstance(node, ast.Return) and node.value is not None:
        _check_value(node.value)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        _check_target(node.targets[0])
        _check_value(node.value)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        _check_target(node.target)
        _check_value(node.value)
    elif isinstance(node, ast.AugAssign) and type(node.op) in _ARITHMETIC:
        _check_target(node.target)
        _check_value(node.value)
    elif isinstance(node, ast.If):
        _check_value(node.test)
        for inner in (*node.body, *node.orelse):
            _check_statement(inner)
    else:
        raise _refused(node, got=_what(node), expected="assignments, if and return")


def _check_target(node: ast.expr) -> None:
    if not isinstance(node, ast.Name) or node.id in _RESERVED:
        raise _refused(node, got=ast.unparse(node)[:80], expected="a name of your own")


def _check_value(node: ast.expr) -> None:
    inner = _parts(node)
    if inner is None:
        divides = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        raise _refused(
            node,
            got=_what(node),
            expected="`//`: fractions differ between machines"
            if divides
            else "whole numbers, facts and comparisons",
        )
    for part in inner:
        _check_value(part)


def _parts(node: ast.expr) -> list[ast.expr] | None:
    """Return the values that a value is made of; None where it may not be one."""
    match node:
        case ast.Constant(value=constant) if type(constant) in (int, bool):
            return []
        case ast.Name():
            return []
        case ast.Attribute(value=inner):
            return [inner]
        case ast.Subscript(value=inner, slice=ast.Constant(value=str())):
            return [inner]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=inner):
            return [inner]
        case ast.BoolOp(values=values):
            return values
        case ast.Compare(left=left, ops=ops, comparators=others) if all(
            type(op) in _COMPARISONS for op in ops
        ):
            return [left, *others]
        case ast.IfExp(test=test, body=yes, orelse=no):
            return [test, yes, no]
        case ast.Call(func=ast.Name(id=name), args=values, keywords=[]) if (
            name in _FUNCTIONS and values
        ):
            return values
    return None


class _Nothing:
    """What a function without `return` returns."""


def _run(statements: list[ast.stmt], names: dict[str, Any]) -> Any:
    for node in statements:
        if isinstance(node, ast.Return) and node.value is not None:
            return _value(node.value, names)
        if isinstance(node, ast.If):
            branch = node.body if _test(node.test, names) else node.orelse
            found = _run(branch, names)
            if found is not _Nothing:
                return found
        elif isinstance(node, ast.Assign):
            names[_name(node.targets[0])] = _value(node.value, names)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            names[_name(node.target)] = _value(node.value, names)
        elif isinstance(node, ast.AugAssign):
            left = ast.Name(_name(node.target), ast.Load())
            joined = ast.BinOp(ast.copy_location(left, node), node.op, node.value)
            names[left.id] = _value(ast.copy_location(joined, node), names)
    return _Nothing


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    match node:
        case ast.Constant(value=bool() as constant):
            return constant
        case ast.Constant(value=int() as constant):
            return _bounded(constant, node)
        case ast.Name(id=name):
            if name not in names:
                raise _refused(
                    node, got=f"`{name}`", expected="a name that has a value"
                )
            return names[name]
        case ast.Attribute(value=inner, attr=name):
            return _field(_value(inner, names), name, node)
        case ast.Subscript(value=inner, slice=ast.Constant(value=str() as key)):
            entries = _value(inner, names)
            if not isinstance(entries, Mapping) or key not in entries:
                raise _refused(
                    node, got=f"nothing at `{key}`"[:80], expected="an observed name"
                )
            return entries[key]
        case ast.BinOp(left=left, op=op, right=right):
            return _arithmetic(op, _number(left, names), _number(right, names), node)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _test(inner, names)
        case ast.UnaryOp(op=op, operand=inner):
            number = _number(inner, names)
            return -number if isinstance(op, ast.USub) else number
        case ast.BoolOp(op=op, values=values):
            # As in Python, the rest is not looked at once the answer is clear.
            tests = (_test(value, names) for value in values)
            return all(tests) if isinstance(op, ast.And) else any(tests)
        case ast.Compare(left=left, ops=ops, comparators=others):
            before = _number(left, names)
            for sign, other in zip(ops, others, strict=True):
                after = _number(other, names)
                if not _COMPARISONS[type(sign)](before, after):
                    return False
                before = after
            return True
        case ast.IfExp(test=test, body=yes, orelse=no):
            return _value(yes if _test(test, names) else no, names)
        case ast.Call(func=ast.Name(id=name), args=values):
            numbers = [_number(value, names) for value in values]
            # With one argument, Python's min and max would ask it for its entries.
            if (len(numbers) == 1) != (name == "abs"):
                raise _refused(
                    node, got=_what(node), expected="abs of one, min of more"
                )
            return _FUNCTIONS[name](*numbers)
    raise _refused(node, got=_what(node), expected="a value")


def _arithmetic(op: ast.operator, left: int, right: int, node: ast.expr) -> int:
    if isinstance(op, (ast.FloorDiv, ast.Mod)) and right == 0:
        raise _refused(node, got="a division by zero", expected="another divisor")
    if isinstance(op, ast.Pow) and (
        right < 0 or max(abs(left).bit_length(), 1) * right > MAX_BITS
    ):
        raise _refused(
            node, got=f"an exponent of {right}"[:60], expected="a smaller power"
        )
    return _bounded(_ARITHMETIC[type(op)](left, right), node)


def _bounded(number: int, node: ast.expr) -> int:
    if abs(number).bit_length() > MAX_BITS:
        raise _refused(node, got="a larger number", expected=f"at most {MAX_BITS} bits")
    return number


def _number(node: ast.expr, names: dict[str, Any]) -> int:
    found = _value(node, names)
    if type(found) is not int:
        raise _refused(node, got=type(found).__name__, expected="a whole number")
    return found


def _test(node: ast.expr, names: dict[str, Any]) -> bool:
    found = _value(node, names)
    if type(found) is not bool:
        raise _refused(node, got=type(found).__name__, expected="a comparison")
    return found


def _field(value: Any, name: str, node: ast.expr) -> Any:
    """Return a field of facts: of nothing else, and nothing that is no field."""
    if type(value).__module__ == _FACTS_MODULE and dataclasses.is_dataclass(value):
        fields = [item.name for item in dataclasses.fields(value)]
        if name in fields:
            return getattr(value, name)
        raise _refused(node, got=f"`{name}`"[:60], expected=f"one of {fields}")
    raise _refused(node, got=type(value).__name__, expected="facts")


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _what(node: ast.AST) -> str:
    return f"`{ast.unparse(node)[:80]}`"


def _refused(node: ast.AST, *, got: str, expected: str) -> MalformedError:
    line = getattr(node, "lineno", 0)
    return MalformedError(f"feature, line {line}", got=got, expected=expected)
