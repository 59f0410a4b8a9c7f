"""The network polynomial of a small circuit, written out monomial by monomial.

A circuit computes S(e) as a polynomial in the indicators of its variables; expanded, it has one
term for each induced tree (one child of every sum, all children of every product), and terms with
the same indicators are added up (Poon & Domingos 2011, sec. 2). Leaves with probabilities are sums
over their states here; densities of real variables stay as factors.

Nothing is simplified: x·x is not x and x·¬x is not 0, because S(e) with unobserved variables sees
the difference. Such monomials are flagged "squared" and "contradiction". A decomposable circuit
has neither, a consistent one of indicators has no contradictions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal as Word
from typing import NamedTuple

import numpy as np
import torch

from pccore.errors import OptionError
from pccore.evidence import Evidence, evidence_rows
from pccore.graph import Circuit, LeafGroup, Unit
from pccore.leaves.base import LeafFamily

#: Monomials that are written out unless told otherwise.
LIMIT = 4096
#: Multiplications of two monomials that one expansion may take; about a second.
WORK = 2**18
#: Edges of a circuit that is looked through at all.
MAX_EDGES = 200_000
#: Largest degree of a monomial.
DEGREE = 1024

Flag = Word["multilinear", "squared", "contradiction"]


class Literal(NamedTuple):
    """The indicator [variable = state]."""

    variable: int
    state: int


class Density(NamedTuple):
    """The density of a real (or counting) leaf, which stays a symbol.

    parameters: of one unit, as stored.
    """

    variable: int
    family: LeafFamily
    parameters: tuple[float, ...]


Factor = Literal | Density
#: Factors with their exponents, sorted.
_Key = tuple[tuple[Factor, int], ...]
#: Coefficient and number of induced trees of each monomial of a unit.
_Terms = dict[_Key, tuple[float, int]]


@dataclass(frozen=True)
class Monomial:
    """One term: coefficient · product of factors.

    literals: indicators with their exponents, sorted by variable. densities: likewise. trees: how
    many induced trees were added up (a choice of a leaf's state counts as a branch).
    """

    coefficient: float
    literals: tuple[tuple[Literal, int], ...]
    densities: tuple[tuple[Density, int], ...]
    trees: int

    @property
    def flag(self) -> Flag:
        """ "contradiction" for two states of one variable, "squared" for a power."""
        variables = [literal.variable for literal, _ in self.literals]
        if len(set(variables)) < len(variables):
            return "contradiction"
        if any(exponent > 1 for _, exponent in (*self.literals, *self.densities)):
            return "squared"
        # Two densities of one variable are no power, but just as little a distribution.
        if len({density.variable for density, _ in self.densities}) < len(self.densities):
            return "squared"
        return "multilinear"

    @property
    def state(self) -> Mapping[int, int] | None:
        """The (partial) state that the literals write, by variable; None for a contradiction.

        The complete states that the monomial contributes to are those that agree with it.
        """
        if self.flag == "contradiction":
            return None
        return {literal.variable: literal.state for literal, _ in self.literals}

    @property
    def degree(self) -> int:
        """The number of factors, with repetitions."""
        return sum(exponent for _, exponent in (*self.literals, *self.densities))

    def covers(self, row: np.ndarray) -> bool:
        """Whether the literals are all 1 under evidence [V], NaN where nothing is observed."""
        return all(
            math.isnan(row[literal.variable]) or row[literal.variable] == literal.state
            for literal, _ in self.literals
        )

    def log_value(self, row: np.ndarray) -> float:
        """log of the monomial under evidence [V]; unobserved indicators and densities are 1."""
        if not self.covers(row) or self.coefficient == 0:
            return -math.inf
        total = math.log(self.coefficient)
        for density, exponent in self.densities:
            value = float(row[density.variable])
            if not math.isnan(value):
                params = torch.tensor(density.parameters, dtype=torch.float64)
                params = params.reshape(density.family.parameter_shape)
                x = torch.tensor(value, dtype=torch.float64)
                total += exponent * float(density.family.log_prob(x, params))
        return total


@dataclass(frozen=True)
class Polynomial:
    """The expansion of one root.

    monomials: sorted by their literals, the first variable first, x before ¬x.
    states: the number of states of each variable, None where not finite. scope: the variables
    below the root.
    """

    variables: tuple[str, ...]
    states: tuple[int | None, ...]
    scope: tuple[int, ...]
    monomials: tuple[Monomial, ...]

    @property
    def trees(self) -> int:
        """The number of induced trees of positive weight."""
        return sum(monomial.trees for monomial in self.monomials)

    @property
    def multilinear(self) -> bool:
        """Whether every monomial is."""
        return all(monomial.flag == "multilinear" for monomial in self.monomials)

    def covering(self, evidence: Mapping[str, float] | Sequence[float]) -> tuple[int, ...]:
        """Which monomials contribute to S(e), for evidence by name or [V] with NaN = missing."""
        row = self._row(evidence)
        return tuple(i for i, m in enumerate(self.monomials) if m.covers(row))

    def log_value(self, evidence: Mapping[str, float] | Sequence[float]) -> float:
        """log S(e), the sum of the monomials under the evidence."""
        row = self._row(evidence)
        values = np.array([m.log_value(row) for m in self.monomials] or [-math.inf])
        return float(np.logaddexp.reduce(values))

    def is_complete(self, monomial: Monomial) -> bool:
        """Whether the monomial writes one complete state of the finite variables in the scope."""
        state = monomial.state
        return state is not None and all(
            v in state for v in self.scope if self.states[v] is not None
        )

    def simplified(self) -> Polynomial:
        """With x·x = x and x·¬x = 0, as on complete states, where indicators are 0 or 1.

        The value is that of the circuit on every complete state; where it differs on partial
        evidence, the circuit is not a correct network polynomial. Powers of densities stay.
        """
        merged: dict[_Key, tuple[float, int]] = {}
        for m in self.monomials:
            if m.flag != "contradiction":
                key = (*((literal, 1) for literal, _ in m.literals), *m.densities)
                coefficient, trees = merged.get(key, (0.0, 0))
                merged[key] = (coefficient + m.coefficient, trees + m.trees)
        monomials = _monomials(merged, self.states)
        return Polynomial(self.variables, self.states, self.scope, monomials)

    def text(self, most: int | None = None, product: str = "·") -> str:
        """The sum in one line, `0.09·X1·¬X2 + ...`; after `most` monomials it is cut."""
        shown = self.monomials if most is None else self.monomials[:most]
        parts = [self.monomial_text(monomial, product) for monomial in shown]
        if len(shown) < len(self.monomials):
            parts.append(f"… ({len(self.monomials) - len(shown)} more)")
        return " + ".join(parts) or "0"

    def monomial_text(self, monomial: Monomial, product: str = "·") -> str:
        """`0.09·X1·¬X2`, `0.5·[X=2]²·N(Y; 0, 1)`; a coefficient of 1 is left out."""
        factors = [
            self.factor_text(factor) + _power(exponent)
            for factor, exponent in (*monomial.literals, *monomial.densities)
        ]
        if monomial.coefficient != 1 or not factors:
            factors.insert(0, f"{monomial.coefficient:.6g}")
        return product.join(factors)

    def factor_text(self, factor: Factor) -> str:
        """`X`, `¬X`, `[X=2]` or `N(X; 0, 1)`."""
        name = self.variables[factor.variable]
        if isinstance(factor, Density):
            numbers = ", ".join(f"{number:.6g}" for number in factor.parameters)
            symbol = "N" if factor.family.name == "gaussian" else factor.family.name
            return f"{symbol}({name}; {numbers})"
        if self.states[factor.variable] == 2:
            return name if factor.state == 1 else f"¬{name}"
        return f"[{name}={factor.state}]"

    def _row(self, evidence: Mapping[str, float] | Sequence[float]) -> np.ndarray:
        row = np.full(len(self.variables), np.nan)
        if not isinstance(evidence, Mapping):
            row[:] = np.asarray(evidence, dtype=np.float64).reshape(-1)
            return row
        positions = {name: v for v, name in enumerate(self.variables)}
        for name, value in evidence.items():
            if name not in positions:
                raise OptionError(f"the polynomial has no variable {name!r}")
            row[positions[name]] = value
        return row


def network_polynomial(circuit: Circuit, root: int = 0, limit: int = LIMIT) -> Polynomial:
    """Expand one root of a small circuit into monomials.

    Works for every circuit with legal parameters, valid or not. Terms of weight zero are left out.

    Raises OptionError where there are more than `limit` monomials (a unit never has more than the
    units above it, so this is found early), a degree above DEGREE, or more than MAX_EDGES edges;
    NotFoundError for a root that does not exist; ParameterError for illegal parameters.
    """
    if limit < 1:
        raise OptionError(f"a polynomial of at most {limit} monomials cannot be written")
    top = circuit.root_unit(root)
    circuit.validate_params()
    budget = _Budget(limit)
    if circuit.num_edges > MAX_EDGES:
        budget.refuse(f"it has {circuit.num_edges} edges, more than {MAX_EDGES}")
    order = _needed(circuit, top)
    terms: dict[Unit, _Terms] = {}
    for unit in order:
        group = circuit.groups[unit.group]
        if group.kind == "leaf":
            found = _leaf_terms(circuit, group, unit, budget)
        else:
            edges = circuit.children(unit)
            if group.kind == "sum":
                found = _sum_terms([(e.weight or 0.0, terms[e.child]) for e in edges if e.weight])
            else:
                found = {(): (1.0, 1)}
                for edge in edges:
                    found = _product_terms(found, terms[edge.child], budget)
                    budget.check(found, circuit.unit_name(unit))
        budget.check(found, circuit.unit_name(unit))
        terms[unit] = found
    domains = circuit.domains
    states = tuple(
        domains[v].states if v in domains else None for v in range(len(circuit.variables))
    )
    scope = tuple(circuit.scopes[top.group])
    return Polynomial(circuit.variables, states, scope, _monomials(terms[top], states))


def as_evidence(circuit: Circuit, evidence: Evidence) -> np.ndarray:
    """Evidence in any form as the row [V] that polynomials take. Raises EvidenceError."""
    return evidence_rows(circuit, evidence)[0].numpy()


# -- expanding ------------------------------------------------------------------------------


@dataclass
class _Budget:
    limit: int
    work: int = WORK

    def spend(self, pairs: int) -> None:
        self.work -= pairs
        if self.work < 0:
            self.refuse(f"it takes more than {WORK} multiplications")

    def check(self, terms: _Terms, name: str) -> None:
        if len(terms) > self.limit:
            self.refuse(f"unit {name} alone has more than {self.limit} monomials")

    def refuse(self, why: str) -> None:
        raise OptionError(
            f"the circuit is too large to be written as a polynomial: {why}",
            hint="take a smaller circuit, or a unit further down",
        )


def _needed(circuit: Circuit, top: Unit) -> list[Unit]:
    """The units that edges of positive weight reach from `top`, children first."""
    seen = {top}
    stack = [top]
    while stack:
        unit = stack.pop()
        group = circuit.groups[unit.group]
        if group.kind == "leaf":
            continue
        for edge in circuit.children(unit):
            if edge.weight != 0 and edge.child not in seen:
                seen.add(edge.child)
                stack.append(edge.child)
    return sorted(seen)


def _leaf_terms(circuit: Circuit, group: LeafGroup, unit: Unit, budget: _Budget) -> _Terms:
    """A factorised leaf is a product over its variables of sums over their states."""
    params = circuit.params[group.parameter].detach().cpu().double()
    found: _Terms = {(): (1.0, 1)}
    for j, v in enumerate(group.variables):
        own = params[j, unit.index]
        single: _Terms
        if group.family.support.states is None:
            density = Density(v, group.family, tuple(own.reshape(-1).tolist()))
            single = {((density, 1),): (1.0, 1)}
        else:
            chances = group.family.probabilities(own).reshape(-1).tolist()
            single = {((Literal(v, c), 1),): (p, 1) for c, p in enumerate(chances) if p > 0}
        found = _product_terms(found, single, budget)
        budget.check(found, circuit.unit_name(unit))
    return found


def _sum_terms(weighted: Iterable[tuple[float, _Terms]]) -> _Terms:
    found: _Terms = {}
    for weight, terms in weighted:
        for key, (coefficient, trees) in terms.items():
            before, count = found.get(key, (0.0, 0))
            found[key] = (before + weight * coefficient, count + trees)
    return found


def _product_terms(left: _Terms, right: _Terms, budget: _Budget) -> _Terms:
    budget.spend(len(left) * len(right))
    found: _Terms = {}
    for key, (coefficient, trees) in left.items():
        for other, (factor, more) in right.items():
            joint = _times(key, other)
            if sum(exponent for _, exponent in joint) > DEGREE:
                budget.refuse(f"a monomial has a degree above {DEGREE}")
            before, count = found.get(joint, (0.0, 0))
            found[joint] = (before + coefficient * factor, count + trees * more)
    return found


def _times(left: _Key, right: _Key) -> _Key:
    if not left or not right:
        return left or right
    exponents = dict(left)
    for factor, exponent in right:
        exponents[factor] = exponents.get(factor, 0) + exponent
    return tuple(sorted(exponents.items(), key=_order))


def _order(item: tuple[Factor, int]) -> tuple[int, int, int, str, tuple[float, ...]]:
    """Literals first, by variable and state; then densities."""
    factor = item[0]
    if isinstance(factor, Density):
        return (1, factor.variable, 0, factor.family.name, factor.parameters)
    return (0, factor.variable, factor.state, "", ())


def _monomials(terms: _Terms, states: Sequence[int | None]) -> tuple[Monomial, ...]:
    def sign(literal: Literal) -> int:
        # x comes before ¬x as in the paper, [X=0] before [X=1].
        return -literal.state if states[literal.variable] == 2 else literal.state

    found: list[Monomial] = []
    for key, (coefficient, trees) in terms.items():
        pairs = [(f, n) for f, n in key if isinstance(f, Literal)]
        literals = tuple(sorted(pairs, key=lambda pair: (pair[0].variable, sign(pair[0]))))
        densities = tuple((f, n) for f, n in key if isinstance(f, Density))
        found.append(Monomial(coefficient, literals, densities, trees))

    def reading(m: Monomial) -> tuple[object, ...]:
        signs = [(literal.variable, sign(literal), n) for literal, n in m.literals]
        return (signs, [(*_order(item), item[1]) for item in m.densities])

    return tuple(sorted(found, key=reading))


def _power(exponent: int) -> str:
    digits = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    return "" if exponent == 1 else str(exponent).translate(digits)
