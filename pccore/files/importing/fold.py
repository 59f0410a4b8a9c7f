"""Nodes without constants, and smooth if asked for.

Logic circuits hold true and false, and forget variables that do not matter below a node. Here
true and false are folded into their parents, and what a child of a sum lacks is multiplied in: for
each variable the sum of its indicators, weight 1 each, so that missing values count all states
(Darwiche 2003, "A differential approach to inference in Bayesian networks", sec. 3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pccore.errors import FileError
from pccore.files.base import Limits
from pccore.files.importing.assemble import reachable
from pccore.files.importing.lines import LARGEST_LOG
from pccore.files.importing.nodes import LEAF, PRODUCT, Nodes
from pccore.files.importing.scopes import Scopes, spread
from pccore.leaves.indicator import Indicator

#: More variables than this are a product of products, so that equal parts are shared.
_FLAT = 8
#: Factors of products that were opened; what overlaps beyond is left as it is.
_OPENINGS = 1_000_000


@dataclass(frozen=True, slots=True)
class Folded:
    """What became of a node: exp(log_factor) * node; node -1 is the constant 1."""

    node: int
    log_factor: float = 0.0

    @property
    def is_zero(self) -> bool:
        """Whether this is the constant 0."""
        return self.log_factor == -math.inf


_ONE, _ZERO = Folded(-1), Folded(-1, -math.inf)


class Folder:
    """Rewrites nodes into new ones.

    idempotent: a product may list a child twice and means it once, as in logic. categories: of
    the variables that are multiplied in; None where nothing is, and a circuit that is not smooth
    stays so.
    """

    def __init__(self, limits: Limits, *, idempotent: bool, categories: int | None) -> None:
        self.nodes = Nodes(limits)
        self.scopes = Scopes(limits)
        self.scope_of: list[int] = []
        self.idempotent = idempotent
        self.categories = categories
        self._openings = _OPENINGS
        self._log_weights: dict[tuple[int, int], float] = {}
        self._weighed: dict[int, int] = {}
        self._all_states: dict[tuple[int, int], int] = {}

    def weigh(self, log_weights: Mapping[int, float]) -> None:
        """Give literals weights: +v and -v are the states 1 and 0 of variable v - 1."""
        self._log_weights = {
            (abs(literal) - 1, int(literal > 0)): weight for literal, weight in log_weights.items()
        }

    def fold(self, old: Nodes, root: int, over: int = 0) -> tuple[Nodes, int]:
        """The new nodes and their root; with `categories` its scope holds at least the bits `over`.

        Raises FileError for a circuit that is a constant over no variable, or too large.
        """
        if over and over.bit_length() ** 2 // 2 > self.scopes.room:
            raise FileError(f"{over.bit_length()} variables are too many for a smooth circuit")
        live = reachable(old, root)
        became = [_ONE] * len(old)
        for node, kind in enumerate(old.kinds):
            if not live[node]:
                continue
            if kind == LEAF:
                became[node] = Folded(self._leaf(old, old.leaf[node]))
                continue
            edges = slice(old.offsets[node], old.offsets[node + 1])
            below = [became[child] for child in old.children[edges]]
            if kind == PRODUCT:
                became[node] = self._product(below)
            else:
                became[node] = self._sum(below, list(old.log_weights[edges]))
        return self.nodes, self._finish(became[root], over)

    def _leaf(self, old: Nodes, leaf: int) -> int:
        family, variable = old.families[old.leaf_family[leaf]], old.leaf_variable[leaf]
        if isinstance(family, Indicator):
            return self._literal(variable, int(old.leaf_values[leaf][0]), family.categories)
        self.scope_of.append(self.scopes.number(1 << variable))
        return self.nodes.add_leaf(family, variable, old.leaf_values[leaf])

    def _add_product(self, children: list[int]) -> int:
        self.scope_of.append(self.scopes.union(self.scope_of[child] for child in children))
        return self.nodes.add_product(children)

    def _add_sum(self, children: list[int], log_weights: list[float]) -> int:
        if max(log_weights) > LARGEST_LOG:
            raise FileError(f"a weight of exp({max(log_weights):g}) is too large")
        self.scope_of.append(self.scopes.union(self.scope_of[child] for child in children))
        return self.nodes.add_sum(children, log_weights)

    def _product(self, below: list[Folded]) -> Folded:
        if any(child.is_zero for child in below):
            return _ZERO
        log_factor = sum(child.log_factor for child in below)
        children = [child.node for child in below if child.node >= 0]
        if self.idempotent:
            children = self._once(children)
        if len(children) > 1:
            return Folded(self._add_product(children), log_factor)
        return Folded(children[0] if children else -1, log_factor)

    def _once(self, children: list[int]) -> list[int]:
        """The conjuncts, each once. d4 lists literals that a conjunct below lists as well: what
        overlaps and is a product is replaced by its factors, and (x or not x) is dropped."""
        children = list(dict.fromkeys(children))
        while twice := self._overlap(children):
            opened = self._opened(children, twice)
            if opened is None:
                if self._log_weights:
                    raise FileError("a conjunction is not decomposable: weights would count twice")
                break
            children = opened
        return children

    def _overlap(self, children: list[int]) -> int:
        """The variables, as bits, of more than one child."""
        seen = twice = 0
        for child in children:
            bits = self.scopes.bits[self.scope_of[child]]
            twice |= seen & bits
            seen |= bits
        return twice

    def _opened(self, children: list[int], twice: int) -> list[int] | None:
        """The conjuncts with those that overlap opened once; None where nothing can be opened."""
        nodes, flat = self.nodes, dict[int, None]()
        opened = False
        for child in children:
            bits = self.scopes.bits[self.scope_of[child]]
            overlaps = bits & twice
            if overlaps == bits and self._all_states.get(spread(bits)) == child:
                opened = True  # true, whatever the state
                continue
            if overlaps and nodes.kinds[child] == PRODUCT:
                opened = True
                edges = slice(nodes.offsets[child], nodes.offsets[child + 1])
                flat.update(dict.fromkeys(nodes.children[edges]))
            else:
                flat[child] = None
        self._openings -= len(flat)
        if self._openings < 0:
            return None
        return list(flat) if opened else None

    def _sum(self, below: list[Folded], log_weights: list[float]) -> Folded:
        terms = [
            (child.node, weight + child.log_factor)
            for child, weight in zip(below, log_weights, strict=True)
            if not child.is_zero
        ]
        if not terms:
            return _ZERO
        if all(node < 0 for node, _ in terms):
            top = max(weight for _, weight in terms)
            if top == -math.inf:
                return _ZERO
            return Folded(-1, top + math.log(sum(math.exp(w - top) for _, w in terms)))
        if self.idempotent and len(terms) == 1:
            return Folded(*terms[0])
        whole = self.scopes.union(self.scope_of[node] for node, _ in terms if node >= 0)
        if self._is_all(terms, whole):
            return Folded(self._states_of(self.scopes.bits[whole]))
        children = [self._completed(node, whole) for node, _ in terms]
        return Folded(self._add_sum(children, [weight for _, weight in terms]))

    def _is_all(self, terms: list[tuple[int, float]], whole: int) -> bool:
        """Whether the terms are the indicators of all states of one variable, weight 1 each."""
        return (
            self.categories is not None
            and self.scopes.bits[whole].bit_count() == 1
            and len({node for node, _ in terms}) == len(terms) == self.categories
            and all(w == 0 and n >= 0 and self.nodes.kinds[n] == LEAF for n, w in terms)
        )

    def _completed(self, node: int, whole: int) -> int:
        """The node times what it lacks of a scope."""
        own = self.scopes.bits[self.scope_of[node]] if node >= 0 else 0
        lacks = self.scopes.bits[whole] & ~own
        if self.categories is None or not lacks:
            if node < 0:
                raise FileError(
                    "a constant is added to a function of variables",
                    hint="multiply it by the sum of the indicators of each variable",
                )
            return node
        factor = self._states_of(lacks)
        return factor if node < 0 else self._add_product([node, factor])

    def _states_of(self, lacks: int) -> int:
        """The product over some variables of the sum of their indicators."""
        key = spread(lacks)
        found = self._all_states.get(key)
        if found is None:
            found = self._all_states[key] = self._all_states_node(lacks)
        return found

    def _all_states_node(self, lacks: int) -> int:
        assert self.categories is not None
        count = lacks.bit_count()
        if count == 1:
            variable = lacks.bit_length() - 1
            states = range(self.categories)
            literals = [self._literal(variable, state, self.categories) for state in states]
            return self._add_sum(literals, [0.0] * len(literals))
        if count <= _FLAT:
            single: list[int] = []
            while lacks:
                single.append(lacks & -lacks)
                lacks &= lacks - 1
            return self._add_product([self._states_of(one) for one in single])
        # Halves of fixed places rather than of the set: other sets have the same parts.
        width = 1 << (lacks.bit_length() - 1).bit_length() - 1
        low = lacks & ((1 << width) - 1)
        while not low:
            width += (lacks.bit_length() - width) // 2
            low = lacks & ((1 << width) - 1)
        return self._add_product([self._states_of(low), self._states_of(lacks ^ low)])

    def _literal(self, variable: int, state: int, categories: int) -> int:
        node = self.nodes.literal(variable, state, categories)
        if node == len(self.scope_of):
            self.scope_of.append(self.scopes.number(1 << variable))
        weight = self._log_weights.get((variable, state), 0.0)
        if not weight:
            return node
        if node not in self._weighed:
            self._weighed[node] = self._add_sum([node], [weight])
        return self._weighed[node]

    def _finish(self, top: Folded, over: int) -> int:
        node, own = top.node, self.scopes.bits[self.scope_of[top.node]] if top.node >= 0 else 0
        lacks = over & ~own if self.categories is not None else 0
        if lacks:
            factor = self._states_of(lacks)
            node = factor if node < 0 else self._add_product([node, factor])
        if node < 0:
            raise FileError("the circuit is a constant: it has no variables")
        if top.log_factor:
            node = self._add_sum([node], [top.log_factor])
        return node
