"""A hidden variable looked at: its states' probabilities, the rows that belong to each, what a
state stands for. Everything is asked of the circuit in which it has been made visible."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pccore.compile import Program
from pccore.completion import to_pixels
from pccore.csv_text import csv_text
from pccore.datasets import Dataset, ImageShape
from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.queries import expected_flows, posterior_moments, posterior_of, sample
from pccore.scope import Scope
from pccore.transform import hidden_groups, hidden_names

#: Groups that can be chosen.
MOST_CHOICES = 400
#: What a link can carry.
LONGEST_NAME = 200
#: A group that takes part less is none to choose.
LEAST_PART = 1e-3
#: Variables that a state is told by, and of how many the most telling are looked for.
TELLING, MOST_COMPARED = 5, 400
#: States of a variable from which it is told by its mean.
MANY_STATES = 8
#: States less probable than this have no samples.
POSSIBLE = 1e-12
#: How opaque the rest of a picture is beside the region; a place on the map of a picture.
_FAINT = 70
_INSIDE, _OUTSIDE = (62, 124, 214, 255), (128, 128, 128, 90)
#: Less probable states without rows are not worth a line.
_RARE = 5e-4


@dataclass(frozen=True)
class Choice:
    """A group whose units are the states of a hidden variable. noted: the structure says so."""

    position: int
    name: str
    label: str
    noted: bool


def choices(circuit: Circuit, parts: Mapping[int, float] | None = None) -> tuple[Choice, ...]:
    """The groups to choose from: those that the structure has noted, else every group of several
    sums or leaves, first those that take part most, and of these those over many variables.

    parts: the probability that a group takes part, by its position.
    """
    try:
        noted = [g for g in hidden_groups(circuit) if circuit.groups[g].size > 1]
    except (OptionError, LookupError):
        noted = []
    found = noted or [
        g for g, group in enumerate(circuit.groups) if group.size > 1 and group.kind != "product"
    ]
    if not noted:
        known = parts or {}
        found = [g for g in found if known.get(g, 1.0) > LEAST_PART]
        found.sort(key=lambda g: (-round(known.get(g, 1.0), 2), -len(circuit.scopes[g])))
    return tuple(
        Choice(g, name, _label(circuit, g), bool(noted))
        for g in found[:MOST_CHOICES]
        for name in [circuit.groups[g].name]
        if name.isprintable() and len(name) <= LONGEST_NAME
    )


def _label(circuit: Circuit, g: int) -> str:
    group, width = circuit.groups[g], len(circuit.scopes[g])
    over = f"{width} variables" if width > 1 else "1 variable"
    return f"{group.name} · {group.size} states, over {over}"


def parts_of(program: Program) -> dict[int, float]:
    """How probable it is that some unit of a group takes part, by position. PropertyError."""
    nothing = torch.full((1, len(program.circuit.variables)), torch.nan)
    found = expected_flows(program, nothing).units
    return {g: float(flows.sum()) for g, flows in found.items()}


@dataclass(frozen=True, eq=False)
class Clusters:
    """prior: P(Z = k), [K + 1], the last that no state takes part. posterior: P(Z = k | row),
    [N, K + 1], NaN for impossible rows. state: the most probable of each row, [N], K for none,
    -1 for impossible rows."""

    prior: np.ndarray
    posterior: np.ndarray
    state: np.ndarray

    @property
    def size(self) -> int:
        """K."""
        return len(self.prior) - 1

    def count(self, state: int) -> int:
        """Rows that belong to a state."""
        return int((self.state == state).sum())

    def members(self, state: int, most: int) -> np.ndarray:
        """Rows of a state, those that belong to it most certainly first."""
        own = np.flatnonzero(self.state == state)
        return own[np.argsort(-self.posterior[own, state], kind="stable")][:most]

    def order(self) -> list[int]:
        """States that are ever to be seen, the most probable first."""
        order = np.argsort(-self.prior[:-1], kind="stable").tolist()
        return [
            k for k in order
            if self.prior[k] > _RARE or (self.prior[k] > POSSIBLE and self.count(k))
        ]  # fmt: skip


def clusters(program: Program, rows: np.ndarray) -> Clusters:
    """What the hidden variable, the last one of the program's circuit, says of rows [N, V].

    Raises PropertyError, EvidenceError for values that the circuit cannot have.
    """
    name = program.circuit.variables[-1]
    unknown = np.full((len(rows) + 1, rows.shape[1] + 1), np.nan)
    unknown[1:, :-1] = rows
    found = posterior_of(program, unknown, [name])[0].numpy()
    posterior = found[1:]
    possible = ~np.isnan(posterior).any(1)
    state = np.where(possible, np.nan_to_num(posterior).argmax(1), -1)
    return Clusters(found[0], posterior, state)


def to_csv(found: Clusters) -> str:
    """The rows with their states, as a CSV file; the state "none" takes no part."""
    rows: list[tuple[object, ...]] = []
    for row, state in enumerate(found.state.tolist()):
        if state < 0:
            rows.append((row, "", ""))
        else:
            name = "none" if state == found.size else state
            rows.append((row, name, f"{found.posterior[row, state]:.6g}"))
    return csv_text(("row", "state", "probability"), rows)


# -- what a state stands for -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Meant:
    """states: that were asked. mean: E[X | Z = k], [S, V]. samples: [S, n, V]."""

    states: tuple[int, ...]
    mean: np.ndarray
    samples: np.ndarray


def meant(program: Program, states: Sequence[int], count: int, seed: int) -> Meant:
    """Means and samples of states of positive probability."""
    given = _given(program, states)
    mean = posterior_moments(program, given)[1].numpy()[:, :-1]
    drawn = sample(program, count, given, seed=seed).numpy()
    return Meant(tuple(states), mean, drawn.reshape(len(states), count, -1)[..., :-1])


def telling(
    program: Program, states: Sequence[int], scope: Scope, dataset: Dataset | None
) -> list[list[str]]:
    """For each state short texts on the variables that it differs in most: what is probable then,
    in brackets how probable it is otherwise. A scope of one variable whose values are words is
    told by these; of one of another kind by all variables."""
    circuit = program.circuit
    wide = len(scope) > 1 or (dataset is not None and bool(dataset.categories))
    variables = list(scope if wide else range(len(circuit.variables) - 1))[:MOST_COMPARED]
    both = np.concatenate([_given(program, states), np.full((1, len(circuit.variables)), np.nan)])
    means = posterior_moments(program, both)
    mean, spread = means[1].numpy(), np.sqrt(means[2].numpy()[-1])
    worth: list[list[tuple[float, str]]] = [[] for _ in states]
    words = {} if dataset is None else dataset.categories
    few = [
        v for v in variables
        if (circuit.domain(v).states or MANY_STATES + 1) <= MANY_STATES
        or circuit.variables[v] in words
    ]  # fmt: skip
    tables = posterior_of(program, both, [circuit.variables[v] for v in few])
    for v, table in zip(few, tables, strict=True):
        name = circuit.variables[v]
        named = words.get(name, ())
        alone = len(variables) == 1 and bool(named)
        for place in range(len(states)):
            for value in table[place].argsort(descending=True)[: TELLING if alone else 1].tolist():
                own, usual = float(table[place, value]), float(table[-1, value])
                word = named[value] if value < len(named) else str(value)
                text = f"{word if alone else f'{name} = {word}'} {own:.0%} ({usual:.0%})"
                worth[place].append((own if alone else abs(own - usual), text))
    for v in variables:
        if v in few:
            continue
        for place in range(len(states)):
            apart = abs(mean[place, v] - mean[-1, v]) / max(float(spread[v]), 1e-12)
            text = f"{circuit.variables[v]}: {mean[place, v]:.3g} ({mean[-1, v]:.3g})"
            worth[place].append((float(apart), text))
    return [
        [text for _, text in sorted(parts, key=lambda part: -part[0])[:TELLING]] for parts in worth
    ]


def _given(program: Program, states: Sequence[int]) -> np.ndarray:
    """Evidence that says the state and nothing else, [S, V + 1]."""
    found = np.full((len(states), len(program.circuit.variables)), np.nan)
    found[:, -1] = states
    return found


# -- pictures --------------------------------------------------------------------------------


def inside(scope: Scope, grid: ImageShape) -> np.ndarray:
    """bool [H, W]: the pixels of a scope."""
    flat = np.zeros(grid.size, dtype=bool)
    flat[list(scope)] = True
    return np.any(flat.reshape(grid.height, grid.width, grid.channels), axis=2)


def is_patch(region: np.ndarray) -> bool:
    """Whether a region is worth to be looked at without the rest of its picture."""
    return 4 <= int(region.sum()) < region.size


def patch(row: np.ndarray, grid: ImageShape, region: np.ndarray) -> np.ndarray:
    """What a row shows in a region, uint8 [h, w, 4]: cut to its borders."""
    down, across = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    cut = (slice(down[0], down[-1] + 1), slice(across[0], across[-1] + 1))
    return _shown(row, grid, region, 0)[cut]


def whole(row: np.ndarray, grid: ImageShape, region: np.ndarray) -> np.ndarray:
    """A row as a picture, uint8 [H, W, 4], faint outside a region that is one to be looked at."""
    return _shown(row, grid, region, _FAINT if is_patch(region) else 255)


def _shown(row: np.ndarray, grid: ImageShape, region: np.ndarray, opaque: int) -> np.ndarray:
    pixels = to_pixels(row, grid)
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    alpha = np.where(region, 255, opaque).astype(np.uint8)
    return np.concatenate([colour, alpha[..., None]], axis=2)


def where(region: np.ndarray) -> np.ndarray:
    """A region as a small picture, uint8 [H, W, 4]: solid inside, faint outside."""
    return np.where(region[..., None], _INSIDE, _OUTSIDE).astype(np.uint8)


def most_central(known: Sequence[Choice], circuit: Circuit, grid: ImageShape) -> Choice:
    """The choice whose pixels lie nearest to the middle of the picture, where most happens."""
    middle = np.array([grid.height, grid.width]) / 2

    def distance(one: Choice) -> float:
        pixels = np.argwhere(inside(circuit.scopes[one.position], grid)) + 0.5
        return float(np.square(pixels - middle).sum(1).mean())

    return min(known, key=distance)


# -- code ------------------------------------------------------------------------------------


def code(model: str, dataset: str, circuit: Circuit, choice: Choice) -> tuple[str, str]:
    """(Python, command) that make the variable visible and ask it."""
    name = hidden_names(circuit, [choice.position])[0]
    python = (
        "import torch\n\n"
        "from pccore import datasets\n"
        "from pccore.files import load_model\n"
        "from pccore.queries import posterior_mean, posterior_of, sample\n"
        "from pccore.transform import hidden_groups, with_states\n\n"
        f"circuit, data = load_model({model!r}), datasets.load({dataset!r})\n"
        f"whole = with_states(circuit, hidden_groups(circuit, [{choice.name!r}]), 'state')\n"
        "rows = torch.tensor(data.train, dtype=torch.float64)\n"
        "unknown = torch.full((len(rows), 1), torch.nan, dtype=torch.float64)\n"
        f"clusters = posterior_of(whole, torch.cat([rows, unknown], 1), [{name!r}])[0]\n"
        "print(clusters.argmax(1).bincount())  # rows in each state; the last takes no part\n"
        f"print(posterior_mean(whole, {{{name!r}: 0}}), sample(whole, 4, {{{name!r}: 0}}))\n"
    )
    words = ["pccore", "materialise", model, "--hidden", choice.name]
    return python, shlex.join([*words, "-o", "visible.pc.safetensors"])
