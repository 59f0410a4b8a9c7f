"""What a unit means: its scope, its formula, a picture of its distribution, its share of the flow.

A unit of a smooth and decomposable circuit is itself a circuit: an unnormalised distribution over
its scope. It is asked the ordinary queries, as the root of the same circuit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from pccore.compile import Program, compile_circuit
from pccore.errors import OptionError, PCError, PropertyError
from pccore.evidence import Evidence
from pccore.graph import Circuit, LeafGroup, Unit
from pccore.leaves.base import Support
from pccore.queries.likelihood import log_partition, log_value
from pccore.queries.marginals import Marginals, marginals
from pccore.queries.subject import Model
from pccore.queries.table import licence
from pccore.queries.values import Hidden, Soft, UnitValues, unit_values
from pccore.reference import FloatArray

Kind = Literal["bar", "line", "heat", "contour", "image"]

#: States of one variable, and points of a grid of reals, that a picture shows at most.
MOST_STATES = 256
LINE_POINTS = 201
CONTOUR_POINTS = 61
#: Variables whose marginals are listed where there is no picture.
TOP = 12
#: Edges of a circuit whose units are drawn.
MOST_EDGES = 20_000_000
#: Children named in a formula.
MOST_TERMS = 6


@dataclass(frozen=True)
class Axis:
    """One axis of a picture: the variable and its values (states, or a grid of reals)."""

    variable: str
    values: FloatArray


@dataclass(frozen=True)
class Top:
    """The marginal of one variable, for units over many: its likeliest state, or mean."""

    variable: str
    mean: float
    deviation: float
    state: int | None
    probability: float | None


@dataclass(frozen=True, eq=False)
class Meaning:
    """What can be said of one unit.

    scope: names of its variables. formula: the unit from its children. kind and table: "bar" or
    "line" [states or points], "heat" or "contour" [first axis, second axis], P over the scope,
    normalised; "image" [height, width] or [height, width, 3], the mean of each pixel, NaN outside
    the scope. None where there is no such picture; then `reason` says why and `top` lists
    marginals where they may be asked. log_partition: log of the unit's own sum over all states,
    NaN where not licensed. flow_share: its share of the root's flow under the evidence, NaN where
    the evidence is impossible or no root reaches the unit.
    """

    unit: Unit
    name: str
    scope: tuple[str, ...]
    formula: str
    kind: Kind | None
    axes: tuple[Axis, ...]
    table: FloatArray | None
    top: tuple[Top, ...]
    reason: str
    log_partition: float
    flow_share: float


def meaning(
    model: Model,
    unit: Unit,
    evidence: Evidence | None = None,
    root: int = 0,
    *,
    soft: Soft | None = None,
    hidden: Hidden | None = None,
    values: UnitValues | None = None,
) -> Meaning:
    """Describe a unit of any circuit.

    The picture is of the unit's own distribution, without evidence; the share of the flow is
    under the evidence (soft and hidden as in `unit_values`, or `values` computed before).

    Raises what `unit_values` raises; what the unit's part of the circuit does not license is
    explained in `reason` instead.
    """
    circuit = model.circuit if isinstance(model, Program) else model
    _check(circuit, unit)
    scope = tuple(circuit.scopes[unit.group])
    if values is None:
        values = unit_values(model, evidence or {}, root, soft=soft, hidden=hidden)
    share = math.nan if values.log_root == -math.inf else values.flow_of(unit)
    own = circuit.with_roots([unit])
    picture, top, reason, log_z = _Picture(None, (), None), (), "", math.nan
    try:
        refused = _refusal(own)
        if refused:
            raise PropertyError(refused)
        program = compile_circuit(own, dtype=torch.float64)
        log_z = float(log_partition(program))
        if log_z == -math.inf:
            raise PropertyError("the unit is zero on every state")
        picture = _picture(program, scope, log_z)
        if picture.kind is None:
            reason, top = picture.reason, _top(program, scope)
    except PCError as error:
        reason = error.message
    return Meaning(
        unit,
        circuit.unit_name(unit),
        tuple(circuit.variables[v] for v in scope),
        formula_of(circuit, unit),
        picture.kind,
        picture.axes,
        picture.table,
        top,
        reason,
        log_z,
        share,
    )


def _check(circuit: Circuit, unit: Unit) -> None:
    inside = 0 <= unit.group < len(circuit.groups)
    if not inside or not 0 <= unit.index < circuit.groups[unit.group].size:
        raise OptionError(f"the circuit has no unit {unit.index} of group {unit.group}")


def _refusal(own: Circuit) -> str:
    """Why the unit has no marginals; "" where it has."""
    if own.num_edges > MOST_EDGES:
        return f"the circuit has {own.num_edges} edges, too many to draw what one unit means"
    found = licence(own, "marginals")
    return "" if found.granted else found.reason()


# -- pictures --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Picture:
    kind: Kind | None
    axes: tuple[Axis, ...]
    table: FloatArray | None
    reason: str = ""


def _picture(program: Program, scope: tuple[int, ...], log_z: float) -> _Picture:
    circuit = program.circuit
    grid = image_grid(circuit)
    if grid is not None and len(scope) > 1:
        return _image(program, grid)
    if len(scope) > 2:
        return _Picture(None, (), None, f"it depends on {len(scope)} variables")
    supports = [circuit.domain(v) for v in scope]
    points = LINE_POINTS if len(scope) == 1 else CONTOUR_POINTS
    axes = tuple(_axis(circuit, v, s, points) for v, s in zip(scope, supports, strict=True))
    real = [support.kind == "real" for support in supports]
    columns = np.meshgrid(*(axis.values for axis in axes), indexing="ij")
    rows = np.full((columns[0].size, len(circuit.variables)), np.nan)
    for v, column in zip(scope, columns, strict=True):
        rows[:, v] = column.reshape(-1)
    table = np.exp(log_value(program, rows).numpy() - log_z).reshape(columns[0].shape)
    flat: tuple[Kind, Kind] = ("line", "bar") if len(scope) == 1 else ("contour", "heat")
    kind = flat[0] if all(real) else flat[1]
    return _Picture(kind, axes, table)


def _axis(circuit: Circuit, variable: int, support: Support, points: int) -> Axis:
    """The states, or a grid over all leaves below the root, of one variable."""
    name = circuit.variables[variable]
    if support.states is not None:
        if support.states > MOST_STATES:
            raise OptionError(
                f"{name} has {support.states} states, more than the {MOST_STATES} of a picture"
            )
        return Axis(name, np.arange(support.states, dtype=np.float64))
    means, deviations = _leaves(circuit, variable)
    low, high = (means - 4 * deviations).min(), (means + 4 * deviations).max()
    if support.kind == "count":
        last = min(math.ceil(high), MOST_STATES - 1)
        return Axis(name, np.arange(last + 1, dtype=np.float64))
    return Axis(name, np.linspace(low, high, points))


def _leaves(circuit: Circuit, variable: int) -> tuple[FloatArray, FloatArray]:
    """Means and standard deviations of the leaves over one variable below the root."""
    live = {circuit.root.group}
    means: list[FloatArray] = []
    deviations: list[FloatArray] = []
    for position in range(circuit.root.group, -1, -1):
        group = circuit.groups[position]
        if position not in live:
            continue
        if group.kind != "leaf":
            live.update(group.inputs)
        elif variable in group.variables:
            params = circuit.params[group.parameter][group.variables.index(variable)]
            params = params.detach().cpu().double()
            means.append(group.family.mean(params).numpy())
            deviations.append(group.family.variance(params).sqrt().numpy())
    return np.concatenate(means), np.concatenate(deviations)


def image_grid(circuit: Circuit) -> tuple[int, int, int] | None:
    """(height, width, channels) where the circuit's notes say that a row is an image."""
    noted = circuit.meta.get("image")
    if not isinstance(noted, Mapping):
        return None
    sizes = [noted.get(key, 1) for key in ("height", "width", "channels")]
    whole = [size for size in sizes if isinstance(size, int) and size > 0]
    if len(whole) != 3 or math.prod(whole) != len(circuit.variables) or whole[2] not in (1, 3):
        return None
    return whole[0], whole[1], whole[2]


