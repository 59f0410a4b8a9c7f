"""Soft evidence on variables, and evidence on the hidden variables of sums.

Soft (virtual) evidence multiplies every state of a variable by a likelihood lambda >= 0; a hard
observation is the special case of one 1 and zeros. At a leaf the state's probability p(c) becomes
p(c) lambda(c): a leaf with the same distribution, normalised, below a sum of one child with the
weight sum_c p(c) lambda(c) (`soften`). On a smooth and decomposable circuit the softened circuit
is exactly x -> S(x) prod_v lambda_v(x_v).

A sum is a mixture over the states of a hidden variable (Poon & Domingos 2011, sec. 2); observing
that it names child i leaves the weight of that child alone (`observe_hidden`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pccore.errors import EvidenceError, NotFoundError
from pccore.graph import Circuit, Group, LeafGroup, SumGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.categorical import Categorical
from pccore.leaves.indicator import Indicator
from pccore.reference import FloatArray, edge_rows


@dataclass(frozen=True)
class Softened:
    """A circuit with soft evidence built in.

    groups: for each group of the original the group of the same size that stands for it (for a
    leaf over a softened variable the sum above the new leaf).
    """

    circuit: Circuit
    groups: tuple[int, ...]

    def unit(self, original: Unit) -> Unit:
        """The unit that has the value of the original one under the soft evidence."""
        return Unit(self.groups[original.group], original.index)


def soften(circuit: Circuit, soft: Mapping[str, Sequence[float]]) -> Softened:
    """The circuit with every leaf's p(c) replaced by p(c) lambda(c).

    What happens to S: where the circuit is smooth and decomposable, S becomes
    S(x) prod lambda_v(x_v) over the given variables v that lie below the root. Each replaced leaf
    lies below a sum of one child, whose weight is the mass of p(c) lambda(c).

    Raises EvidenceError for an unknown or real variable, a wrong number of likelihoods, or one
    that is negative, infinite or not a number; ParameterError for illegal parameters.
    """
    given = likelihoods(circuit, soft)
    circuit.validate_params()
    groups: list[Group] = []
    names = {group.name for group in circuit.groups} | set(circuit.params)
    params: dict[str, Tensor] = dict(circuit.params)
    positions: list[int] = []
    for group in circuit.groups:
        if group.kind != "leaf":
            inputs = tuple(positions[i] for i in group.inputs)
            groups.append(replace(group, inputs=inputs))
        elif given.keys() & set(group.variables):
            leaf, wrapper, tensors = _softened_leaf(circuit, group, given, len(groups), names)
            params |= tensors
            groups += [leaf, wrapper]
        else:
            groups.append(group)
        positions.append(len(groups) - 1)
    used = {group.parameter for group in groups if group.kind != "product"}
    made = Circuit(
        groups,
        [(positions[root.group], root.index) for root in circuit.roots],
        circuit.variables,
        {name: tensor for name, tensor in params.items() if name in used},
        circuit.meta,
    )
    return Softened(made, tuple(positions))


def observe_hidden(circuit: Circuit, hidden: Mapping[str, int]) -> Circuit:
    """The circuit in which each named sum unit keeps the weight of one child, the others 0.

    What happens to S: the part of S in which the sum takes part with another child is removed.
    Weights tied to other groups are untied. hidden: unit name -> number of the child.

    Raises EvidenceError for an unknown unit, one that is no sum, or a child it does not have.
    """
    chosen = chosen_children(circuit, hidden)
    groups: list[Group] = list(circuit.groups)
    changed: dict[str, Tensor] = {}
    names = set(circuit.params) | {group.name for group in circuit.groups}
    users: dict[str, int] = {}
    for group in circuit.groups:
        if group.kind != "product":
            users[group.parameter] = users.get(group.parameter, 0) + 1
    for position in sorted({unit.group for unit in chosen}):
        group = circuit.groups[position]
        assert isinstance(group, SumGroup)
        offsets = edge_rows(circuit, group).offsets
        flat = circuit.params[group.parameter].detach().clone().reshape(-1)
        for unit, child in chosen.items():
            if unit.group == position:
                first, last = int(offsets[unit.index]), int(offsets[unit.index + 1])
                kept = flat[first + child].clone()
                flat[first:last] = 0.0
                flat[first + child] = kept
        parameter = group.parameter
        if users[parameter] > 1:
            parameter = _fresh(f"{group.name} observed", names)
            groups[position] = replace(group, parameter=parameter)
        changed[parameter] = flat.reshape(circuit.params[group.parameter].shape)
    params = circuit.params.updated(changed)
    if all(new is old for new, old in zip(groups, circuit.groups, strict=True)):
        return circuit.with_params(params)
    return Circuit(groups, circuit.roots, circuit.variables, params, circuit.meta)


# -- reading what was asked -----------------------------------------------------------------


def unit_named(circuit: Circuit, name: str) -> Unit:
    """The unit that `circuit.unit_name` calls so. Raises NotFoundError."""
    candidates = [(name, 0)]
    stem, bracket, number = name.removesuffix("]").rpartition("[")
    if bracket and name.endswith("]") and number.isdecimal() and len(number) < 12:
        candidates.append((stem, int(number)))
    for group_name, index in candidates:
        try:
            unit = Unit(circuit.group_index(group_name), index)
        except NotFoundError:
            continue
        if index < circuit.groups[unit.group].size and circuit.unit_name(unit) == name:
            return unit
    raise NotFoundError(f"the circuit has no unit {name!r}")


def likelihoods(circuit: Circuit, soft: Mapping[str, Sequence[float]]) -> dict[int, FloatArray]:
    """The likelihoods by variable number, float64 [states]. Raises EvidenceError."""
    found: dict[int, FloatArray] = {}
    for name, values in soft.items():
        variable = circuit.variable_index(name)
        states = circuit.domain(variable).states
        if states is None:
            raise EvidenceError(
                "soft evidence needs a variable with finitely many states", where=name
            )
        try:
            numbers = np.array(list(values), dtype=np.float64)
        except (TypeError, ValueError):
            raise EvidenceError("likelihoods are a list of numbers", where=name) from None
        if numbers.shape != (states,):
            raise EvidenceError(
                f"{numbers.size} likelihoods are given for {states} states", where=name
            )
        legal = np.isfinite(numbers) & (numbers >= 0)
        if not legal.all():
            state = int(np.argmin(legal))
            raise EvidenceError(
                f"the likelihood {numbers[state]:g} of state {state} is not a finite number >= 0",
                where=name,
            )
        found[variable] = numbers
    return found


def chosen_children(circuit: Circuit, hidden: Mapping[str, int]) -> dict[Unit, int]:
    """The observed child of each sum unit. Raises EvidenceError."""
    found: dict[Unit, int] = {}
    for name, child in hidden.items():
        try:
            unit = unit_named(circuit, name)
        except NotFoundError as error:
            raise EvidenceError(error.message) from None
        if circuit.groups[unit.group].kind != "sum":
            raise EvidenceError("only sums have a hidden variable", where=name)
        count = num_children(circuit, unit)
        if child not in range(count):  # not by comparisons: it may be no integer
            raise EvidenceError(
                f"child {child} does not exist, they are 0 to {count - 1}", where=name
            )
        found[unit] = int(child)
    return found


def num_children(circuit: Circuit, unit: Unit) -> int:
    """How many edges a unit has, without listing them."""
    group = circuit.groups[unit.group]
    if group.kind == "leaf":
        return 0
    if not isinstance(group.edges, str):
        return int(group.edges.offsets[unit.index + 1] - group.edges.offsets[unit.index])
    if group.edges == "dense":
        return sum(circuit.groups[i].size for i in group.inputs)
    return len(group.inputs)


# -- leaves -----------------------------------------------------------------------------------


def leaf_likelihoods(
    circuit: Circuit, row: Tensor, soft: Mapping[int, FloatArray]
) -> dict[int, FloatArray]:
    """log of the factor that soft evidence multiplies each leaf unit by, [size], by group.

    row: the hard evidence, float64 [V], NaN where missing. The factor of a variable is the
    likelihood of its observed state, else sum_c p(c) lambda(c).
    """
    found: dict[int, FloatArray] = {}
    for position, group in enumerate(circuit.groups):
        if group.kind != "leaf" or not soft.keys() & set(group.variables):
            continue
        params = circuit.params[group.parameter].detach().cpu().double()
        total = np.zeros(group.size)
        for j, v in enumerate(group.variables):
            if v in soft:
                value = float(row[v])
                if math.isnan(value):
                    factor = _masses(group, params[j], soft[v]).sum(-1).numpy()
                else:
                    factor = np.full(group.size, soft[v][int(value)])
                with np.errstate(divide="ignore"):
                    total = total + np.log(factor)
        found[position] = total
    return found


def _masses(group: LeafGroup, params: Tensor, likelihood: FloatArray) -> Tensor:
    """p(c) lambda(c) over the states of the leaf's family, [size, C]."""
    chances = group.family.probabilities(params)
    return chances * torch.from_numpy(likelihood[: chances.shape[-1]].copy())


