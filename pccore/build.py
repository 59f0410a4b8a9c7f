"""Circuits as expressions: leaves, `*` for products, `w * e + w * e` for sums.

    from pccore.build import bernoulli, circuit
    a, b = bernoulli("X1", 0.6), bernoulli("X2", 0.3)
    model = circuit(0.5 * (a * b) + 0.5 * (bernoulli("X1", 0.9) * b))

An expression used twice becomes one shared unit. Nothing is checked for smoothness or
decomposability here: a broken circuit is a circuit too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pccore.errors import GraphError, ParameterError
from pccore.graph import Circuit, Group, Json, LeafGroup, ProductGroup, SumGroup
from pccore.leaves.base import LeafFamily
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.indicator import Indicator
from pccore.leaves.poisson import Poisson


class Expression:
    """A node under construction; identity, not equality, decides what is shared."""

    name: str | None = None

    def __mul__(self, other: Expression) -> Product:
        if not isinstance(other, Expression):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        return product(self, other)

    def __rmul__(self, weight: float) -> Terms:
        return Terms(((float(weight), self),))

    def named(self, name: str) -> Expression:
        """The same expression under a name that survives into the circuit."""
        self.name = name
        return self


@dataclass(frozen=True)
class Terms:
    """A weighted sum that may still grow: `0.4 * a + 0.6 * b`."""

    terms: tuple[tuple[float, Expression], ...]

    def __add__(self, other: Terms | Expression) -> Terms:
        more = other.terms if isinstance(other, Terms) else ((1.0, other),)
        return Terms(self.terms + more)

    def __radd__(self, other: Expression) -> Terms:
        return Terms(((1.0, other), *self.terms))

    def __mul__(self, other: Expression | Terms) -> Product:
        return product(self, other)

    def __rmul__(self, factor: float | Expression) -> Terms | Product:
        if isinstance(factor, Expression):
            return product(factor, self)
        return Terms(((float(factor), self.as_sum()),))

    def as_sum(self) -> Sum:
        """The finished sum unit (a new one at each call; keep it to share it)."""
        return Sum(self.terms)

    def named(self, name: str) -> Expression:
        """The finished sum under a name."""
        return self.as_sum().named(name)


class Leaf(Expression):
    """One univariate leaf."""

    def __init__(self, variable: str, family: LeafFamily, params: Tensor) -> None:
        self.variable = variable
        self.family = family
        self.params = params


class Product(Expression):
    """A product unit."""

    def __init__(self, children: Sequence[Expression]) -> None:
        self.children = tuple(children)


class Sum(Expression):
    """A sum unit with linear weights."""

    def __init__(self, terms: Sequence[tuple[float, Expression]]) -> None:
        self.terms = tuple(terms)


def bernoulli(variable: str, p: float) -> Leaf:
    """Leaf with P(variable = 1) = p."""
    return _leaf(variable, Bernoulli(), p)


def categorical(variable: str, probabilities: Sequence[float]) -> Leaf:
    """Leaf with P(variable = c) = probabilities[c]."""
    return _leaf(variable, Categorical(len(probabilities)), list(probabilities))


def binomial(variable: str, trials: int, p: float) -> Leaf:
    """Leaf counting successes in `trials` draws of probability p."""
    return _leaf(variable, Binomial(trials), p)


def poisson(variable: str, rate: float) -> Leaf:
    """Leaf counting 0, 1, 2, ... with the mean `rate`."""
    return _leaf(variable, Poisson(), rate)


def gaussian(variable: str, mean: float, variance: float) -> Leaf:
    """Leaf N(mean, variance)."""
    return _leaf(variable, Gaussian(), [mean, variance])


def indicator(variable: str, state: int = 1, categories: int = 2) -> Leaf:
    """Leaf [variable = state], as in the SPN paper's x and x-bar."""
    return _leaf(variable, Indicator(categories), float(state))


def _leaf(variable: str, family: LeafFamily, value: float | list[float]) -> Leaf:
    params = torch.tensor(value, dtype=torch.float64)
    try:
        family.validate(params)
    except ParameterError as error:
        raise ParameterError(error.message, where=f"leaf over {variable}") from None
    return Leaf(variable, family, params)


