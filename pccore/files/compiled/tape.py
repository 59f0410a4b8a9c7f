"""The up pass of a compiled program as a list of steps over plain arrays.

The layers are those of `pccore.compile.plan`; here they are written out with their parameters, so
that a few lines of numpy, or a graph of ONNX operators, compute log-likelihoods without this
package. `runtime.py` says what each kind of step does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from pccore.check import check
from pccore.compile.plan import LayerSpec, Plan, make_plan
from pccore.errors import FileError
from pccore.files.compiled import runtime
from pccore.graph import Circuit, LeafGroup, SumGroup
from pccore.groups import IntArray
from pccore.leaves.base import LeafFamily
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.poisson import Poisson
from pccore.reference import edge_rows

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

#: Weights smaller than this share of their sum's largest could be lost in the linear domain.
_SMALL = 1e-12
#: What stands for log 0 in matrix products.
_LOG_ZERO = -1e30


class Step(NamedTuple):
    """One operation: a key of `runtime.KINDS` and its arrays. `units` says how many rows it writes,
    `work` how many numbers it needs for a sample."""

    kind: str
    arrays: Arrays


@dataclass(frozen=True)
class Tape:
    """steps, in order. roots: their rows. log_partition: log S of each root with nothing observed,
    float64 [R]. double: whether some parameter has more than single precision."""

    steps: tuple[Step, ...]
    roots: IntArray
    log_partition: FloatArray
    double: bool


def make_tape(circuit: Circuit) -> Tape:
    """The tape of a circuit, computed in float64.

    Raises FileError for a circuit that has no likelihood (with the witness) or leaves of a family
    that cannot be written down, ParameterError for illegal parameters.
    """
    circuit.validate_params()
    report = check(circuit, ("smooth", "consistent"))
    if report.violations:
        first = report.violations[0]
        raise FileError(
            f"the format cannot hold a circuit without a likelihood: {first.message}",
            where=circuit.unit_name(first.unit),
            hint="check and repair it first",
        )
    writer = _Writer(circuit, make_plan(circuit))
    for layer in writer.plan.layers:
        writer.layer(layer)
    steps = tuple(writer.steps)
    roots = np.array([writer.rows_of(root.group)[root.index] for root in circuit.roots])
    nothing = np.full((1, len(circuit.variables)), np.nan)
    log_partition = runtime.run(steps, roots, nothing)[0]
    double = any(t.dtype == torch.float64 for t in circuit.params.values())
    return Tape(steps, roots, log_partition, double)


class _Writer:
    """Writes the steps of one layer after the other."""

    def __init__(self, circuit: Circuit, plan: Plan) -> None:
        self.circuit = circuit
        self.plan = plan
        self.steps: list[Step] = []
        #: Row of the tape of each row of the plan.
        self.place = np.zeros(plan.rows, np.int64)
        self.next = 1

    def rows_of(self, group: int) -> IntArray:
        """Rows of the units of a group."""
        address = self.plan.addresses[group]
        return self.place[address.first : address.first + address.size]

    def _params(self, name: str) -> FloatArray:
        return self.circuit.params[name].detach().cpu().double().numpy()

    def _add(self, kind: str, plan_rows: IntArray, work: int, arrays: Arrays) -> None:
        units = len(plan_rows)
        self.place[plan_rows] = np.arange(self.next, self.next + units)
        self.next += units
        sizes = {"units": np.array(units), "work": np.array(max(work, units))}
        self.steps.append(Step(kind, arrays | sizes))

    def layer(self, spec: LayerSpec) -> None:
        """The steps of one layer."""
        if spec.kind == "leaf":
            self._leaves(spec)
        elif spec.kind in ("dense", "einsum"):
            self._dense(spec)
        else:
            self._edges(spec)

    # -- leaves --------------------------------------------------------------------------

    def _leaves(self, spec: LayerSpec) -> None:
        groups = [g for i in spec.groups if isinstance(g := self.circuit.groups[i], LeafGroup)]
        family = groups[0].family
        names = list(dict.fromkeys(group.parameter for group in groups))
        numbers = np.array([names.index(group.parameter) for group in groups])
        params = torch.stack([self.circuit.params[name].detach().cpu().double() for name in names])
        arrays: Arrays = {"variables": np.array([group.variables for group in groups])}
        rows = np.arange(spec.first, spec.first + spec.units)
        d = arrays["variables"].shape[1]
        if isinstance(family, Gaussian):
            mean, variance = (params[numbers, ..., i].numpy() for i in (0, 1))
            arrays |= {"mean": mean, "precision": 1 / variance}
            arrays["constant"] = -0.5 * np.log(2 * np.pi * variance)
            self._add("gaussian", rows, spec.units * d, arrays)
        elif isinstance(family, Bernoulli | Binomial | Poisson):
            arrays |= _linear(family)
            weights = family.coefficients(params).clamp_min(_LOG_ZERO)  # [rows, d, K, S]
            flat = weights.transpose(1, 2).flatten(2).numpy()
            arrays["weights"] = flat[numbers]
            self._add("linear", rows, spec.units + 2 * len(groups) * d, arrays)
        else:
            arrays |= _table(family, params, numbers)
            self._add("table", rows, spec.units * d, arrays)

    # -- sums and products ---------------------------------------------------------------

    def _dense(self, spec: LayerSpec) -> None:
        groups = [g for i in spec.groups if isinstance(g := self.circuit.groups[i], SumGroup)]
        weights = np.stack([self._params(group.parameter) for group in groups])
        inputs = [[self.place[a.first : a.first + a.size] for a in row] for row in spec.inputs]
        arrays: Arrays
        if spec.kind == "einsum":  # row-major pairs of the units of two groups
            pairs = [(np.repeat(a, len(b)), np.tile(b, len(a))) for a, b in inputs]
            arrays = {
                "children": np.stack([pair[0] for pair in pairs]),
                "others": np.stack([pair[1] for pair in pairs]),
            }
        else:
            arrays = {"children": np.stack([np.concatenate(row) for row in inputs])}
        rows = np.arange(spec.first, spec.first + spec.units)
        scale = weights.max(2, keepdims=True)
        scale = np.where(scale > 0, scale, 1.0)
        if float((weights / scale).min()) >= _SMALL:
            arrays |= {"weights": weights / scale, "log_scale": np.log(scale)}
            self._add("dense", rows, 2 * arrays["children"].size, arrays)
            return
        spread = {name: np.repeat(index, spec.size, 0) for name, index in arrays.items()}
        with np.errstate(divide="ignore"):
            spread["log_weights"] = np.log(weights).reshape(len(rows), -1)
        self._add("edges", rows, 2 * spread["children"].size, spread)

    def _edges(self, spec: LayerSpec) -> None:
        """Sums and products with edges written out; units of about as many edges are a step."""
        children: list[IntArray] = []
        counts: list[IntArray] = []
        weights: list[FloatArray] = []
        for position in spec.groups:
            group = self.circuit.groups[position]
            assert not isinstance(group, LeafGroup)
            below = np.concatenate([self.rows_of(i) for i in group.inputs])
            rows = edge_rows(self.circuit, group)
            children.append(below[rows.children])
            counts.append(np.diff(rows.offsets))
            if isinstance(group, SumGroup):
                weights.append(self._params(group.parameter).reshape(-1))
        flat, count = np.concatenate(children), np.concatenate(counts)
        starts = np.cumsum(count) - count
        with np.errstate(divide="ignore"):
            logs = np.log(np.concatenate(weights)) if weights else None
        classes = np.ceil(np.log2(np.maximum(count, 1))).astype(np.int64)
        for size in np.unique(classes).tolist():
            members = np.flatnonzero(classes == size)
            self._edge_step(spec.first + members, starts[members], count[members], flat, logs)

    def _edge_step(
        self,
        rows: IntArray,
        starts: IntArray,
        counts: IntArray,
        flat: IntArray,
        logs: FloatArray | None,
    ) -> None:
        positions = np.arange(int(counts.max()))
        inside = positions < counts[:, None]
        edges = np.where(inside, starts[:, None] + positions, 0)
        index = np.where(inside, flat[edges], 0)
        if logs is None:
            self._add("product", rows, index.size, {"children": index})
        else:
            log_weights = np.where(inside, logs[edges], -np.inf)
            arrays: Arrays = {"children": index, "log_weights": log_weights}
            self._add("edges", rows, 2 * index.size, arrays)


def _linear(family: Bernoulli | Binomial | Poisson) -> Arrays:
    """Statistics as slope * x + offset, and log h(x): a table, an empty one for -log x!."""
    zero, one = (family.sufficient_statistics(torch.tensor(x).double()).numpy() for x in (0.0, 1.0))
    arrays: Arrays = {"slope": one - zero, "offset": zero, "largest": np.array(np.inf)}
    states = family.support.states
    if isinstance(family, Poisson):
        arrays["base"] = np.zeros(0)
    elif states is not None:
        arrays["largest"] = np.array(states - 1.0)
        if isinstance(family, Binomial):
            arrays["base"] = family.log_base(torch.arange(states).double()).numpy()
    return arrays


def _table(family: LeafFamily, params: torch.Tensor, numbers: IntArray) -> Arrays:
    """Log-probabilities of all states; the last rows are for missing and impossible values."""
    states = family.support.states
    if states is None:
        raise FileError(f"the format cannot hold {family.name} leaves")
    count, d, units = params.shape[:3]
    table = torch.log(family.probabilities(params))  # [rows, d, K, C]
    flat = table.movedim(3, 2).reshape(-1, units).numpy()
    ends = np.stack([np.zeros(units), np.full(units, -np.inf)])
    starts = (np.arange(count)[:, None] * d + np.arange(d)) * states
    return {
        "table": np.concatenate([flat, ends]),
        "starts": starts[numbers],
        "states": np.array(states),
    }


def sources(steps: Sequence[Step]) -> IntArray:
    """The first row of each step, and the number of rows: [steps + 1]."""
    return np.cumsum([1, *(int(step.arrays["units"]) for step in steps)])
