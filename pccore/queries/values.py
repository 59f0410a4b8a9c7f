"""The value, derivative and flow of every unit under one evidence, read out of one engine run.

The up pass is that of the compiled program in float64; values are found through its address book.
Derivatives follow by one down pass over these values (Poon & Domingos 2011, sec. 2). Both exist
for every circuit with legal parameters, valid or not: S(e) is evaluated as it stands.

Soft evidence multiplies each state of a variable by a likelihood (virtual evidence), so that on a
smooth and decomposable circuit S = sum_x S(x) prod_v lambda_v(x_v). An observed hidden variable
of a sum leaves one of its children (Poon & Domingos 2011, sec. 2: Y_k = i).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pccore.compile import Program, compile_circuit
from pccore.compile.layer import Layer
from pccore.compile.state import Pass
from pccore.errors import EvidenceError, OptionError
from pccore.evidence import Evidence, evidence_rows
from pccore.graph import Circuit, Unit
from pccore.queries import down_pass
from pccore.queries.subject import Model, as_program
from pccore.reference import FloatArray
from pccore.transform.soften import (
    chosen_children,
    leaf_likelihoods,
    likelihoods,
    observe_hidden,
)

#: Circuits with more edges get values and flows, but no derivatives.
MAX_EDGES = 2_000_000

#: A vector of likelihoods, one for each state, by the name of a finite variable.
Soft = Mapping[str, Sequence[float]]
#: The number of the child that the hidden variable of a sum names, by the name of the unit.
Hidden = Mapping[str, int]


@dataclass(frozen=True, eq=False)
class UnitValues:
    """What one up pass, and on demand one down pass, say of every unit.

    program: what was run, in float64. x: the evidence, float64 [V], NaN where missing. soft:
    likelihoods by variable number. hidden: the observed child of sums. root: the number of the
    root. log_value: for each group log S_n, float64 [size]; NaN for a group that no root
    reaches. log_root: log S(root). log_partition: log S(root) with nothing observed.
    """

    program: Program
    x: FloatArray
    soft: Mapping[int, FloatArray]
    hidden: Mapping[Unit, int]
    root: int
    log_value: tuple[FloatArray, ...]
    log_partition: float

    @property
    def circuit(self) -> Circuit:
        """The circuit that was evaluated."""
        return self.program.circuit

    @property
    def unit(self) -> Unit:
        """The root unit."""
        return self.circuit.root_unit(self.root)

    @property
    def log_root(self) -> float:
        """log S of the root."""
        unit = self.unit
        return float(self.log_value[unit.group][unit.index])

    @cached_property
    def planned(self) -> tuple[int, ...]:
        """The groups that were evaluated: those that some root reaches."""
        return tuple(g for g, v in enumerate(self.log_value) if not np.isnan(v[0]))

    @cached_property
    def log_derivative(self) -> tuple[FloatArray, ...]:
        """For each group log dS/dS_n, [size]; -inf where S(root) does not depend on the unit.

        NaN for groups that were not evaluated. Raises OptionError for a circuit of more than
        MAX_EDGES edges.
        """
        if self.circuit.num_edges > MAX_EDGES:
            raise OptionError(
                f"the circuit has {self.circuit.num_edges} edges, more than the {MAX_EDGES} over "
                "which derivatives of every unit are computed",
                hint="ask for flows",
            )
        begin = down_pass.starts(self.circuit)
        flat = down_pass.log_derivatives(
            self.circuit,
            np.concatenate(self.log_value),
            self.planned,
            int(begin[self.unit.group]) + self.unit.index,
            self.hidden,
        )
        parts = np.split(flat, begin[1:-1])
        evaluated = frozenset(self.planned)
        return tuple(
            part if g in evaluated else np.full(len(part), np.nan) for g, part in enumerate(parts)
        )

    @cached_property
    def flow(self) -> tuple[FloatArray, ...]:
        """For each group S_n dS/dS_n / S(root), [size], linear.

        The posterior probability that the unit takes part, or its expected number of occurrences
        where it can occur more than once; 0 where S(root) is 0. NaN for groups that were not
        evaluated.
        """
        if self.circuit.num_edges > MAX_EDGES:
            return _engine_flows(self)
        total = math.inf if self.log_root == -math.inf else self.log_root
        return tuple(
            np.exp(v + d - total) for v, d in zip(self.log_value, self.log_derivative, strict=True)
        )

    def log_value_of(self, unit: Unit) -> float:
        """log S_n."""
        return float(self.log_value[unit.group][unit.index])

    def value_of(self, unit: Unit) -> float:
        """S_n; inf where a density is too large for a float."""
        return _exp(self.log_value_of(unit))

    def log_derivative_of(self, unit: Unit) -> float:
        """log dS/dS_n."""
        return float(self.log_derivative[unit.group][unit.index])

    def derivative_of(self, unit: Unit) -> float:
        """dS/dS_n."""
        return _exp(self.log_derivative_of(unit))

    def flow_of(self, unit: Unit) -> float:
        """The share of the root's value that passes through the unit."""
        return float(self.flow[unit.group][unit.index])

    def log_terms(self, unit: Unit) -> FloatArray:
        """What each child contributes, in the order of `circuit.children`: [children].

        log w_i S_i of a sum (-inf on edges that an observed hidden variable excludes), log S_i of
        a product.
        """
        edges = self.circuit.children(unit)
        below = np.array([self.log_value_of(edge.child) for edge in edges])
        if self.circuit.groups[unit.group].kind != "sum":
            return below
        with np.errstate(divide="ignore"):
            terms = below + np.log(np.array([edge.weight for edge in edges], dtype=np.float64))
        child = self.hidden.get(unit)
        if child is not None:
            terms[np.arange(len(terms)) != child] = -np.inf
        return terms

    def edge_flows(self, unit: Unit) -> FloatArray:
        """The flow over the edge to each child, linear, [children]; empty for a leaf.

        w_i S_i dS/dS_n / S(root) for a sum, whose edges divide its flow; each factor of a product
        receives all of it.
        """
        if self.circuit.groups[unit.group].kind == "sum":
            total = self.log_value_of(unit)
            shift = math.inf if total == -math.inf else total
            return np.exp(self.log_terms(unit) - shift) * self.flow_of(unit)
        return np.full(len(self.circuit.children(unit)), self.flow_of(unit))