def product(*factors: Expression | Terms) -> Product:
    """Product of the factors; an unnamed product among them is flattened into it."""
    children: list[Expression] = []
    for factor in factors:
        expression = factor.as_sum() if isinstance(factor, Terms) else factor
        if isinstance(expression, Product) and expression.name is None:
            children += expression.children
        else:
            children.append(expression)
    return Product(children)


def mix(weights: Sequence[float], children: Sequence[Expression | Terms]) -> Sum:
    """Sum of `children` with the given linear weights."""
    if len(weights) != len(children):
        raise GraphError(f"{len(weights)} weights for {len(children)} children")
    finished = [c.as_sum() if isinstance(c, Terms) else c for c in children]
    return Sum([(float(w), c) for w, c in zip(weights, finished, strict=True)])


def circuit(
    root: Expression | Terms | Sequence[Expression | Terms],
    variables: Sequence[str] | None = None,
    meta: Mapping[str, Json] | None = None,
) -> Circuit:
    """The circuit of one expression, or of several roots that share structure.

    variables: the order of the data columns; by default the order of first appearance.
    Groups have size 1, parameters are float64 and stored under the group's name.
    Raises GraphError for a leaf over a variable that `variables` does not list.
    """
    given = [root] if isinstance(root, Expression | Terms) else list(root)
    tops = [top.as_sum() if isinstance(top, Terms) else top for top in given]
    order = _children_first(tops)
    if variables is None:
        variables = list(dict.fromkeys(e.variable for e in order if isinstance(e, Leaf)))
    columns = {name: v for v, name in enumerate(variables)}
    names = _names(order)
    position = {id(e): i for i, e in enumerate(order)}
    groups: list[Group] = []
    params: dict[str, Tensor] = {}
    for e, name in zip(order, names, strict=True):
        if isinstance(e, Leaf):
            if e.variable not in columns:
                raise GraphError(f"leaf over {e.variable!r}, which is not a variable", where=name)
            groups.append(LeafGroup(name, 1, e.family, (columns[e.variable],), name))
            params[name] = e.params.reshape(1, 1, *e.family.parameter_shape)
        elif isinstance(e, Sum):
            inputs = tuple(position[id(child)] for _, child in e.terms)
            groups.append(SumGroup(name, 1, inputs, name))
            params[name] = torch.tensor([[w for w, _ in e.terms]], dtype=torch.float64)
        elif isinstance(e, Product):
            groups.append(ProductGroup(name, 1, tuple(position[id(c)] for c in e.children)))
    return Circuit(groups, [(position[id(top)], 0) for top in tops], variables, params, meta)


def _children(e: Expression) -> tuple[Expression, ...]:
    if isinstance(e, Product):
        return e.children
    return tuple(child for _, child in e.terms) if isinstance(e, Sum) else ()


def _children_first(tops: Sequence[Expression]) -> list[Expression]:
    """Depth-first post-order without recursion; each object once."""
    order: list[Expression] = []
    done = set[int]()
    stack: list[tuple[Expression, bool]] = [(top, False) for top in reversed(tops)]
    while stack:
        e, expanded = stack.pop()
        if id(e) in done:
            continue
        if expanded:
            done.add(id(e))
            order.append(e)
        else:
            stack.append((e, True))
            stack += [(child, False) for child in reversed(_children(e))]
    return order


def _names(order: Sequence[Expression]) -> list[str]:
    """Given names, else s1, p1, x1 ... by kind, skipping what is taken."""
    taken = {e.name for e in order if e.name}
    counters = {"s": 0, "p": 0, "x": 0}
    names: list[str] = []
    for e in order:
        if e.name:
            names.append(e.name)
            continue
        letter = "s" if isinstance(e, Sum) else "p" if isinstance(e, Product) else "x"
        counters[letter] += 1
        while f"{letter}{counters[letter]}" in taken:
            counters[letter] += 1
        names.append(f"{letter}{counters[letter]}")
    return names
