"""From a circuit to its formula."""

from __future__ import annotations

import re
from collections import Counter

from pccore.errors import OptionError
from pccore.formula.lexer import tokens
from pccore.formula.syntax import FUNCTIONS
from pccore.graph import Circuit, LeafGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.indicator import Indicator
from pccore.leaves.poisson import Poisson

#: More units than this are no formula that anyone reads.
MAX_UNITS = 2000
#: Longer expressions are split into named parts.
MAX_WIDTH = 400
_AUTOMATIC = re.compile(r"[spx]\d+")
_LINE = 96


def format_formula(circuit: Circuit) -> str:
    """The formula of a circuit; `parse_formula` gives back the same function.

    Units are written in place where they are used once and have no name of their own (s1, p2, x3
    are none); others get a line. Units of larger groups are written one by one, factorised leaves
    as products; equal literals become one leaf. Ties between parameters are not kept.

    Raises OptionError for more than MAX_UNITS units, ParameterError for illegal parameters.
    """
    if circuit.num_units > MAX_UNITS:
        raise OptionError(
            f"the circuit has {circuit.num_units} units, too many for a formula "
            f"(at most {MAX_UNITS})"
        )
    circuit.validate_params()
    return _Printer(circuit).text()


class _Printer:
    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.units = [Unit(g, k) for g, one in enumerate(circuit.groups) for k in range(one.size)]
        self.uses = Counter(edge.child for unit in self.units for edge in circuit.children(unit))
        self.taken = {*circuit.variables, *FUNCTIONS, "variables", "roots", "in"}
        self.written: dict[Unit, str] = {}  # as a factor
        self.lines: list[str] = []

    def text(self) -> str:
        circuit = self.circuit
        single = len(circuit.roots) == 1
        root_line = ""
        for unit in self.units:
            body, atom = self.body(unit)
            if self.is_literal(unit) and unit not in circuit.roots:
                self.written[unit] = body
            elif single and unit == circuit.root and not self.uses[unit] and not self.named(unit):
                root_line = body
            elif self.needs_line(unit, body):
                name = self.name(unit)
                self.lines.append(f"{name} = {self.wrapped(body)}")
                self.written[unit] = name
            else:
                self.written[unit] = body if atom else f"({body})"
        if single and circuit.root not in self.written:
            self.lines.append(self.wrapped(root_line))
        else:
            last = self.lines[-1].partition(" = ")[0] if self.lines else ""
            names = [self.written[root] for root in circuit.roots]
            if names != [last]:
                self.lines.append(f"roots: {', '.join(names)}")
        return "\n".join([*self.head(), *self.lines]) + "\n"

    def head(self) -> list[str]:
        """Notes, the order of the variables, states that the text would not tell."""
        notes = [
            f"# {key}: {' '.join(value.split())}"
            for key in ("title", "story")
            if isinstance(value := self.circuit.meta.get(key), str) and value.strip()
        ]
        found = [
            f"variables: {', '.join(quoted(name) for name in self.circuit.variables)}",
            *(
                f"{quoted(self.circuit.variables[v])} in {{0..{states - 1}}}"
                for v, states in self.declared().items()
            ),
        ]
        listed = self.mentioned() != list(range(len(self.circuit.variables)))
        return [*notes, *(found if listed else found[1:])]

    def mentioned(self) -> list[int]:
        """Variables in the order in which the text mentions them."""
        names = {quoted(name): v for v, name in enumerate(self.circuit.variables)}
        order: dict[int, None] = {}
        text = "\n".join(self.lines)
        for token in tokens(text):
            spelled = quoted(token.text) if token.kind in ("name", "quoted") else ""
            if spelled in names and not token.negated:
                order.setdefault(names[spelled], None)
        return list(order)

    def declared(self) -> dict[int, int]:
        """Variables whose literals say less states than they have."""
        said: dict[int, int] = {}
        for unit in self.units:
            group = self.circuit.groups[unit.group]
            if not isinstance(group, LeafGroup):
                continue
            if self.is_literal(unit) and not self.uses[unit] and unit not in self.circuit.roots:
                continue  # literals are written where they are used, this one nowhere
            known = group.family.support.states or 2
            if isinstance(group.family, Indicator):
                stored = self.circuit.params[group.parameter][:, unit.index]
                known = max(2, int(stored.max()) + 1)
            for v in group.variables:
                said[v] = max(said.get(v, 2), known)
        return {
            v: states
            for v, domain in sorted(self.circuit.domains.items())
            if (states := domain.states) is not None and states > said.get(v, 2)
        }

    # -- units -----------------------------------------------------------------------------------

    def named(self, unit: Unit) -> bool:
        """Whether somebody gave the unit its name."""
        if self.is_literal(unit):
            return False
        return not _AUTOMATIC.fullmatch(self.circuit.unit_name(unit))

    def is_literal(self, unit: Unit) -> bool:
        group = self.circuit.groups[unit.group]
        return (
            isinstance(group, LeafGroup)
            and isinstance(group.family, Indicator)
            and len(group.variables) == 1
        )

    def needs_line(self, unit: Unit, body: str) -> bool:
        unreached = not self.uses[unit]
        shared = self.uses[unit] > 1 or unit in self.circuit.roots
        return unreached or shared or self.named(unit) or len(body) > MAX_WIDTH

    def name(self, unit: Unit) -> str:
        name = self.circuit.unit_name(unit).replace("`", "'").replace("\n", " ")
        while name in self.taken:
            name += "'"
        self.taken.add(name)
        return quoted(name)

    def body(self, unit: Unit) -> tuple[str, bool]:
        """The expression of a unit, and whether it can be a factor as it is."""
        group = self.circuit.groups[unit.group]
        if isinstance(group, LeafGroup):
            factors = [self.leaf(group, j, unit.index) for j in range(len(group.variables))]
            return "*".join(factors), len(factors) == 1
        edges = self.circuit.children(unit)
        if group.kind == "product":
            factors = [self.written[edge.child] for edge in edges]
            # A product of one factor, and a leaf that is written as one, keep their parentheses.
            return "*".join(factors), False
        alone = len(edges) == 1
        return " + ".join(self.term(edge.weight or 0.0, edge.child, alone) for edge in edges), False

    def term(self, weight: float, child: Unit, alone: bool) -> str:
        text = self.written[child]
        product = self.circuit.groups[child.group].kind == "product"
        if product and text.startswith("(") and text.endswith(")") and self.open(text[1:-1]):
            text = text[1:-1]
        return text if weight == 1.0 and not alone else f"{_number(weight)}*{text}"

    def open(self, inside: str) -> bool:
        """Whether a product's text may stand in a term: it must not be a single factor."""
        depth = 0
        for character in inside:
            depth += (character == "(") - (character == ")")
            if character == "*" and depth == 0:
                return True
        return False

    def leaf(self, group: LeafGroup, place: int, index: int) -> str:
        variable = quoted(self.circuit.variables[group.variables[place]])
        bare = variable in FUNCTIONS
        variable = f"`{variable}`" if bare else variable
        stored = self.circuit.params[group.parameter][place, index].detach().double()
        values: list[float] = stored.reshape(-1).tolist()
        match group.family:
            case Indicator():
                states = self.circuit.domain(group.variables[place]).states
                if states == 2:
                    return variable if values[0] == 1 else f"!{variable}"
                return f"[{variable}={int(values[0])}]"
            case Bernoulli():
                return f"Bern({variable}; {_number(values[0])})"
            case Gaussian():
                return f"N({variable}; {_number(values[0])}, {_number(values[1])})"
            case Categorical():
                return f"Cat({variable}; {', '.join(map(_number, values))})"
            case Binomial(trials=trials):
                return f"Binom({variable}; {trials}, {_number(values[0])})"
            case Poisson():
                return f"Pois({variable}; {_number(values[0])})"
            case _:
                raise OptionError(f"{group.family.name} leaves have no notation", where=group.name)

    def wrapped(self, body: str) -> str:
        """One term a line where the whole is long."""
        if len(body) <= _LINE:
            return body
        lines, depth, start = [], 0, 0
        for i, character in enumerate(body):
            depth += (character == "(") - (character == ")")
            if depth == 0 and body.startswith(" + ", i):
                lines.append(body[start:i])
                start = i + 1
        return "\n    ".join([*lines, body[start:]])


def quoted(name: str) -> str:
    """The name, in backticks where it would read as something else."""
    try:
        (token, _) = tokens(name)
    except (ValueError, TypeError):
        return f"`{name}`"
    plain = token.kind == "name" and token.text == name and not token.negated
    special = name in FUNCTIONS or name in ("in", "variables", "roots")
    return name if plain and not special else f"`{name}`"


def _number(value: float) -> str:
    text = repr(float(value))
    return text.removesuffix(".0")
