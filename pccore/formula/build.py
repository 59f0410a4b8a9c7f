"""From statements to a circuit."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pccore import build
from pccore.build import Expression
from pccore.errors import GraphError, ParameterError, SourceError
from pccore.formula.syntax import Call, Inner, Node, Ref, State, Statements, parts, read
from pccore.graph import Circuit, Json

_ARGUMENTS: Mapping[str, tuple[int, int, str]] = {
    "N": (2, 2, "a mean and a variance"),
    "Bern": (1, 1, "one probability"),
    "Binom": (2, 2, "a number of trials and a probability"),
    "Pois": (1, 1, "a rate"),
    "Cat": (2, 2**16, "a probability for each state"),
}
_NOTE = re.compile(r"#[ \t]*(title|story)[ \t]*:[ \t]*(.*)")


def parse_formula(text: str) -> Circuit:
    """The circuit that a formula describes (see the package for the notation).

    The same literal is one shared leaf; so is everything that a name stands for. Named units that
    no root uses stay in the circuit. Comments `# title:` and `# story:` become notes.

    Raises SourceError, which says from where to where, for whatever cannot be read.
    """
    return _Builder(read(text)).circuit()


class _Builder:
    def __init__(self, statements: Statements) -> None:
        self.said = statements
        self.text = statements.text
        self.states: dict[str, int] = {}
        self.variables: dict[str, None] = {}
        self.leaves: dict[tuple[str, int], Expression] = {}
        self.units: dict[str, Expression] = {}
        self.nodes: dict[int, Expression] = {}
        self.alive: list[Node] = []  # keeps ids unique while they are keys

    def fail(self, message: str, node: Node) -> SourceError:
        return SourceError(message, self.text, node.start, node.end)

    def circuit(self) -> Circuit:
        said = self.said
        tops = [*said.roots, *(node for node, _, _ in said.names.values())]
        if not tops:
            raise SourceError("there is no expression", self.text, 0, len(self.text))
        order = self.order()
        self.find_variables()
        for name in order:
            self.define(name, *said.names[name])
        roots = [self.make(node) for node in said.roots]
        if said.rooted:
            roots = [self.root(ref) for ref in said.rooted] + roots
        if not roots:
            roots = [self.units[[*said.names][-1]]]
        unused = [unit for unit in self.units.values() if all(unit is not r for r in roots)]
        made = build.circuit([*roots, *unused], [*self.variables], self.notes())
        return made.with_roots(made.roots[: len(roots)])

    def notes(self) -> dict[str, Json]:
        notes: dict[str, Json] = {}
        for line in self.text.splitlines():
            match = _NOTE.fullmatch(line.strip())
            if match:
                notes.setdefault(match[1], match[2].strip())
        return notes

    def root(self, ref: Ref) -> Expression:
        if ref.name not in self.units:
            raise self.fail(f"{ref.name} is not defined", ref)
        return self.units[ref.name]

    # -- names -----------------------------------------------------------------------------------

    def order(self) -> list[str]:
        """Names, those first that others use. Raises SourceError for a cycle."""
        names = self.said.names
        uses = {name: self.names_in(node) for name, (node, _, _) in names.items()}
        done: dict[str, bool] = {}  # False while below it is being looked at
        order: list[str] = []
        stack = [(name, False) for name in reversed(names)]
        while stack:
            name, expanded = stack.pop()
            if expanded:
                done[name] = True
                order.append(name)
            elif name not in done:
                done[name] = False
                stack.append((name, True))
                for ref in uses[name]:
                    if done.get(ref.name) is False:
                        raise self.fail(f"{ref.name} is defined by itself", ref)
                    stack.append((ref.name, False))
        return order

    def names_in(self, node: Node) -> list[Ref]:
        """The uses of defined names in an expression."""
        return [one for one in _below(node) if isinstance(one, Ref) and one.name in self.said.names]

    def find_variables(self) -> None:
        """Variables in the order of their first appearance, and their numbers of states."""
        said = self.said
        for ref in said.variables:
            if ref.name in self.variables or ref.negated:
                raise self.fail(
                    f"{ref.name} is listed twice" if not ref.negated else "no bars here", ref
                )
            self.variables[ref.name] = None
        for name, (states, start, end) in said.states.items():
            if name in said.names:
                raise SourceError(f"{name} is the name of a unit", self.text, start, end)
            self.states[name] = states
        for top in [*(node for node, _, _ in said.names.values()), *said.roots]:
            for node in _below(top):
                self.mention(node)
        for ref in said.variables:
            if ref.name in said.names:
                raise self.fail(f"{ref.name} is the name of a unit as well", ref)

    def mention(self, node: Node) -> None:
        if isinstance(node, Inner) or (isinstance(node, Ref) and node.name in self.said.names):
            return
        variable = node.name if isinstance(node, Ref) else node.variable
        if self.said.variables and variable not in self.variables:
            raise self.fail(f"{variable} is not among the variables listed", node)
        self.variables.setdefault(variable, None)
        needed = 2
        if isinstance(node, State):
            needed = node.state + 1
        elif isinstance(node, Call) and node.function == "Cat":
            needed = len(node.arguments)
        elif isinstance(node, Call) and node.function == "Binom" and node.arguments[0].is_integer():
            needed = int(min(node.arguments[0], 2**16)) + 1
        declared = self.said.states.get(variable)
        if declared is not None and needed > declared[0]:
            raise self.fail(f"{variable} has the states 0 to {declared[0] - 1}", node)
        self.states[variable] = max(self.states.get(variable, 2), needed)

    # -- units -----------------------------------------------------------------------------------

    def define(self, name: str, node: Node, start: int, end: int) -> None:
        unit = self.make(node)
        named = isinstance(node, Inner | Call)
        if named and unit.name is None:
            unit.named(name)
        self.units[name] = unit

    def make(self, top: Node) -> Expression:
        """The unit of an expression, its parts first."""
        for node in reversed(list(_below(top))):
            if id(node) not in self.nodes:
                self.nodes[id(node)] = self.unit(node)
                self.alive.append(node)
        return self.nodes[id(top)]

    def unit(self, node: Node) -> Expression:
        if isinstance(node, Inner):
            return self.inner(node)
        if isinstance(node, Call):
            return self.call(node)
        if isinstance(node, State):
            return self.literal(node.variable, node.state)
        defined = self.units.get(node.name)
        if defined is None:
            if node.negated and self.states[node.name] > 2:
                raise self.fail(
                    f"{node.name} has {self.states[node.name]} states: write [{node.name}=0]", node
                )
            return self.literal(node.name, int(not node.negated))
        if node.negated:
            raise self.fail(f"{node.name} is a unit: only variables are negated", node)
        return defined

    def inner(self, node: Inner) -> Expression:
        children: list[Expression] = []
        for term in node.terms:
            factors = [self.nodes[id(factor)] for factor in term.factors]
            children.append(factors[0] if len(factors) == 1 else build.Product(factors))
        if len(node.terms) == 1 and node.terms[0].weight is None:
            return children[0]
        weights = [1.0 if term.weight is None else term.weight for term in node.terms]
        return build.mix(weights, children)

    def literal(self, variable: str, state: int) -> Expression:
        states = self.states[variable]
        leaf = self.leaves.get((variable, state))
        if leaf is None:
            leaf = build.indicator(variable, state, states)
            name = ("¬" * (state == 0) + variable) if states == 2 else f"{variable}={state}"
            while name in self.said.names:
                name += "'"
            self.leaves[variable, state] = leaf.named(name)
        return leaf

    def call(self, node: Call) -> Expression:
        low, high, what = _ARGUMENTS[node.function]
        if not low <= len(node.arguments) <= high:
            raise self.fail(f"{node.function} needs {what}", node)
        first = node.arguments[0]
        try:
            if node.function == "N":
                return build.gaussian(node.variable, *node.arguments)
            if node.function == "Bern":
                return build.bernoulli(node.variable, first)
            if node.function == "Pois":
                return build.poisson(node.variable, first)
            if node.function == "Cat":
                return build.categorical(node.variable, node.arguments)
            if not (first.is_integer() and 1 <= first < 2**16):
                raise self.fail("the number of trials is a whole number from 1 to 65535", node)
            return build.binomial(node.variable, int(first), node.arguments[1])
        except (ParameterError, GraphError) as error:
            raise self.fail(error.message, node) from None


def _below(top: Node) -> list[Node]:
    """A node and all nodes below it, parents first, in the order of the text."""
    found: list[Node] = []
    stack = [top]
    while stack:
        node = stack.pop()
        found.append(node)
        stack += reversed(parts(node))
    return found
