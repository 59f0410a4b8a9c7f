"""Random circuits and evidence for every test: plain generators from a seed, and hypothesis
strategies on top of them.

    random_circuit(seed, variables=4)            smooth and decomposable
    random_broken(seed, "smooth")                one clause broken, with what and where
    random_evidence(rng, circuit, rows=3)        float64 [rows, V], NaN where missing
    @given(circuits(deterministic=True))         the same, under hypothesis
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from hypothesis import strategies as st

from pccore.build import circuit as assemble
from pccore.build import indicator, product
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from tests.random_circuits import ALL_FAMILIES, Recipe, random_circuit

__all__ = [
    "ALL_FAMILIES",
    "CLAUSES",
    "SEEDS",
    "Broken",
    "Recipe",
    "broken_circuits",
    "circuits",
    "circuits_and_evidence",
    "random_broken",
    "random_circuit",
    "random_evidence",
    "random_graph",
]

# -- broken circuits ---------------------------------------------------------------------

#: The clauses `random_broken` can break.
CLAUSES = ("smooth", "decomposable", "weights", "normalized", "reachable")


@dataclass(frozen=True)
class Broken:
    """A circuit with one clause broken: which, at which group, on which variable."""

    circuit: Circuit
    clause: str
    group: int
    variable: int | None = None


def random_broken(seed: int, clause: str, **options: object) -> Broken:
    """A random circuit in which exactly `clause` (one of CLAUSES) was broken at one group.

    "decomposable" breaks consistency, too: the added leaf has every state.
    """
    rng = np.random.default_rng(seed)
    for attempt in range(200):
        circuit = random_circuit(seed + attempt, **options)
        broken = _break(circuit, clause, rng)
        if broken is not None:
            return broken
    raise AssertionError(f"no circuit found in which {clause} can be broken")


def _break(circuit: Circuit, clause: str, rng: np.random.Generator) -> Broken | None:
    if clause in ("smooth", "decomposable"):
        return _break_scope(circuit, clause, rng)
    if clause == "reachable":
        name = "dead"
        dead = LeafGroup(name, 1, Bernoulli(), (0,), name)
        params = circuit.params.updated({name: torch.full((1, 1), 0.5, dtype=torch.float64)})
        groups = [*circuit.groups, dead]
        wider = Circuit(groups, circuit.roots, circuit.variables, params, circuit.meta)
        return Broken(wider, clause, len(circuit.groups), 0)
    live = _live(circuit)
    sums = [g for g in live if circuit.groups[g].kind == "sum"]
    if not sums:
        return None
    position = int(rng.choice(sums))
    group = circuit.groups[position]
    assert isinstance(group, SumGroup)
    weights = circuit.params[group.parameter].clone()
    if clause == "normalized":
        weights = weights * 2.5
    else:
        spoil = [-0.25, float("nan"), float("inf")][int(rng.integers(3))]
        weights.view(-1)[int(rng.integers(weights.numel()))] = spoil
    changed = circuit.with_params(circuit.params.updated({group.parameter: weights}))
    return Broken(changed, clause, position)


def _live(circuit: Circuit) -> list[int]:
    """The groups below the roots."""
    live = {root.group for root in circuit.roots}
    for g in range(len(circuit.groups) - 1, -1, -1):
        if g in live:
            live.update(circuit.groups[g].inputs)
    return sorted(live)


def _break_scope(circuit: Circuit, clause: str, rng: np.random.Generator) -> Broken | None:
    """Give one sum or product an extra input: a leaf over one variable of its scope."""
    kind = "sum" if clause == "smooth" else "product"
    usable = [
        g
        for g in _live(circuit)
        if (group := circuit.groups[g]).kind == kind
        and not isinstance(group.edges, SparseEdges)
        and len(circuit.scopes[g]) >= 2
    ]
    if not usable:
        return None
    position = int(rng.choice(usable))
    group = circuit.groups[position]
    assert isinstance(group, SumGroup | ProductGroup)
    variable = int(rng.choice(list(circuit.scopes[position])))
    size = group.size if group.edges in ("elementwise", "hadamard") else 1
    support = circuit.domain(variable)
    family = Gaussian() if support.kind == "real" else Categorical(support.states or 2)
    extra = LeafGroup("extra", size, family, (variable,), "extra")
    values = family.initial((1, size), torch.Generator().manual_seed(0), None).double()
    params = dict(circuit.params) | {"extra": values}
    changed: Group
    if isinstance(group, SumGroup):
        weights = params[group.parameter]
        column = torch.full((group.size, 1), 0.5, dtype=weights.dtype)
        fresh = f"{group.name}_wider"
        params[fresh] = torch.cat([weights, column], 1)
        params[fresh] = params[fresh] / params[fresh].sum(1, keepdim=True)
        inputs = (*group.inputs, -1)
        changed = replace(group, inputs=inputs, parameter=fresh)
    else:
        changed = replace(group, inputs=(*group.inputs, -1))
    # The new leaf goes first, so every position moves up by one (and -1 becomes 0).
    moved: list[Group] = [extra]
    for g, old in enumerate(circuit.groups):
        current = changed if g == position else old
        if isinstance(current, LeafGroup):
            moved.append(current)
        else:
            moved.append(replace(current, inputs=tuple(i + 1 for i in current.inputs)))
    used = {g.parameter for g in moved if not isinstance(g, ProductGroup)}
    params = {key: value for key, value in params.items() if key in used}
    roots = [Unit(r.group + 1, r.index) for r in circuit.roots]
    wider = Circuit(moved, roots, circuit.variables, params, circuit.meta)
    return Broken(wider, clause, position + 1, variable)


def random_graph(seed: int) -> Circuit:
    """Sums and products of indicators over three variables at random: mostly broken circuits."""
    rng = np.random.default_rng(seed)
    nodes: list[object] = [indicator(f"X{i}", state) for i in range(3) for state in (1, 0)]
    for _ in range(int(rng.integers(1, 7))):
        picks = [nodes[int(i)] for i in rng.integers(0, len(nodes), int(rng.integers(2, 4)))]
        if rng.random() < 0.5:
            nodes.append(product(*picks))  # type: ignore[arg-type]
        else:
            first, *rest = [float(rng.integers(0, 4)) * p for p in picks]  # type: ignore[operator]
            for term in rest:
                first = first + term
            nodes.append(first.as_sum())
    return assemble(nodes[-1])  # type: ignore[arg-type]


# -- evidence ----------------------------------------------------------------------------


def random_evidence(
    rng: np.random.Generator, circuit: Circuit, rows: int = 1, missing: float = 0.4
) -> np.ndarray:
    """Float64 [rows, V]: values inside the domains, NaN with probability `missing`."""
    x = np.full((rows, len(circuit.variables)), np.nan)
    mentioned = 0
    for scope in circuit.scopes:
        mentioned |= scope.bits
    for v in range(len(circuit.variables)):
        if not mentioned >> v & 1:
            continue
        domain = circuit.domain(v)
        if domain.kind == "finite":
            assert domain.states is not None
            x[:, v] = rng.integers(0, domain.states, rows)
        elif domain.kind == "count":
            x[:, v] = rng.poisson(3.0, rows)
        else:
            x[:, v] = rng.normal(0.0, 2.0, rows)
    x[rng.random(x.shape) < missing] = np.nan
    return x


# -- hypothesis --------------------------------------------------------------------------

SEEDS = st.integers(0, 2**20)


@st.composite
def circuits(draw: st.DrawFn, **fixed: object) -> Circuit:
    """Smooth, decomposable circuits; fields of `Recipe` given by name are fixed."""
    options: dict[str, object] = {
        "variables": draw(st.integers(1, 5)),
        "grouped": draw(st.booleans()),
        "normalised": draw(st.booleans()),
        "zero_weights": draw(st.booleans()),
        "zero_probabilities": draw(st.booleans()),
        "tied": draw(st.booleans()),
    }
    return random_circuit(draw(SEEDS), **(options | fixed))


@st.composite
def circuits_and_evidence(
    draw: st.DrawFn, rows: int = 3, missing: float = 0.4, **fixed: object
) -> tuple[Circuit, np.ndarray]:
    """A circuit and `rows` rows of evidence for it."""
    circuit = draw(circuits(**fixed))
    rng = np.random.default_rng(draw(SEEDS))
    return circuit, random_evidence(rng, circuit, rows, missing)


@st.composite
def broken_circuits(draw: st.DrawFn, clause: str | None = None, **fixed: object) -> Broken:
    """A circuit with one clause broken (any of CLAUSES, or the given one)."""
    options: dict[str, object] = {"variables": draw(st.integers(2, 5))}
    which = clause if clause is not None else draw(st.sampled_from(CLAUSES))
    return random_broken(draw(SEEDS), which, **(options | fixed))