def unit_values(
    model: Model,
    evidence: Evidence,
    root: int = 0,
    *,
    soft: Soft | None = None,
    hidden: Hidden | None = None,
) -> UnitValues:
    """Evaluate a circuit on one row of evidence and keep every unit's value.

    model: a circuit, or a program compiled earlier (one in another precision than float64 is
    compiled again). evidence: names to values, or [V] with NaN for missing. soft: likelihoods
    >= 0 for each state of a finite variable; a variable may be observed as well, then only the
    likelihood of its state counts. hidden: unit name of a sum -> number of the child its hidden
    variable names.

    Raises EvidenceError for bad evidence, more than one row, likelihoods of the wrong number or
    sign, or a hidden variable that the circuit does not have; ParameterError for illegal
    parameters.
    """
    program = _in_double(model)
    circuit = program.circuit
    rows = evidence_rows(circuit, evidence)
    if len(rows) != 1:
        raise EvidenceError(f"the values of all units are for one row of evidence, not {len(rows)}")
    circuit.root_unit(root)
    given = likelihoods(circuit, soft or {})
    chosen = chosen_children(circuit, hidden or {})
    # The second row has nothing observed: its root is the partition function.
    both = torch.cat([rows, torch.full_like(rows, torch.nan)])
    state = program.evaluate(both, adjust=_adjustment(program, rows[0], given, chosen))
    values = tuple(_read(program, state, g, group.size) for g, group in enumerate(circuit.groups))
    return UnitValues(
        program,
        rows[0].numpy(),
        given,
        chosen,
        root,
        values,
        float(program.root_values(state, root)[1]),
    )


def hidden_posterior(values: UnitValues, unit: Unit) -> FloatArray:
    """P(Y = i | e) for the hidden variable Y of a sum, [children + 1].

    Entry i is the probability that the sum takes part and that its child i does,
    w_i S_i dS/dS_n / S (Poon & Domingos 2011, sec. 2); the last that the sum takes no part. On a
    circuit that is not decomposable a unit can occur more than once; the last entry is then NaN.

    Raises OptionError for a unit that is not a sum.
    """
    if values.circuit.groups[unit.group].kind != "sum":
        name = values.circuit.unit_name(unit)
        raise OptionError("only sums have a hidden variable", where=name)
    shares = values.edge_flows(unit)
    rest = 1.0 - float(shares.sum())
    if values.log_root == -math.inf:
        shares, rest = np.full(len(shares), np.nan), math.nan
    return np.append(shares, math.nan if rest < -1e-9 else max(rest, 0.0))