def _softened_leaf(
    circuit: Circuit,
    group: LeafGroup,
    soft: Mapping[int, FloatArray],
    position: int,
    names: set[str],
) -> tuple[LeafGroup, SumGroup, dict[str, Tensor]]:
    """The leaf with p(c) lambda(c), normalised, the sum above it, and their parameters."""
    stored = circuit.params[group.parameter]
    params = stored.detach().cpu().double()
    weight = torch.ones(group.size, dtype=torch.float64)
    fixed = isinstance(group.family, Indicator)
    family = group.family
    if not fixed and not isinstance(family, Bernoulli):
        states = family.support.states
        assert states is not None, "only finite variables are softened"
        family = Categorical(states)
    columns: list[Tensor] = []
    for j, v in enumerate(group.variables):
        if v in soft:
            masses = _masses(group, params[j], soft[v])
            mass = masses.sum(-1)
            weight = weight * mass
            chances = torch.where(
                (mass > 0)[:, None], masses / mass.clamp_min(1e-300)[:, None], 0.0
            )
            # A leaf of mass 0 keeps its distribution: its weight is 0 already.
            chances = torch.where(
                (mass > 0)[:, None], chances, group.family.probabilities(params[j])
            )
        else:
            chances = group.family.probabilities(params[j])
        if fixed:
            columns.append(params[j])
        else:
            columns.append(chances[:, 1] if isinstance(family, Bernoulli) else chances)
    leaf_name = _fresh(f"{group.name} softened", names)
    tensors = {
        leaf_name: torch.stack(columns),
        (parameter := _fresh(f"{group.name} likelihood", names)): weight[:, None],
    }
    leaf = LeafGroup(leaf_name, group.size, family, group.variables, leaf_name)
    wrapper = SumGroup(group.name, group.size, (position,), parameter, "elementwise")
    return leaf, wrapper, tensors


def _fresh(name: str, taken: set[str]) -> str:
    """The name, or with a number behind it where it is taken; taken from now on."""
    number, found = 2, name
    while found in taken:
        found = f"{name} {number}"
        number += 1
    taken.add(found)
    return found
