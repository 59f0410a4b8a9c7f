"""The evidence of the Query page: what the link says, what the list shows, what a click changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from pc_workbench.views import labels
from pccore.errors import PCError
from pccore.evidence import evidence_rows, parse_evidence, state_names, state_text
from pccore.graph import Circuit, LeafGroup, Unit
from pccore.queries import Posterior, UnitValues, hidden_posterior
from pccore.transform.soft_text import parse_likelihoods
from pccore.transform.soften import chosen_children, likelihoods, num_children, unit_named

#: Variables that the list holds at once; of more, the observed ones and those searched for.
MOST_ROWS = 100
#: States that are listed one by one; a variable with more is a number.
MOST_STATES = 32
#: Children of a sum whose hidden variable is listed.
MOST_CHILDREN = 24
#: Points of the sketch of a density.
POINTS = 48

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Latent:
    """The hidden variable of a sum: unit name, the name somebody gave it, the observed child."""

    unit: str
    name: str
    child: int | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """All evidence on a circuit. dropped: what of the link does not fit the circuit, in words.
    names: the observed states by their names, of the variables whose states have any."""

    observed: Mapping[str, float]
    soft: Mapping[str, tuple[float, ...]]
    latents: tuple[Latent, ...]
    dropped: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, circuit: Circuit, observed: Mapping[str, float]) -> Given:
        """Values of variables and nothing else."""
        return cls(dict(observed), {}, (), names=_names(circuit, observed))

    @property
    def hidden(self) -> dict[str, int]:
        """The observed hidden variables as `unit_values` takes them."""
        return {one.unit: one.child for one in self.latents if one.child is not None}

    @property
    def empty(self) -> bool:
        """Whether nothing is observed."""
        return not self.observed and not self.soft and not self.hidden

    def text(self) -> str:
        """`X1 = 1, X2 ~ 0.2 0.8, Y = C1`: what stands behind P( and S(; "" if nothing."""
        parts = [
            f"{name} = {self.names.get(name) or labels.number(value)}"
            for name, value in self.observed.items()
        ]
        parts += [
            f"{name} ~ {' '.join(labels.number(v) for v in values)}"
            for name, values in self.soft.items()
        ]
        parts += [f"{one.name} = {one.child}" for one in self.latents if one.child is not None]
        return ", ".join(parts)


# -- the link ---------------------------------------------------------------------------------


def read(evidence: str, soft: Pairs, hidden: Pairs, circuit: Circuit) -> Given:
    """The evidence that the state's fields write; what does not fit is left out and named."""
    dropped: list[str] = []
    observed: dict[str, float] = {}
    try:
        parsed = parse_evidence(evidence, circuit)
        observed = {name: value for name, value in parsed.items() if not math.isnan(value)}
    except PCError as error:
        dropped.append(str(error))
    softly: dict[str, tuple[float, ...]] = {}
    for name, text in soft:
        try:
            values = tuple(parse_likelihoods(text))
            likelihoods(circuit, {name: values})
            softly[name] = values
        except PCError as error:
            dropped.append(str(error))
    latents: list[Latent] = []
    for unit, text in hidden:
        try:
            latents.append(_latent(unit, text, circuit))
        except PCError as error:
            dropped.append(str(error))
    names = _names(circuit, observed)
    return Given(observed, softly, tuple(latents), tuple(dropped), names)


def _names(circuit: Circuit, observed: Mapping[str, float]) -> dict[str, str]:
    return {
        name: state_text(circuit, name, value)
        for name, value in observed.items()
        if state_names(circuit, name)
    }


def _latent(unit: str, text: str, circuit: Circuit) -> Latent:
    name, equals, number = text.partition("=")
    child = int(number) if equals and number.isascii() and number.isdigit() else None
    found = unit_named(circuit, unit)
    chosen_children(circuit, {unit: child or 0})  # raises unless it is a sum with such a child
    return Latent(circuit.unit_name(found), name or unit, child)


def write(given: Given) -> dict[str, Any]:
    """The fields of the state that say this evidence."""
    observed = observed_text(given)
    soft = tuple(
        (name, " ".join(_number(v) for v in values)) for name, values in given.soft.items()
    )
    hidden = tuple(
        (one.unit, one.name if one.child is None else f"{one.name}={one.child}")
        for one in given.latents
    )
    return {"evidence": observed, "soft": soft, "hidden": hidden}


def observed_text(given: Given) -> str:
    """The observed values as `pccore query --evidence` takes them."""
    return ",".join(
        f"{name}={given.names.get(name) or _number(value)}"
        for name, value in given.observed.items()
    )


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


# -- changing it ------------------------------------------------------------------------------


def clicked(
    before: Given,
    circuit: Circuit,
    observed: Mapping[str, float],
    soft: Mapping[str, Sequence[float]],
    shown: Sequence[str],
    clear: bool = False,
) -> Given:
    """The evidence after a click in the list; ids and the order of states as `rows` makes them.

    shown: ids of the rows that were in the list: what is observed elsewhere stays, unless `clear`.
    Raises EvidenceError for a value that the circuit does not know.
    """
    listed = set(shown)
    values = {} if clear else {n: x for n, x in before.observed.items() if f"v:{n}" not in listed}
    softly = {} if clear else {n: x for n, x in before.soft.items() if f"v:{n}" not in listed}
    values |= {name[2:]: x for name, x in observed.items() if name.startswith("v:")}
    softly |= {
        name[2:]: _by_state(circuit, name[2:], x)
        for name, x in soft.items()
        if name.startswith("v:")
    }
    order = {name: v for v, name in enumerate(circuit.variables)}
    values = {n: values[n] for n in sorted(values, key=lambda n: order.get(n, 0))}
    softly = {n: softly[n] for n in sorted(softly, key=lambda n: order.get(n, 0))}
    evidence_rows(circuit, values)
    likelihoods(circuit, softly)
    latents = tuple(
        replace(one, child=_whole(observed.get(f"h:{one.unit}"))) for one in before.latents
    )
    given = Given(values, softly, latents, names=_names(circuit, values))
    chosen_children(circuit, given.hidden)
    return given


def shown_order(states: int) -> list[int]:
    """The states in the order of the list: x before x̄, as the field writes it."""
    return [1, 0] if states == 2 else list(range(states))


def _by_state(circuit: Circuit, name: str, listed: Sequence[float]) -> tuple[float, ...]:
    """Likelihoods in the order of the list, put into the order of the states."""
    order = shown_order(len(listed))
    if circuit.domain(circuit.variable_index(name)).states != len(order):
        return tuple(listed)  # refused by the caller's check
    return tuple(x for _, x in sorted(zip(order, listed, strict=True)))


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def as_row(circuit: Circuit, observed: Mapping[str, float]) -> np.ndarray:
    """The observed values as [V], NaN where nothing is observed."""
    return evidence_rows(circuit, observed)[0].numpy()


def exp(log: float) -> float:
    """exp, infinite instead of an overflow error."""
    return math.exp(log) if log < 709 else math.inf


# -- the rows ---------------------------------------------------------------------------------


def rows(
    circuit: Circuit,
    given: Given,
    values: UnitValues | None,
    posterior: Posterior | None,
    prior: Posterior | None = None,
    find: str = "",
    latent_answers: bool = True,
) -> tuple[list[dict[str, Any]], int]:
    """The rows of the list, and how many variables it leaves out.

    values, posterior: under the evidence, None where they cannot be had; prior: with none.
    """
    found = [
        row
        for one in given.latents
        if (row := _latent_row(circuit, one, values if latent_answers else None)) is not None
    ]
    known = [v for v in range(len(circuit.variables)) if v in circuit.domains]
    chosen = known
    if len(known) > MOST_ROWS:
        names = [circuit.variables[v].casefold() for v in range(len(circuit.variables))]
        words = find.casefold().split()
        held = [v for v in known if circuit.variables[v] in {*given.observed, *given.soft}]
        wanted = [v for v in known if all(word in names[v] for word in words)]
        chosen = sorted([*held[:MOST_ROWS], *[v for v in wanted if v not in set(held)][:MOST_ROWS]])
    for v in chosen:
        found.append(_row(circuit, v, given, values, posterior, prior))
    return found, len(known) - len(chosen)


def _row(
    circuit: Circuit,
    v: int,
    given: Given,
    values: UnitValues | None,
    posterior: Posterior | None,
    prior: Posterior | None,
) -> dict[str, Any]:
    name = circuit.variables[v]
    states = circuit.domain(v).states
    row: dict[str, Any] = {"id": f"v:{name}", "name": name, "states": [], "values": []}
    row["given"] = given.observed.get(name)
    if name in given.soft:
        order = shown_order(len(given.soft[name]))
        row["soft"] = [given.soft[name][c] for c in order]
    table = None if posterior is None else posterior.probabilities[v]
    if states is not None and states <= MOST_STATES:
        order = shown_order(states)
        words = state_names(circuit, name) or ("",) * states
        row["states"] = [words[c] or str(c) for c in order]
        row["values"] = order
        row["softens"] = states <= 12
        row["chances"] = _listed(table, order)
        if prior is not None and not given.empty:
            row["before"] = _listed(prior.probabilities[v], order)
        return row
    if posterior is not None and math.isfinite(posterior.mean[v]):
        row["mean"] = float(posterior.mean[v])
        row["deviation"] = math.sqrt(max(0.0, float(posterior.variance[v])))
    row["curve"] = curve(values, v, table) if posterior is not None and values is not None else None
    return row


def mark_covered(listed: Sequence[dict[str, Any]], states: Mapping[str, int]) -> None:
    """Mark the states of a monomial in the rows."""
    for row in listed:
        name = row["id"].removeprefix("v:")
        if name != row["id"] and name in states and states[name] in row["values"]:
            row["covered"] = states[name]


def _listed(table: np.ndarray | None, order: Sequence[int]) -> list[float] | None:
    if table is None or bool(np.isnan(table).any()):
        return None
    return [float(table[c]) for c in order]


def _latent_row(circuit: Circuit, one: Latent, values: UnitValues | None) -> dict[str, Any] | None:
    unit = unit_named(circuit, one.unit)
    children = circuit.children(unit)
    if len(children) > MOST_CHILDREN:
        return None
    row: dict[str, Any] = {
        "id": f"h:{one.unit}",
        "name": one.name,
        "latent": True,
        "hint": f"{one.name}: the hidden variable of the sum {one.unit}",
        "states": [circuit.unit_name(edge.child) for edge in children],
        "values": list(range(len(children))),
        "given": one.child,
    }
    if values is None:
        return row
    shares = hidden_posterior(values, unit)
    if bool(np.isnan(shares[:-1]).any()):
        return row
    row["chances"] = [float(p) for p in shares[:-1]]
    if shares[-1] > 1e-9:  # the sum takes no part in some induced trees
        row["states"] = [*row["states"], "no part"]
        row["values"] = [*row["values"], None]
        row["chances"] = [float(p) for p in shares]
    return row


def curve(
    values: UnitValues, variable: int, table: np.ndarray | None = None
) -> list[list[float]] | None:
    """The posterior density of a real variable as points, mixed from its leaves by their flow.

    A variable that is observed gets the density of its leaves at the same flows. With a `table` of
    many states, its points.
    """
    if table is not None:
        return [[float(c), float(p)] for c, p in enumerate(table)]
    parts: list[tuple[LeafGroup, int, torch.Tensor, np.ndarray]] = []
    for position in values.planned:
        group = values.circuit.groups[position]
        if isinstance(group, LeafGroup) and variable in group.variables:
            flow = values.flow[position]
            if flow.any():
                place = group.variables.index(variable)
                params = values.circuit.params[group.parameter][place].detach().cpu().double()
                parts.append((group, position, params, flow))
    if not parts:
        return None
    means = np.concatenate([g.family.mean(p).numpy()[f > 1e-6] for g, _, p, f in parts])
    spread = np.concatenate([g.family.variance(p).sqrt().numpy()[f > 1e-6] for g, _, p, f in parts])
    if not len(means):
        return None
    low, high = float((means - 3.2 * spread).min()), float((means + 3.2 * spread).max())
    seen = float(values.x[variable])
    if not math.isnan(seen):
        low, high = min(low, seen), max(high, seen)
    grid = torch.linspace(low, high, POINTS, dtype=torch.float64)
    if values.circuit.domain(variable).kind == "count":  # a count has no density between two
        grid = grid.clamp_min(0).round().unique()
    total = torch.zeros(len(grid), dtype=torch.float64)
    for group, _, params, flow in parts:
        density = torch.exp(group.family.log_prob(grid[:, None], params[None]))
        total += density @ torch.from_numpy(flow)
    return [[float(x), float(y)] for x, y in zip(grid, total, strict=True)]


def sums(circuit: Circuit, values: UnitValues, most: int = 400) -> list[Unit]:
    """The sums whose hidden variable may be named, from the root downwards."""
    found: list[Unit] = []
    for position in reversed(values.planned):
        group = circuit.groups[position]
        if group.kind == "sum":
            units = [Unit(position, i) for i in range(min(group.size, most - len(found)))]
            found += [u for u in units if 2 <= num_children(circuit, u) <= MOST_CHILDREN]
        if len(found) >= most:
            break
    return found
