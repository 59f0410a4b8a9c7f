"""Chow-Liu trees: the tree-shaped distribution nearest to the data, as a deterministic circuit.

The tree is a maximum spanning tree of the pairwise mutual informations; each variable depends on
its parent alone. As a circuit, the unit "X|parent=c" is a sum over the states of X whose children
are the indicator of the state times the units of X's children in the tree.

Source: Chow and Liu, "Approximating discrete probability distributions with dependence trees",
1968.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pccore.build import Expression, indicator, mix, product
from pccore.build import circuit as assemble
from pccore.errors import DataError, OptionError
from pccore.graph import Circuit
from pccore.options import option
from pccore.structures.base import Shape, Structure
from pccore.structures.spanning import Tree, mutual_information, spanning_tree

#: Variables times states of which all pairs are counted.
MOST_STATES = 6000

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def chow_liu(
    data: npt.NDArray[np.floating | np.integer],
    variables: Sequence[str],
    states: int | Sequence[int] = 2,
    pseudocount: float = 1.0,
    root: int = 0,
) -> tuple[Expression, Tree]:
    """The root of the circuit, and the tree, of data [N, V] with values 0 to states - 1.

    states: of all variables, or of each. pseudocount: added to every cell of a conditional table,
    so that no weight is 0. root: the variable that depends on no other. A row counts for a pair
    of variables if neither is missing (NaN).

    Raises DataError for other values.
    """
    if data.ndim != 2 or data.shape[1] != len(variables) or not len(data):
        raise DataError(f"data of the shape {list(data.shape)} for {len(variables)} variables")
    own = [states] * len(variables) if isinstance(states, int) else list(states)
    missing = np.isnan(data)
    for v, count in enumerate(own):
        known = missing[:, v] | np.isin(data[:, v], np.arange(count))
        if not bool(known.all()):
            raise DataError(f"{variables[v]} has other values than 0 to {count - 1}")
    values = np.where(missing, -1, data).astype(np.int64)
    tree = spanning_tree(mutual_information(values, own, pseudocount), root)
    below = tree.children()
    units: dict[int, list[Expression]] = {}  # of each variable, one for each state of its parent
    for v in reversed(tree.order):
        parent = tree.parent[v]
        given = np.zeros(len(values), dtype=np.int64) if parent < 0 else values[:, parent]
        table = _counts(given, values[:, v], 1 if parent < 0 else own[parent], own[v])
        table += pseudocount
        units[v] = _units(v, parent, variables, table, [units[child] for child in below[v]])
    return units[tree.order[0]][0], tree


def _counts(given: IntArray, own: IntArray, rows: int, columns: int) -> FloatArray:
    """How often two columns have two values, [rows, columns]; -1 is missing."""
    known = (given >= 0) & (own >= 0)
    cells = np.bincount(given[known] * columns + own[known], minlength=rows * columns)
    return cells.reshape(rows, columns).astype(np.float64)


def _units(
    v: int,
    parent: int,
    variables: Sequence[str],
    table: FloatArray,
    below: list[list[Expression]],
) -> list[Expression]:
    """The sums over the states of one variable, given each state of its parent.

    table: counts [states of the parent, or 1 at the root; states]. below: the units of the
    variables that depend on this one.
    """
    name = variables[v]
    states = table.shape[1]
    given: list[Expression] = []
    for c in range(states):
        leaf = indicator(name, c, states).named(f"{name}={c}")
        rest = [units[c] for units in below]
        given.append(product(leaf, *rest).named(f"{name}={c}, below") if rest else leaf)
    table = table / table.sum(axis=1, keepdims=True)
    return [
        mix(row, given).named(name if parent < 0 else f"{name}|{variables[parent]}={c}")
        for c, row in enumerate(table.tolist())
    ]


@dataclass(frozen=True)
class ChowLiuOptions:
    """Options of Chow-Liu trees."""

    pseudocount: float = option(
        1.0,
        help="rows that are added to every pair of values",
        minimum=1e-6,
        maximum=1000.0,
    )
    seed: int = option(
        0,
        help="chooses the variable at the root; the tree is that of the data",
        minimum=0,
        maximum=2**31 - 1,
    )


def _build(shape: Shape, options: ChowLiuOptions) -> Circuit:
    assert shape.data is not None, "Structure.require has seen to that"
    states = [s.states or 0 for s in shape.supports]
    if len(states) * max(states) > MOST_STATES:
        raise OptionError(
            f"{len(states)} variables of up to {max(states)} states have too many pairs of values",
            where="structure chow_liu",
            hint=f"variables times states may be {MOST_STATES} at most",
        )
    root = int(np.random.default_rng(options.seed).integers(len(states)))
    top, _ = chow_liu(shape.data, shape.variables, states, options.pseudocount, root)
    made = assemble(top, shape.variables)
    return made.with_params(made.params.map(lambda tensor: tensor.float()))


STRUCTURE = Structure(
    name="chow_liu",
    title="Chow-Liu tree",
    description="The tree in which each variable depends on one other that fits the training "
    "data best; deterministic, so that most probable explanations are exact.",
    options=ChowLiuOptions,
    build=_build,
    needs_data=True,
    trained=True,
    finite_only=True,
)
