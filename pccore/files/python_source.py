"""Builder code read back: a small part of Python, interpreted, never executed.

Understood are imports (and passed over), `name = expression`, calls to the builders of
`pccore.build`, `*`, `+` and `-` on numbers, `.named("...")`, lists, numbers, strings and `None`,
`True` and `False`, `Leaf(variable, Family(...), torch.tensor(...))`, and a final `circuit(...)`,
under a name or not. That is what `to_code` writes, and what people write by hand.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from pccore import build
from pccore.build import Expression, Terms
from pccore.errors import PCError, SourceError
from pccore.graph import Circuit
from pccore.leaves import families
from pccore.leaves.base import LeafFamily

#: The longest code that is read.
MAX_LENGTH = 200_000
#: Nesting of the code, which Python's own parser and this one follow by recursion.
MAX_DEPTH = 90
#: Children, terms and items of all values together. `a = a * a` in many lines, or lists of lists
#: that are named and used twice, would otherwise double with every line.
MAX_ITEMS = 2_000_000
_BUILDERS: Mapping[str, Callable[..., object]] = MappingProxyType(
    {
        "bernoulli": build.bernoulli,
        "binomial": build.binomial,
        "categorical": build.categorical,
        "gaussian": build.gaussian,
        "indicator": build.indicator,
        "poisson": build.poisson,
        "product": build.product,
        "mix": build.mix,
        "circuit": build.circuit,
    }
)


def from_code(text: str) -> Circuit:
    """The circuit that builder code describes; the last `circuit(...)` counts.

    Nothing is executed: a statement or call that is not of the few understood ones is an error.
    Raises SourceError with the place.
    """
    if len(text) > MAX_LENGTH:
        raise SourceError(
            f"the code has {len(text)} characters, more than {MAX_LENGTH}", text, 0, len(text)
        )
    return _Reader(text).run()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        # ast counts columns in bytes of UTF-8.
        self.lines = [line.encode(errors="surrogatepass") for line in text.split("\n")]
        self.starts = [0]
        for line in text.split("\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.known: dict[str, object] = {}
        self.made: Circuit | None = None
        self.depth = 0
        self.room = MAX_ITEMS
        # Written-out sizes of what was made, by id: `kept` makes sure that no id comes twice.
        self.sizes: dict[int, int] = {}
        self.kept: list[object] = []

    # -- places ------------------------------------------------------------------------------

    def _offset(self, line: int, column: int) -> int:
        if not 1 <= line <= len(self.lines):
            return len(self.text)
        return self.starts[line - 1] + len(self.lines[line - 1][:column].decode(errors="ignore"))

    def fail(self, message: str, node: ast.AST, hint: str | None = None) -> SourceError:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        start = self._offset(line, column)
        end = self._offset(
            getattr(node, "end_lineno", None) or line, getattr(node, "end_col_offset", None) or 0
        )
        return SourceError(message, self.text, start, max(start, end), hint=hint)

    def grown(self, node: ast.AST, made: object, size: int) -> object:
        """What was made, its size taken from the room. Raises SourceError where none is left."""
        self.room -= size
        if self.room < 0:
            raise self.fail(f"the code makes more than {MAX_ITEMS} terms and items", node)
        self.sizes[id(made)] = size
        self.kept.append(made)
        return made

    def written_out(self, parts: Iterable[object]) -> int:
        """The size of values, however often they share a part."""
        return sum(self.sizes.get(id(part), 1) for part in parts)

    # -- statements ----------------------------------------------------------------------------

    def run(self) -> Circuit:
        for statement in self._parsed().body:
            self.statement(statement)
        if self.made is None:
            raise SourceError(
                "the code makes no circuit",
                self.text,
                0,
                len(self.text),
                hint="end with circuit(...)",
            )
        return self.made

    def _parsed(self) -> ast.Module:
        depth = 0
        for place, character in enumerate(self.text):
            depth += (character in "([{") - (character in ")]}")
            if depth > MAX_DEPTH:
                raise SourceError("too many nested brackets", self.text, place, place + 1)
        try:
            return ast.parse(self.text.replace("\0", "\ufffd"))
        except SyntaxError as error:
            line, column = error.lineno or 1, (error.offset or 1) - 1
            start = self.starts[min(line, len(self.lines)) - 1] + max(0, column)
            raise SourceError(error.msg, self.text, start, start + 1) from None
        except (RecursionError, MemoryError, ValueError):
            raise SourceError("the code is too deeply nested", self.text, 0, 1) from None

    def statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import() | ast.ImportFrom():
                return
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.known[name] = self.value(value)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                if len(names) != len(values) or not all(isinstance(n, ast.Name) for n in names):
                    raise self.fail("as many names as values are needed", statement)
                found = [self.value(value) for value in values]
                for name, one in zip(names, found, strict=True):
                    assert isinstance(name, ast.Name)
                    self.known[name.id] = one
            case ast.Expr(value=ast.Constant(value=str())):
                return  # a docstring
            case ast.Expr(value=value):
                self.value(value)
            case _:
                what = type(statement).__name__.lower()
                raise self.fail(
                    f"this statement ({what}) is not builder code",
                    statement,
                    hint="imports, `name = expression` and circuit(...) are",
                )

    # -- expressions -----------------------------------------------------------------------------

    def value(self, node: ast.expr) -> object:
        self.depth += 1
        if self.depth > MAX_DEPTH * 4:
            raise self.fail("too deeply nested", node)
        try:
            return self._value(node)
        finally:
            self.depth -= 1

    def _value(self, node: ast.expr) -> object:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as constant):
                if isinstance(constant, int) and abs(constant) > 2**53:
                    raise self.fail("the number is too large", node)
                return constant
            case ast.Name(id=name):
                return self.name(name, node)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                found = [self.value(item) for item in items]
                return self.grown(node, found, self.written_out(found))
            case ast.Dict(keys=keys, values=values):
                if any(key is None for key in keys):
                    raise self.fail("** is not builder code", node)
                pairs = {
                    self.text_of(key): self.value(value)
                    for key, value in zip(keys, values, strict=True)
                    if key is not None
                }
                return self.grown(node, pairs, self.written_out(pairs.values()))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.number(operand)
            case ast.BinOp(left=left, op=operator, right=right):
                return self.combined(node, left, operator, right)
            case ast.Call():
                return self.call(node)
            case _:
                raise self.fail("this is not builder code", node)

    def name(self, name: str, node: ast.expr) -> object:
        if name in self.known:
            return self.known[name]
        if name in ("inf", "nan"):
            return math.inf if name == "inf" else math.nan
        raise self.fail(f"{name} is not defined", node)

    def number(self, node: ast.expr) -> float:
        value = self.value(node)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail("expected a number", node)
        return value

    def text_of(self, node: ast.expr) -> str:
        value = self.value(node)
        if not isinstance(value, str):
            raise self.fail("expected a text", node)
        return value

    def combined(
        self, node: ast.expr, left: ast.expr, operator: ast.operator, right: ast.expr
    ) -> object:
        one, two = self.value(left), self.value(right)
        numbers = _is_number(one) and _is_number(two)
        units = all(_is_number(x) or isinstance(x, Expression | Terms) for x in (one, two))
        if isinstance(operator, ast.Div) and numbers and two != 0:
            return float(one) / float(two)  # type: ignore[arg-type]
        if not isinstance(operator, ast.Mult | ast.Add) or not units:
            raise self.fail("units are only multiplied and added", node)
        try:
            found = one * two if isinstance(operator, ast.Mult) else one + two  # type: ignore[operator]
        except TypeError:
            hint = "write weights before units: 0.5 * a"
            raise self.fail("these two cannot be combined", node, hint) from None
        except OverflowError:
            raise self.fail("the number is too large", node) from None
        return self.grown(node, found, _width(found))

    def call(self, node: ast.Call) -> object:
        arguments = [self.argument(one) for one in node.args if self._called(node) != "Leaf"]
        options: dict[str, object] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self.fail("** is not builder code", node)
            options[keyword.arg] = self.value(keyword.value)
        match node.func:
            case ast.Attribute(value=owner, attr="named"):
                return self.named(node, self.value(owner), arguments)
            case ast.Name(id="Leaf"):
                return self.leaf(node)
            case ast.Name(id=name) if name in _BUILDERS and name not in self.known:
                return self.built(node, name, arguments, options)
            case _:
                raise self.fail("this function is not one of the builders", node.func)

    def _called(self, node: ast.Call) -> str:
        return node.func.id if isinstance(node.func, ast.Name) else ""

    def argument(self, node: ast.expr) -> object:
        if isinstance(node, ast.Starred):
            raise self.fail("* is not builder code", node)
        return self.value(node)

    def named(self, node: ast.Call, unit: object, arguments: list[object]) -> Expression:
        if not isinstance(unit, Expression | Terms):
            raise self.fail("only units have names", node)
        if len(arguments) != 1 or not isinstance(arguments[0], str) or not arguments[0]:
            raise self.fail("named takes one text", node)
        return unit.named(arguments[0])

    def built(
        self, node: ast.Call, name: str, arguments: list[object], options: dict[str, object]
    ) -> object:
        try:
            made = _BUILDERS[name](*arguments, **options)
        except PCError as error:
            raise self.fail(error.message, node) from None
        except (TypeError, ValueError, AttributeError, OverflowError, RuntimeError):
            raise self.fail(f"{name} does not take these arguments", node) from None
        if isinstance(made, Circuit):
            self.made = made
            return self.grown(node, made, made.num_units + made.num_edges)
        return self.grown(node, made, _width(made))

    # -- leaves of any family ----------------------------------------------------------------------

    def leaf(self, node: ast.Call) -> build.Leaf:
        if len(node.args) != 3 or node.keywords:
            raise self.fail("Leaf takes a variable, a family and parameters", node)
        variable, family = self.text_of(node.args[0]), self.family(node.args[1])
        values = self.tensor(node.args[2])
        if tuple(values.shape) != family.parameter_shape:
            shape = list(family.parameter_shape)
            raise self.fail(f"a {family.name} leaf has parameters of shape {shape}", node.args[2])
        try:
            family.validate(values)
        except PCError as error:
            raise self.fail(error.message, node.args[2]) from None
        return build.Leaf(variable, family, values)

    def family(self, node: ast.expr) -> LeafFamily:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
            for kind in families().values():
                if kind.__name__ == node.func.id:
                    try:
                        return kind(**{k.arg or "": self.value(k.value) for k in node.keywords})
                    except (PCError, TypeError, ValueError):
                        raise self.fail(
                            f"{kind.__name__} does not take these options", node
                        ) from None
        raise self.fail("expected a leaf family, such as Gaussian(min_variance=0.1)", node)

    def tensor(self, node: ast.expr) -> Tensor:
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="torch"), attr="tensor"), args=[data]
            ):
                try:
                    return torch.tensor(self.value(data), dtype=torch.float64)
                except (TypeError, ValueError, RuntimeError):
                    raise self.fail("expected numbers", data) from None
            case _:
                raise self.fail("expected torch.tensor(numbers)", node)


def _width(made: object) -> int:
    """Children of a unit, terms of a sum."""
    match made:
        case build.Product(children=parts) | Terms(terms=parts) | build.Sum(terms=parts):
            return len(parts)
        case _:
            return 1


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
