"""Write a model of SPFlow 1.1 or pyjuice as NAME.pc.json, which PC Workbench opens.

Copy this file to where the model is (it needs nothing but Python) and call it there:

    from export_circuit import export
    export(model, "model.pc.json")      # an SPFlow module, or the root node of a pyjuice circuit

Loading someone else's pickle runs their code; this way nobody has to. Parameters of a compiled
pyjuice circuit have to be brought back to its nodes first: `pc.update_parameters()`.
"""

from __future__ import annotations

import json
from typing import Any

Grid = list[list[list[int]]]  # [features][channels][repetitions] of units


def export(model: Any, path: str, variables: list[str] | None = None) -> None:
    """Write the model; variables: names of the columns, X0, X1 ... by default.

    Raises TypeError for a part of a model that has no exact counterpart.
    """
    writer = Writer()
    library = type(model).__module__.partition(".")[0]
    if library == "pyjuice":
        roots = _pyjuice(model, writer)
    else:
        grid = _spflow(model, writer, {})
        roots = [unit for feature in grid for channel in feature for unit in channel]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(writer.document(roots, variables), file)


class Writer:
    """Groups of units; a unit is a number."""

    def __init__(self) -> None:
        self.groups: list[dict[str, Any]] = []
        self.place: list[tuple[int, int]] = []
        self.sizes: list[int] = []
        self.columns = 0

    def _add(self, size: int, group: dict[str, Any]) -> list[int]:
        number = len(self.groups)
        self.groups.append({"name": f"{group['kind']}{number}", "size": size, **group})
        self.sizes.append(size)
        first = len(self.place)
        self.place += [(number, k) for k in range(size)]
        return list(range(first, first + size))

    def leaves(self, family: Any, column: int, values: list[Any]) -> list[int]:
        """Leaves of one family over one column, a unit for each of the values."""
        self.columns = max(self.columns, column + 1)
        leaf = {"kind": "leaf", "family": family, "variables": [column], "values": [values]}
        return self._add(len(values), leaf)

    def _inner(self, rows: list[list[int]]) -> tuple[list[int], list[list[int]]]:
        inputs = sorted({self.place[unit][0] for row in rows for unit in row})
        start: dict[int, int] = {}
        total = 0
        for group in inputs:
            start[group] = total
            total += self.sizes[group]
        return inputs, [
            [start[self.place[unit][0]] + self.place[unit][1] for unit in row] for row in rows
        ]

    def products(self, rows: list[list[int]]) -> list[int]:
        """A product over each row of units; all must have one scope."""
        inputs, edges = self._inner(rows)
        return self._add(len(rows), {"kind": "product", "inputs": inputs, "edges": edges})

    def sums(self, rows: list[list[int]], weights: list[list[float]]) -> list[int]:
        """A sum over each row of units; all must have one scope."""
        inputs, edges = self._inner(rows)
        flat = [weight for row in weights for weight in row]
        sums = {"kind": "sum", "inputs": inputs, "edges": edges, "values": flat}
        return self._add(len(rows), sums)

    def document(self, roots: list[int], variables: list[str] | None) -> dict[str, Any]:
        """The file as one object."""
        names = variables or [f"X{v}" for v in range(self.columns)]
        return {
            "format": "pccore",
            "version": 1,
            "dtype": "float64",
            "variables": names,
            "groups": self.groups,
            "roots": [list(self.place[unit]) for unit in roots],
        }


def _gaussian(smallest: float) -> Any:
    """The family; its lower bound on variances must not exceed what is there."""
    return {"family": "gaussian", "min_variance": min(1e-4, smallest)}


# -- SPFlow 1.1: modules with values [features, channels, repetitions] ----------------------------


def _spflow(module: Any, writer: Writer, done: dict[int, Grid]) -> Grid:
    """The units of a module; shared modules are written once."""
    if id(module) not in done:
        done[id(module)] = _spflow_module(module, writer, done)
    return done[id(module)]


def _spflow_module(module: Any, writer: Writer, done: dict[int, Grid]) -> Grid:
    kind = type(module).__name__
    if kind in ("Normal", "Bernoulli", "Categorical", "Binomial", "Poisson"):
        return _spflow_leaves(module, writer)
    if hasattr(module, "root_node"):  # Einet, RatSPN: a structure around its root
        return _spflow(module.root_node, writer, done)
    if kind == "Cat":
        return _concatenated([_spflow(m, writer, done) for m in module.inputs], module.dim)
    if kind == "Sum":
        return _spflow_sum(module, _spflow(module.inputs, writer, done), writer)
    if kind == "RepetitionMixingLayer":
        return _spflow_mixing(module, _spflow(module.inputs, writer, done), writer)
    if kind == "ElementwiseSum":
        parts = [_spflow(m, writer, done) for m in module.inputs]
        return _spflow_elementwise_sum(module, parts, writer)
    if kind == "Product":
        grid = _spflow(_only(module.inputs), writer, done)
        rows = _by_repetition(
            lambda r: [[f[c][r] for f in grid] for c in range(len(grid[0]))], len(grid[0][0])
        )
        return _grid([[writer.products(row) for row in rows]])
    parts = _spflow_parts(module.inputs, writer, done)
    if kind == "Factorize":
        return _spflow_factorize(module, parts[0], writer)
    if kind in ("ElementwiseProduct", "OuterProduct"):
        return _spflow_product(parts, kind == "OuterProduct", writer)
    if kind in ("EinsumLayer", "LinsumLayer"):
        return _spflow_einsum(module, parts, kind == "EinsumLayer", writer)
    raise TypeError(f"the SPFlow module {kind} has no counterpart")


