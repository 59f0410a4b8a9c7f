"""Statements of a formula as a tree of terms; nothing is known of names yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pccore.errors import SourceError
from pccore.formula.lexer import Token, tokens

#: Leaves that are written like functions.
FUNCTIONS = frozenset({"N", "Bern", "Cat", "Binom", "Pois"})
MAX_POWER = 16
_OPERATORS = frozenset("+*/")


@dataclass(frozen=True)
class Ref:
    """A name: of a unit defined elsewhere, or the literal of a variable."""

    name: str
    negated: bool
    start: int
    end: int


@dataclass(frozen=True)
class State:
    """`[X=2]`."""

    variable: str
    state: int
    start: int
    end: int


@dataclass(frozen=True)
class Call:
    """`N(X; 0, 1)`."""

    function: str
    variable: str
    arguments: tuple[float, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Term:
    """weight: None where no number was written."""

    weight: float | None
    factors: tuple[Node, ...]


@dataclass(frozen=True)
class Inner:
    """A sum, if it has several terms or a weight, else a product."""

    terms: tuple[Term, ...]
    start: int
    end: int


Node = Ref | State | Call | Inner


@dataclass
class Statements:
    """What the lines say. names: defined units in their order, with the place of the name."""

    text: str
    names: dict[str, tuple[Node, int, int]] = field(default_factory=dict)
    roots: list[Node] = field(default_factory=list)
    rooted: list[Ref] = field(default_factory=list)
    variables: list[Ref] = field(default_factory=list)
    states: dict[str, tuple[int, int, int]] = field(default_factory=dict)


def read(text: str) -> Statements:
    """Read all statements. Raises SourceError."""
    return _Reader(text).statements()


@dataclass
class _Frame:
    """An open parenthesis, or the statement itself."""

    start: int
    terms: list[Term] = field(default_factory=list)
    weight: float | None = None
    factors: list[Node] = field(default_factory=list)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0

    # -- tokens ----------------------------------------------------------------------------

    @property
    def now(self) -> Token:
        return self.tokens[self.at]

    def ahead(self, steps: int = 1) -> Token:
        return self.tokens[min(self.at + steps, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.now
        self.at += token.kind != "end"
        return token

    def fail(
        self, message: str, token: Token | None = None, hint: str | None = None
    ) -> SourceError:
        token = token or self.now
        return SourceError(message, self.text, token.start, max(token.end, token.start), hint=hint)

    def expect(self, sign: str, why: str) -> Token:
        if self.now.kind != "mark" or self.now.text != sign:
            raise self.fail(f"expected {sign!r} {why}")
        return self.take()

    def name(self, what: str) -> Token:
        if self.now.kind not in ("name", "quoted"):
            raise self.fail(f"expected {what}")
        return self.take()

    def number(self) -> float:
        negative = self.now.text == "-" and self.now.kind == "mark"
        if negative:
            self.take()
        if self.now.kind != "number":
            raise self.fail("expected a number")
        token = self.take()
        value = float(token.text)
        if not math.isfinite(value):
            raise self.fail(f"{token.text} is too large", token)
        return -value if negative else value

    # -- statements --------------------------------------------------------------------------

    def statements(self) -> Statements:
        found = Statements(self.text)
        while self.now.kind != "end":
            if self.now.kind == "newline" or self.now.text == ";":
                self.take()
                continue
            self.statement(found)
            after = self.now
            if not (after.kind == "newline" or after.kind == "end" or after.text == ";"):
                raise self.fail(f"unexpected {after.text!r}")
        return found

    def statement(self, found: Statements) -> None:
        first, second = self.now, self.ahead()
        named = first.kind in ("name", "quoted") and not first.negated
        if named and second.text == ":" and first.text in ("variables", "roots"):
            self.take()
            self.take()
            target = found.variables if first.text == "variables" else found.rooted
            target += self.list_of_names()
        elif named and second.kind == "name" and second.text == "in":
            self.domain(found)
        elif named and second.kind == "mark" and second.text == "=":
            self.take()
            self.take()
            if first.text in found.names:
                raise self.fail(f"{first.text} is defined twice", first)
            found.names[first.text] = (self.expression(), first.start, first.end)
        else:
            found.roots.append(self.expression())

    def list_of_names(self) -> list[Ref]:
        names: list[Ref] = []
        while True:
            token = self.name("a name")
            names.append(Ref(token.text, token.negated, token.start, token.end))
            if self.now.text != ",":
                return names
            self.take()

    def domain(self, found: Statements) -> None:
        token = self.name("a variable")
        self.take()
        opening = self.expect("{", "before the states, as in {0..3}")
        low = self.now
        if self.number() != 0:
            raise self.fail("states are numbered from 0", low)
        self.expect("..", "between the first and the last state")
        last = self.now
        high = self.number()
        self.expect("}", "after the states")
        if not (high.is_integer() and 1 <= high < 2**16):
            raise self.fail("the last state is a whole number from 1 to 65535", last)
        if token.text in found.states:
            raise self.fail(f"the states of {token.text} are given twice", token)
        found.states[token.text] = (int(high) + 1, token.start, max(token.end, opening.end))

    # -- expressions -------------------------------------------------------------------------

    def expression(self) -> Node:
        frames = [_Frame(self.now.start)]
        while True:
            token, frame = self.now, frames[-1]
            if token.kind == "newline" and (len(frames) > 1 or self.continues(frame)):
                self.take()
            elif token.kind == "number":
                self.weight(frame)
            elif token.kind in ("name", "quoted") or token.text in ("!", "["):
                frame.factors.append(self.factor())
                self.power(frame)
            elif token.text == "(":
                self.take()
                frames.append(_Frame(token.start))
            elif token.text == ")" and len(frames) > 1:
                node = self.close(frames.pop(), self.take().end)
                frames[-1].factors.append(node)
                self.power(frames[-1])
            elif token.text in _OPERATORS:
                self.operator(frame)
            elif token.text == "-":
                raise self.fail("weights are not negative: nothing can be subtracted")
            elif len(frames) > 1:
                opened = frames[-1].start
                raise SourceError("this ( is never closed", self.text, opened, opened + 1)
            else:
                return self.close(frame, self.tokens[self.at - 1].end)

    def continues(self, frame: _Frame) -> bool:
        """Whether the next line goes on with this expression: one of them lacks a partner."""
        before = self.tokens[self.at - 1]
        steps = 1
        while self.ahead(steps).kind == "newline":
            steps += 1
        after = self.ahead(steps)
        dangling = before.kind == "mark" and before.text in "+*/="
        return after.kind != "end" and (dangling or after.text in _OPERATORS)

    def operator(self, frame: _Frame) -> None:
        token = self.take()
        if frame.weight is None and not frame.factors:
            raise self.fail(f"there is nothing before this {token.text}", token)
        if token.text == "+":
            self.end_term(frame, token)
        elif token.text == "/":
            divisor = self.now
            if divisor.kind != "number" or self.number() == 0:
                raise self.fail("only numbers other than 0 divide", divisor)
            frame.weight = (1.0 if frame.weight is None else frame.weight) / float(divisor.text)
        following = self.now
        steps = 0
        while following.kind == "newline":
            steps += 1
            following = self.ahead(steps)
        if token.text != "/" and (
            following.kind == "end" or following.text in (")", "+", "*", ";")
        ):
            raise self.fail(f"there is nothing after this {token.text}", token)

    def weight(self, frame: _Frame) -> None:
        value = self.number()
        frame.weight = value * (1.0 if frame.weight is None else frame.weight)

    def power(self, frame: _Frame) -> None:
        if self.now.text != "^":
            return
        self.take()
        token = self.now
        exponent = self.number()
        if not (exponent.is_integer() and 1 <= exponent <= MAX_POWER):
            raise self.fail(f"a power is a whole number from 1 to {MAX_POWER}", token)
        frame.factors += [frame.factors[-1]] * (int(exponent) - 1)

    def end_term(self, frame: _Frame, token: Token) -> None:
        if not frame.factors:
            raise self.fail("a weight needs a unit to multiply", self.tokens[self.at - 2])
        frame.terms.append(Term(frame.weight, tuple(frame.factors)))
        frame.weight, frame.factors = None, []

    def close(self, frame: _Frame, end: int) -> Node:
        if not frame.factors:
            text = self.text[frame.start : end]
            what = (
                "expected a unit" if frame.weight is None else "a weight needs a unit to multiply"
            )
            raise SourceError(what, self.text, frame.start, max(end, frame.start + bool(text)))
        terms = (*frame.terms, Term(frame.weight, tuple(frame.factors)))
        if len(terms) == 1 and terms[0].weight is None and len(terms[0].factors) == 1:
            return terms[0].factors[0]
        return Inner(terms, frame.start, end)

    def factor(self) -> Node:
        token = self.take()
        if token.text == "!" and token.kind == "mark":
            name = self.name("a variable after the negation")
            return Ref(name.text, not name.negated, token.start, name.end)
        if token.text == "[" and token.kind == "mark":
            return self.state(token)
        if token.kind == "name" and token.text in FUNCTIONS and self.now.text == "(":
            return self.call(token)
        return Ref(token.text, token.negated, token.start, token.end)

    def state(self, opening: Token) -> State:
        variable = self.name("a variable")
        self.expect("=", "before the state")
        token = self.now
        value = self.number()
        if not (value.is_integer() and 0 <= value < 2**16):
            raise self.fail("a state is a whole number from 0 to 65535", token)
        closing = self.expect("]", "after the state")
        return State(variable.text, int(value), opening.start, closing.end)

    def call(self, function: Token) -> Call:
        self.take()
        variable = self.name("a variable")
        if self.now.text not in (";", ","):
            raise self.fail("expected ';' before the parameters")
        arguments: list[float] = []
        while self.now.text in (";", ","):
            self.take()
            arguments.append(self.argument())
        closing = self.expect(")", "after the parameters")
        return Call(function.text, variable.text, tuple(arguments), function.start, closing.end)

    def argument(self) -> float:
        value = self.number()
        if self.now.text == "/":
            self.take()
            token = self.now
            divisor = self.number()
            if divisor == 0:
                raise self.fail("nothing is divided by 0", token)
            value /= divisor
        return value


def parts(node: Node) -> Sequence[Node]:
    """The nodes right below."""
    return [f for term in node.terms for f in term.factors] if isinstance(node, Inner) else ()