def _image(program: Program, grid: tuple[int, int, int]) -> _Picture:
    height, width, channels = grid
    mean = _marginals(program).mean[0].numpy()
    shape = (height, width) if channels == 1 else grid
    return _Picture("image", (), mean.reshape(shape))


def _marginals(program: Program) -> Marginals:
    return marginals(program, np.full((1, len(program.circuit.variables)), np.nan))


def _top(program: Program, scope: tuple[int, ...]) -> tuple[Top, ...]:
    """The marginals of the first variables of the scope."""
    found = _marginals(program)
    top: list[Top] = []
    for v in scope[:TOP]:
        chances = found.probabilities[v]
        best = None if chances is None else int(chances[0].argmax())
        top.append(
            Top(
                program.circuit.variables[v],
                float(found.mean[0, v]),
                math.sqrt(float(found.variance[0, v])),
                best,
                None if chances is None or best is None else float(chances[0, best]),
            )
        )
    return tuple(top)


# -- formula ---------------------------------------------------------------------------------


def formula_of(circuit: Circuit, unit: Unit) -> str:
    """`S = 0.5·C1 + 0.2·C2 + …`: a unit from its children's names; long ones are cut."""
    group = circuit.groups[unit.group]
    name = circuit.unit_name(unit)
    if group.kind == "leaf":
        return f"{name} = {leaf_text(circuit, unit)}"
    edges = circuit.children(unit)
    shown = [(circuit.unit_name(edge.child), edge.weight) for edge in edges[:MOST_TERMS]]
    if group.kind == "sum":
        sign = " + "
        terms = [f"{weight:.4g}·{child}" for child, weight in shown]
    else:
        sign = " · "
        terms = [child for child, _ in shown]
    if len(edges) > MOST_TERMS:
        terms.append(f"… ({len(edges) - MOST_TERMS} more)")
    return f"{name} = {sign.join(terms)}"


def leaf_text(circuit: Circuit, unit: Unit) -> str:
    """`[X = 1]`, `N(X; 0, 1)`, `bernoulli(X; 0.3)`, or the number of its distributions."""
    group = circuit.groups[unit.group]
    assert isinstance(group, LeafGroup)
    family = group.family.name
    first, *others = group.variables
    if others:
        return f"product of {1 + len(others)} {family} distributions"
    variable = circuit.variables[first]
    tensor = circuit.params[group.parameter][0, unit.index].detach()
    numbers: list[float] = tensor.reshape(-1).tolist()
    if family == "indicator":
        return f"[{variable} = {numbers[0]:g}]"
    shown = ", ".join(f"{number:.4g}" for number in numbers[:MOST_TERMS])
    rest = ", …" if len(numbers) > MOST_TERMS else ""
    return f"{'N' if family == 'gaussian' else family}({variable}; {shown}{rest})"
