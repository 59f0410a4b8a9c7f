"""All single-variable posteriors from one up and one down pass (Poon & Domingos 2011, sec. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pccore.compile import Program
from pccore.compile.leaf_layer import LeafLayer
from pccore.compile.tiling import in_tiles
from pccore.errors import OptionError
from pccore.evidence import Evidence
from pccore.graph import LeafGroup
from pccore.queries.subject import Model, checked, licensed, refuse_impossible


@dataclass(frozen=True)
class Marginals:
    """P(X | e) of every variable.

    log_value: log S(e), [B]. probabilities: for each variable [B, C], or None where the
    variable is not finite. mean, variance: [B, V]; observed variables have variance 0.
    Of a variable outside the root's scope nothing is known: NaN, unless it is observed (and
    None for one that no leaf mentions).
    """

    log_value: Tensor
    probabilities: tuple[Tensor | None, ...]
    mean: Tensor
    variance: Tensor


def marginals(model: Model, evidence: Evidence, root: int = 0) -> Marginals:
    """P(X_v = c | e) for every variable and state, with means and variances.

    Observed finite variables get probability 1 on what was observed. Raises PropertyError
    unless the circuit is smooth and decomposable, EvidenceError for bad or impossible
    evidence.
    """
    program, _ = licensed(model, "marginals")
    circuit = program.circuit
    domains = [circuit.domains.get(v) for v in range(len(circuit.variables))]
    states = [domain.states or 0 if domain is not None else 0 for domain in domains]
    rows = checked(program, evidence)
    log_value, table, mean, variance = _posterior(program, rows, max(states), root)
    return Marginals(
        log_value,
        tuple(table[:, v, :c] if c else None for v, c in enumerate(states)),
        mean,
        variance,
    )


def posterior_of(
    model: Model, evidence: Evidence, variables: Sequence[str], root: int = 0
) -> list[Tensor]:
    """P(X = c | e) of some finite variables alone, [B, C] each: of circuits whose other variables
    are many or have many states, `marginals` would make tables that nobody asked for.

    Rows of probability zero get NaN. Raises PropertyError unless the circuit is smooth and
    decomposable, NotFoundError for an unknown variable, OptionError for one that is not finite.
    """
    program, _ = licensed(model, "marginals")
    circuit = program.circuit
    asked = [circuit.variable_index(name) for name in variables]
    for v, name in zip(asked, variables, strict=True):
        if v not in circuit.domains or not circuit.domain(v).states:
            raise OptionError("has no states to be told apart", where=name)
    rows = checked(program, evidence)
    found: list[list[Tensor]] = [[] for _ in asked]

    def tile(part: Tensor) -> list[Tensor]:
        return _tables(program, part, asked, root)

    for tables in in_tiles(program, rows, tile, buffers=2):
        for kept, table in zip(found, tables, strict=True):
            kept.append(table)
    return [torch.cat(parts) for parts in found]


def _tables(program: Program, rows: Tensor, asked: Sequence[int], root: int) -> list[Tensor]:
    """The flow of each leaf group over a variable, spread over what its units say of it."""
    circuit, reached = program.circuit, program.plan.addresses
    state = program.evaluate(rows, keep=True)
    flows = program.flows(state, root=root)
    impossible = torch.isneginf(program.root_values(state, root))
    found: list[Tensor] = []
    for v in asked:
        states = circuit.domain(v).states or 0
        table = torch.zeros((len(rows), states), dtype=torch.float64)
        for g, group in enumerate(circuit.groups):
            if not isinstance(group, LeafGroup) or v not in group.variables or g not in reached:
                continue
            values = circuit.params[group.parameter][group.variables.index(v)]
            chances = group.family.probabilities(values.detach().cpu().double())
            table[:, : chances.shape[1]] += program.flow_values(flows, g).double().cpu() @ chances
        observed = ~torch.isnan(rows[:, v])
        seen = (rows[:, v, None] == torch.arange(states)).double()
        table = torch.where(observed[:, None].cpu(), seen.cpu(), table)
        table[impossible.cpu()] = torch.nan
        found.append(table)
    return found


def posterior_moments(
    model: Model, evidence: Evidence, root: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """(log S(e) [B], E[X | e] [B, V], Var[X | e] [B, V]) in float64, without the tables of
    `marginals`; observed values are kept, with variance 0."""
    program, _ = licensed(model, "mean")
    rows = checked(program, evidence)
    log_value, _, mean, variance = _posterior(program, rows, 0, root)
    return log_value, torch.where(torch.isnan(rows), mean, rows), variance


def posterior_mean(model: Model, evidence: Evidence, root: int = 0) -> Tensor:
    """E[X | e] with observed values kept, [B, V] float64; cheaper than `marginals`."""
    return posterior_moments(model, evidence, root)[1]


def _posterior(
    program: Program, rows: Tensor, states: int, root: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What `_tile` gives, for all rows. Raises EvidenceError for impossible ones."""
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    done = 0
    answers = in_tiles(
        program,
        rows,
        lambda tile: _tile(program, tile, states, root),
        buffers=3,
        answer=rows.shape[1] * states,
    )
    for part in answers:
        parts.append(part)
        refuse_impossible(part[0], len(rows), done)
        done += len(part[0])
    log_value, table, mean, variance = (torch.cat(column) for column in zip(*parts, strict=True))
    return log_value, table, mean, variance


def _tile(
    program: Program, rows: Tensor, states: int, root: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(log S [B], probabilities [B, V, states], mean [B, V], variance [B, V]) in float64."""
    state = program.evaluate(rows, keep=True)
    log_value = program.root_values(state, root)
    flows = program.flows(state, root=root)
    count, width = rows.shape
    table = torch.zeros((width, states, count), device=program.device, dtype=program.dtype)
    moments = torch.zeros((width, 2, count), device=program.device, dtype=program.dtype)
    unknown = [v for v in range(rows.shape[1]) if v not in program.circuit.scope_of(root)]
    moments[unknown] = torch.nan
    table[unknown] = torch.nan
    with program.products():
        for layer in program.layers:
            if isinstance(layer, LeafLayer):
                layer.expectation(flows, layer.bank.moments, moments)
                family = layer.bank.family
                if states and family.support.states is not None:
                    chances = family.probabilities(layer.bank.values)
                    layer.expectation(flows, _padded(chances, states), table)
    observed = state.observed
    first, second = moments.permute(1, 2, 0)  # each [B, V]
    table = table.permute(2, 0, 1)
    mean = torch.where(observed, state.x, first)
    spread = (second - first.square()).clamp_min(0)
    variance = torch.where(observed, 0.0, spread)
    if states:
        grid = torch.arange(states, device=program.device, dtype=program.dtype)
        seen = (state.x.unsqueeze(-1) == grid).to(table.dtype)
        table = torch.where(observed.unsqueeze(-1), seen, table)
    return tuple(t.double().cpu() for t in (log_value, table, mean, variance))  # pyright: ignore[reportReturnType]


def _padded(chances: Tensor, states: int) -> Tensor:
    return torch.nn.functional.pad(chances, (0, states - chances.shape[-1]))