def _only(inputs: Any) -> Any:
    """A module, also where it stands in a list of one."""
    if hasattr(inputs, "log_likelihood"):
        return inputs
    (module,) = inputs
    return module


def _by_repetition(make: Any, repetitions: int) -> list[list[list[int]]]:
    return [make(r) for r in range(repetitions)]


def _grid(units: list[list[list[int]]]) -> Grid:
    """[features][repetitions][channels] -> [features][channels][repetitions]."""
    return [[list(channel) for channel in zip(*feature, strict=True)] for feature in units]


def _at(cell: list[Any], index: int) -> Any:
    """Something that may be one for all."""
    return cell[index] if len(cell) > 1 else cell[0]


def _spflow_leaves(module: Any, writer: Writer) -> Grid:
    kind, columns = type(module).__name__, list(module.scope.query)
    if kind == "Normal":
        means, deviations = module.loc.tolist(), module.scale.tolist()
        table = [
            [[[m, s * s] for m, s in zip(*pair, strict=True)] for pair in zip(*rows, strict=True)]
            for rows in zip(means, deviations, strict=True)
        ]
        smallest = min(v[1] for feature in table for channel in feature for v in channel)
        families = [_gaussian(smallest)] * len(columns)
    else:
        table = (module.rate if kind == "Poisson" else module.probs).tolist()
        if kind == "Poisson":
            families = ["poisson"] * len(columns)
        elif kind == "Binomial":
            counts = [int(_first(feature)) for feature in module.total_count.tolist()]
            families = [{"family": "binomial", "trials": count} for count in counts]
        elif kind == "Categorical":
            families = [{"family": "categorical", "categories": len(table[0][0][0])}] * len(columns)
        else:
            families = ["bernoulli"] * len(columns)
    units = [
        [
            writer.leaves(family, column, [channel[r] for channel in feature])
            for r in range(len(feature[0]))
        ]
        for family, column, feature in zip(families, columns, table, strict=True)
    ]
    return _grid(units)


def _first(nested: Any) -> Any:
    while isinstance(nested, list):
        nested = nested[0]
    return nested


def _concatenated(grids: list[Grid], dim: int) -> Grid:
    if dim == 1:
        return [feature for grid in grids for feature in grid]
    if dim == 2:
        return [[c for part in parts for c in part] for parts in zip(*grids, strict=True)]
    return [
        [[u for c in cs for u in c] for cs in zip(*parts, strict=True)]
        for parts in zip(*grids, strict=True)
    ]


def _spflow_sum(module: Any, below: Grid, writer: Writer) -> Grid:
    weights = module.log_weights.double().exp().tolist()  # [features][in][out][repetitions]
    units: list[list[list[int]]] = []
    for feature, table in zip(below, weights, strict=True):
        reps = len(table[0][0])
        units.append([])
        for r in range(reps):
            row = [_at(channel, r) for channel in feature]
            given = [[source[k][r] for source in table] for k in range(len(table[0]))]
            units[-1].append(writer.sums([row] * len(given), given))
    return _grid(units)


def _spflow_mixing(module: Any, below: Grid, writer: Writer) -> Grid:
    weights = module.log_weights.double().exp().tolist()  # [features][channels][repetitions]
    return _grid(
        [[writer.sums(feature, table)] for feature, table in zip(below, weights, strict=True)]
    )


def _spflow_elementwise_sum(module: Any, parts: list[Grid], writer: Writer) -> Grid:
    weights = module.log_weights.double().exp().tolist()  # [features][in][out][inputs][repetitions]
    units: list[list[list[int]]] = []
    for f, table in enumerate(weights):
        units.append([])
        for r in range(len(table[0][0][0])):
            rows, given = [], []
            for c, outs in enumerate(table):
                for sources in outs:
                    rows.append([_at(_at(part, f), c)[r] for part in parts])
                    given.append([source[r] for source in sources])
            units[-1].append(writer.sums(rows, given))
    return _grid(units)