# -- reading and adjusting the run ----------------------------------------------------------


def _in_double(model: Model) -> Program:
    program = as_program(model)
    if program.dtype == torch.float64:
        return program
    return compile_circuit(program.circuit.with_params(program.params), dtype=torch.float64)


def _read(program: Program, state: Pass, group: int, size: int) -> FloatArray:
    """Log-values of the first row, NaN for a group that is not in the plan."""
    if group not in program.plan.addresses and group not in program.plan.fused:
        return np.full(size, np.nan)
    return program.log_values(state, group)[0].cpu().numpy().copy()


class _Adjustment:
    """Changes the first row's values: soft evidence on leaves, one child of observed sums."""

    def __init__(
        self,
        program: Program,
        row: Tensor,
        soft: Mapping[int, FloatArray],
        chosen: Mapping[Unit, int],
    ) -> None:
        self.program = program
        self.leaves = leaf_likelihoods(program.circuit, row, soft) if soft else {}
        self.sums: dict[int, list[tuple[int, Unit, float]]] = {}
        for unit, child in chosen.items():
            edge = program.circuit.children(unit)[child]
            log_weight = math.log(edge.weight) if edge.weight else -math.inf
            self.sums.setdefault(unit.group, []).append((unit.index, edge.child, log_weight))

    def __call__(self, layer: Layer, state: Pass) -> None:
        for group in layer.spec.groups:
            factor = self.leaves.get(group)
            if factor is not None:
                self.program.log_values(state, group)[0] += torch.from_numpy(factor).to(
                    self.program.device
                )
            for index, child, log_weight in self.sums.get(group, ()):
                below = self.program.log_values(state, child.group)[0, child.index]
                self.program.log_values(state, group)[0, index] = below + log_weight


def _adjustment(
    program: Program, row: Tensor, soft: Mapping[int, FloatArray], chosen: Mapping[Unit, int]
) -> _Adjustment | None:
    return _Adjustment(program, row, soft, chosen) if soft or chosen else None


def _engine_flows(values: UnitValues) -> tuple[FloatArray, ...]:
    """`UnitValues.flow` by the engine's own flow pass, which has no limit of edges."""
    program, circuit = values.program, values.circuit
    if values.hidden:  # the pass needs the weights that the observation leaves
        names = {circuit.unit_name(unit): child for unit, child in values.hidden.items()}
        program = compile_circuit(observe_hidden(circuit, names), dtype=torch.float64)
    row = torch.from_numpy(values.x.copy())
    adjust = _adjustment(program, row, values.soft, {})
    flows = program.flows(program.evaluate(row[None], keep=True, adjust=adjust), root=values.root)
    found: list[FloatArray] = []
    for g, group in enumerate(circuit.groups):
        if g in program.plan.addresses:
            found.append(program.flow_values(flows, g)[0].cpu().numpy().copy())
        elif g in program.plan.fused:
            found.append(_fused_flow(values, g, program.flow_values(flows, program.plan.fused[g])))
        else:
            found.append(np.full(group.size, np.nan))
    return tuple(found)


def _fused_flow(values: UnitValues, group: int, above: Tensor) -> FloatArray:
    """Flow of a product group that is fused into one dense sum with the flow `above` [1, O].

    F_n = sum_o w_on S_n / S_o F_o.
    """
    user = values.program.plan.fused[group]
    weights = down_pass.log_weights_under(values.circuit, user, values.hidden)
    total = values.log_value[user]
    shift = np.where(np.isneginf(total), np.inf, total)[:, None]
    log_shares = weights.reshape(len(total), -1) + values.log_value[group] - shift
    return above[0].cpu().numpy() @ np.exp(log_shares)


def _exp(log: float) -> float:
    return math.exp(log) if log < 709 else log if math.isnan(log) else math.inf
