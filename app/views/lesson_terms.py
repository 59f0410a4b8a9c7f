"""Small expressions in lesson texts, so that no number in a lesson can go stale.

    {{S(X1=1, X2=0)}}   {{P("X1=1 | X2=0")}}   {{edge_flow("S", "C1", "X1=1")}}   {{live.S()}}

An expression is arithmetic, comparisons and calls of the functions below; Python's parser reads
it, a walk over the tree computes it, nothing is executed. Without a prefix a function speaks of
the circuit with which the step opens, with `live.` of the one that the learner has changed.
Evidence is `X1=1, X2=0` as arguments or as one text; without any it is what is observed.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pc_workbench.views.lesson_functions import FUNCTIONS, Value
from pc_workbench.views.lesson_subject import Subject
from pc_workbench.views.markup import plain
from pccore.errors import OptionError, PCError

_PLACE = re.compile(r"\{\{(.+?)\}\}", re.DOTALL)
#: What a wrong argument of a function ends in.
_MISTAKES = (SyntaxError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError)
_LONGEST = 400  # characters of an expression, numbers of a range


@dataclass(frozen=True, eq=False)
class Terms:
    """What the names of an expression mean.

    opening: the circuit and evidence of the step. live: as changed by the learner. names: further
    values, such as `chosen`.
    """

    opening: Subject
    live: Subject
    names: Mapping[str, Value]

    def value(self, expression: str) -> Value:
        """Compute an expression. Raises OptionError, which names it, for whatever is wrong."""
        if len(expression) > _LONGEST:
            raise OptionError("the expression is too long", where=expression[:40])
        try:
            tree = ast.parse(expression.strip(), mode="eval")
            return _Walk(self).value(tree.body)
        except PCError as error:
            raise OptionError(str(error), where=expression) from None
        except (RecursionError, MemoryError):  # MemoryError: of Python's parser
            raise OptionError("the expression is nested too deeply", where=expression) from None
        except _MISTAKES as error:
            raise OptionError(f"cannot be computed: {error}", where=expression) from None

    def number(self, expression: str) -> float:
        """Compute an expression that is a number. Raises OptionError."""
        found = self.value(expression)
        if isinstance(found, str | tuple):
            raise OptionError("is not a number", where=expression)
        return float(found)

    def text(self, template: str) -> str:
        """A text with its `{{expressions}}` filled in. Raises OptionError."""
        return _PLACE.sub(lambda match: plain(show(self.value(match[1]))), template)

    def also(self, **names: Value) -> Terms:
        """The same with more names."""
        return Terms(self.opening, self.live, {**self.names, **names})


def expressions(template: str) -> list[str]:
    """The expressions in a text."""
    return _PLACE.findall(template)


def show(value: Value, digits: int = 4) -> str:
    """How a value is written: some significant digits, `yes` and `no`, lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return ", ".join(show(one, digits) for one in value) or "none"
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if abs(value) < 1e-12:
        return "0"
    if value == round(value) and abs(value) < 1e9:
        return f"{round(value):,}".replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain texts as Markdown, which grows with the page's type."""
    lines = [list(map(plain, heads)), ["---", *(":--:" for _ in heads[1:])]]
    lines += [list(map(plain, row)) for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


# -- the walk over the tree -------------------------------------------------------------------


def _range(*ends: int) -> tuple[int, ...]:
    numbers = range(*ends)
    if len(numbers) > _LONGEST:
        raise OptionError(f"the range has {len(numbers)} numbers, more than {_LONGEST}")
    return tuple(numbers)


def _product(one: float, other: float) -> float:
    if isinstance(one, str | tuple) or isinstance(other, str | tuple):
        raise OptionError("texts and lists are not multiplied")
    return one * other


_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: _product,
        ast.Div: operator.truediv,
    }
)
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = MappingProxyType(
    {
        ast.Eq: operator.eq,
        ast.NotEq: operator.ne,
        ast.Lt: operator.lt,
        ast.LtE: operator.le,
        ast.Gt: operator.gt,
        ast.GtE: operator.ge,
        ast.In: lambda one, many: one in many,
        ast.NotIn: lambda one, many: one not in many,
    }
)
_ARITHMETIC: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "range": _range,
        "abs": abs,
        "round": round,
        "log": math.log,
        "exp": math.exp,
        "max": max,
        "min": min,
    }
)


class _Walk:
    """Computes a parsed expression; texts are bounded, so the tree is shallow."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as constant):
                return constant
            case ast.Name(id=name) if name in self.terms.names:
                return self.terms.names[name]
            case ast.Tuple(elts=elements):
                return tuple(self.value(one) for one in elements)
            case ast.IfExp(test=test, body=body, orelse=other):
                return self.value(body if self.value(test) else other)
            case ast.Call():
                return self.called(node)
            case _:
                return self.operation(node)

    def operation(self, node: ast.expr) -> Any:
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return _power(self.value(left), self.value(right))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _BINARY[type(op)](self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                return _COMPARE[type(op)](self.value(left), self.value(right))
            case ast.BoolOp(op=op, values=values):
                found = (self.value(one) for one in values)
                return all(found) if isinstance(op, ast.And) else any(found)
            case _:
                raise OptionError(f"{ast.unparse(node)} is not understood")

    def called(self, node: ast.Call) -> Any:
        match node:
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _ARITHMETIC:
                return _ARITHMETIC[name](*(self.value(one) for one in args))
            case ast.Call(func=ast.Name(id=name)):
                return self.call(self.terms.opening, name, node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="live"), attr=name)):
                return self.call(self.terms.live, name, node)
            case _:
                raise OptionError(f"{ast.unparse(node)} is not understood")

    def call(self, subject: Subject, name: str, node: ast.Call) -> Value:
        if name not in FUNCTIONS:
            raise OptionError(f"there is no function {name}; known are {', '.join(FUNCTIONS)}")
        named = {one.arg: self.value(one.value) for one in node.keywords if one.arg is not None}
        if len(named) != len(node.keywords):
            raise OptionError("** is not understood")
        return FUNCTIONS[name](subject, *(self.value(one) for one in node.args), **named)


def _power(base: float, exponent: float) -> float:
    if not 0 <= exponent <= 1000 or abs(base) > 10:
        raise OptionError("the power is too large")
    return base**exponent