def _spflow_parts(inputs: Any, writer: Writer, done: dict[int, Grid]) -> list[Grid]:
    """The factors of a product: several modules, or one whose features are split."""
    modules = [inputs] if hasattr(inputs, "log_likelihood") else list(inputs)
    if len(modules) > 1 or not type(modules[0]).__name__.startswith("Split"):
        return [_spflow(module, writer, done) for module in modules]
    split = modules[0]
    grid = _spflow(_only(split.inputs), writer, done)
    kind, count = type(split).__name__, int(split.num_splits)
    if kind == "SplitConsecutive":
        width = len(grid) // count
        return [grid[k * width : (k + 1) * width] for k in range(count)]
    if kind == "SplitInterleaved":
        return [grid[k::count] for k in range(count)]
    return [[grid[f] for f in features] for features in split._indices]


def _spflow_factorize(module: Any, below: Grid, writer: Writer) -> Grid:
    chosen = module.indices.tolist()  # [in][out][repetitions], 0 or 1
    channels, reps = len(below[0]), len(chosen[0][0])
    units: list[list[list[int]]] = []
    for out in range(len(chosen[0])):
        units.append([])
        for r in range(reps):
            features = [f for f in range(len(below)) if chosen[f][out][r] > 0]
            rows = [[_at(below[f][c], r) for f in features] for c in range(channels)]
            units[-1].append(writer.products(rows))
    return _grid(units)


def _spflow_product(parts: list[Grid], outer: bool, writer: Writer) -> Grid:
    features = max(len(part) for part in parts)
    units: list[list[list[int]]] = []
    for f in range(features):
        cells = [_at(part, f) for part in parts]
        units.append([])
        for r in range(max(len(cell[0]) for cell in cells)):
            columns = [[_at(channel, r) for channel in cell] for cell in cells]
            rows: list[list[int]]
            if outer:
                rows = [[]]
                for column in columns:
                    rows = [[*row, unit] for row in rows for unit in column]
            else:
                width = max(len(column) for column in columns)
                rows = [[_at(column, c) for column in columns] for c in range(width)]
            units[-1].append(writer.products(rows))
    return _grid(units)


def _spflow_einsum(module: Any, parts: list[Grid], outer: bool, writer: Writer) -> Grid:
    products = _spflow_product(parts, outer, writer)
    # [features][out][repetitions] and then [left][right], or [channels]
    weights = module.log_weights.double().exp().flatten(3).tolist()
    units: list[list[list[int]]] = []
    for feature, table in zip(products, weights, strict=True):
        units.append([])
        for r in range(len(table[0])):
            row = [channel[r] for channel in feature]
            units[-1].append(writer.sums([row] * len(table), [out[r] for out in table]))
    return _grid(units)


# -- pyjuice: vectors of nodes in blocks -----------------------------------------------------------


def _pyjuice(root: Any, writer: Writer) -> list[int]:
    """The units of the root's vector; every vector below is written once."""
    done: dict[int, list[int]] = {}
    waiting = [root]
    while waiting:
        node = waiting[-1]
        missing = [child for child in node.chs if id(child) not in done]
        if id(node) not in done and missing:
            waiting += missing
            continue
        waiting.pop()
        if id(node) not in done:
            done[id(node)] = _pyjuice_node(node, [done[id(child)] for child in node.chs], writer)
    return done[id(root)]


def _pyjuice_node(node: Any, below: list[list[int]], writer: Writer) -> list[int]:
    if node.is_input():
        return _pyjuice_leaves(node, writer)
    if node.is_prod():
        wide = node.edge_ids.shape[0] == node.num_nodes
        step = 1 if wide else node.block_size
        return writer.products(
            [
                [units[child * step + k] for units, child in zip(below, row, strict=True)]
                for row in node.edge_ids.tolist()
                for k in range(step)
            ]
        )
    source = node.get_source_ns() if node.is_tied() else node
    flat = [unit for units in below for unit in units]
    size, width = node.block_size, node.chs[0].block_size
    rows: list[list[int]] = [[] for _ in range(node.num_nodes)]
    weights: list[list[float]] = [[] for _ in range(node.num_nodes)]
    blocks = source.get_params().double().tolist()
    for (out, into), block in zip(node.edge_ids.t().tolist(), blocks, strict=True):
        for k in range(size):
            rows[out * size + k] += flat[into * width : (into + 1) * width]
            weights[out * size + k] += block[k]
    return writer.sums(rows, weights)


def _pyjuice_leaves(node: Any, writer: Writer) -> list[int]:
    kind = type(node.dist).__name__
    (column,) = list(node.scope)
    source = node.get_source_ns() if node.is_tied() else node
    params = source.get_params().double().reshape(node.num_nodes, -1)
    if kind == "Categorical":
        table = (params / params.sum(1, keepdim=True)).tolist()
        return writer.leaves({"family": "categorical", "categories": len(table[0])}, column, table)
    if kind == "Bernoulli":
        return writer.leaves("bernoulli", column, params[:, 0].tolist())
    if kind == "Gaussian":
        table = [[mean, deviation**2] for mean, deviation in params.tolist()]
        return writer.leaves(_gaussian(min(v for _, v in table)), column, table)
    raise TypeError(f"the pyjuice distribution {kind} has no counterpart")
