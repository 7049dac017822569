"""The expression `where` of a scan: which points are kept."""

import ast
import itertools
import operator
from collections.abc import Callable, Mapping
from typing import Any

OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Not: operator.not_,
    ast.USub: operator.neg,
}


def is_kept(where: str, values: Mapping[str, Any]) -> bool:
    """Whether an expression such as `hamiltonian.transverse_field < 1 or run.seed == 0` holds of the scanned keys.

    It has comparisons, `in`, `and`, `or`, `not`, brackets and + - * / % of numbers.

    Raises `ValueError` if it is anything else, or names a key that is not scanned.
    """
    try:
        return bool(_value(ast.parse(where, mode="eval").body, values))
    except (SyntaxError, TypeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{where!r}: {getattr(error, 'msg', None) or error}") from error


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple():
            return [_value(element, values) for element in node.elts]
        case ast.Name() | ast.Attribute():
            return _scanned(ast.unparse(node), values)
        case ast.BoolOp():
            combine = all if isinstance(node.op, ast.And) else any
            return combine(_value(part, values) for part in node.values)
        case ast.UnaryOp() if type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](_value(node.operand, values))
        case ast.BinOp() if type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](_value(node.left, values), _value(node.right, values))
        case ast.Compare() if all(type(one) in OPERATORS for one in node.ops):
            terms = [_value(term, values) for term in (node.left, *node.comparators)]
            pairs = itertools.pairwise(terms)
            return all(OPERATORS[type(one)](*pair) for one, pair in zip(node.ops, pairs, strict=True))
        case _:
            raise ValueError(f"{ast.unparse(node)!r}: only comparisons, in, and, or, not and + - * / %")


def _scanned(key: str, values: Mapping[str, Any]) -> Any:
    if key not in values:
        raise ValueError(f"{key!r} is not scanned; scanned: {', '.join(values)}")
    return values[key]
