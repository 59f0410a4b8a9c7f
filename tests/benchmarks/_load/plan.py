"""What each visitor asks, and the right answers, computed here with pccore alone."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pccore import oracle, queries
from pccore.compile import compile_circuit
from pccore.completion import to_pixels
from pccore.datasets import ImageShape, load
from pccore.files import load_model, sample_models
from pccore.graph import Circuit

#: Samples that are small enough to be enumerated, and whose answers are exact.
ASKED = (
    "figure1_junction_tree", "figure2_hidden_variable", "figure3_mixture", "figure3_parity",
    "course_psdd", "naive_bayes_spam", "weather_hmm", "chow_liu_tree", "figure1_naive_bayes",
)  # fmt: skip
PAINTED = ("digits_pd", "digits_rat")
STROKES = 10
SAMPLES = 4  # that the Complete page shows unless told otherwise
TRAINING_EPOCHS = 140  # about 20 s of a core that is not shared, for either of PAINTED
GRID = ImageShape(8, 8, 1, 16)


@dataclass(frozen=True)
class Stroke:
    """middle, end: what is hidden while the stroke is drawn and after it, bool [8, 8]."""

    middle: np.ndarray
    end: np.ndarray


@dataclass(frozen=True)
class Plan:
    """One visitor. observed: variable and state, in the order of the clicks."""

    number: int
    asked: str
    observed: tuple[tuple[str, int], ...]
    painted: str
    picture: int
    epochs: int
    strokes: tuple[Stroke, ...]

    @property
    def link(self) -> str:
        """The link that the visitor opens: whose training, whose picture, whose samples."""
        training = f"epochs:{self.epochs}~patience:0~seed:{self.number + 1}"
        values = {"image": self.picture, "seed": self.number + 1, "training": training}
        return "&".join(f"{name}={value}" for name, value in values.items())


def make_plans(count: int, epochs: int = TRAINING_EPOCHS, strokes: int = STROKES) -> list[Plan]:
    """Plans of which no two observe the same on the same model, or hide the same."""
    taken: set[tuple[str, tuple[tuple[str, int], ...]]] = set()
    plans: list[Plan] = []
    for number in range(count):
        rng = np.random.default_rng(number)
        for attempt in range(1000):
            asked = ASKED[(number + attempt) % len(ASKED)]
            observed = _observed(circuit_of(asked), rng)
            if (asked, observed) not in taken:
                break
        taken.add((asked, observed))
        painted = PAINTED[number % len(PAINTED)]
        drawn = _strokes(rng, strokes)
        plans.append(Plan(number, asked, observed, painted, number, epochs, drawn))
    return plans


def _observed(circuit: Circuit, rng: np.random.Generator) -> tuple[tuple[str, int], ...]:
    """Up to three variables of a state that is possible, in an order of chance."""
    states, log_table = oracle.states(circuit), oracle.log_table(circuit)
    chosen = states[rng.choice(np.flatnonzero(np.isfinite(log_table)))]
    many = min(len(circuit.variables), 1 + int(rng.integers(3)))
    which = rng.permutation(len(circuit.variables))[:many]
    return tuple((circuit.variables[v], int(chosen[v])) for v in which)


def _strokes(rng: np.random.Generator, count: int) -> tuple[Stroke, ...]:
    """Lines across the picture; what is hidden stays hidden, as with the brush."""
    mask = np.zeros((GRID.height, GRID.width), dtype=bool)
    found: list[Stroke] = []
    while len(found) < count:
        points = rng.integers(0, GRID.height, (2, 2))
        if bool(mask.all()):
            mask = np.zeros_like(mask)  # the visitor pressed Clear
        before = mask.copy()
        line = np.rint(np.linspace(points[0], points[1], 12)).astype(int)
        mask[line[:6, 0], line[:6, 1]] = True
        middle = mask.copy()
        mask[line[6:, 0], line[6:, 1]] = True
        if not np.array_equal(mask, before):
            found.append(Stroke(middle, mask.copy()))
    return tuple(found)


def circuit_of(name: str) -> Circuit:
    """A sample model."""
    return load_model(next(one.path for one in sample_models() if one.name == name))


class Answers:
    """The right answers; slow, so asked for after the visitors have left."""

    @cached_property
    def _programs(self) -> Mapping[str, object]:
        return {name: compile_circuit(circuit_of(name)) for name in PAINTED}

    @cached_property
    def _pictures(self) -> np.ndarray:
        return load("digits").test

    def posteriors(self, plan: Plan, clicks: int) -> dict[str, list[float]]:
        """P(X | e) by enumeration after some of the clicks, state 0 first, by variable."""
        circuit = circuit_of(plan.asked)
        given = {name: float(state) for name, state in plan.observed[:clicks]}
        found = zip(circuit.variables, oracle.marginals(circuit, given), strict=True)
        return {name: [float(p) for p in row] for name, row in found}

    def panels(self, plan: Plan, mask: np.ndarray) -> list[np.ndarray]:
        """Posterior mean, MPE and samples for a mask, uint8 [8, 8] each."""
        program = self._programs[plan.painted]
        row = np.asarray(self._pictures[plan.picture], dtype=np.float64)
        evidence = row.copy()
        evidence[mask.reshape(-1)] = np.nan
        mean = queries.posterior_mean(program, evidence)[0].numpy()
        best = queries.mpe(program, evidence).assignment[0].numpy()
        drawn = queries.sample(program, SAMPLES, evidence, seed=plan.number + 1).numpy()
        return [to_pixels(one, GRID) for one in (mean, best, *drawn)]


def pixels(panel: Mapping[str, object]) -> np.ndarray:
    """The picture of a panel as the component was given it."""
    raw = base64.b64decode(str(panel["pixels"]))
    return np.frombuffer(raw, np.uint8).reshape(GRID.height, GRID.width)


def packed(mask: np.ndarray) -> str:
    """A mask as the canvas sends it."""
    return base64.b64encode(np.packbits(mask.reshape(-1)).tobytes()).decode("ascii")


def same_panels(panels: Sequence[Mapping[str, object]], right: Sequence[np.ndarray]) -> bool:
    """Whether the panels are these pictures; a mean may be rounded the other way."""
    if len(panels) != len(right):
        return False
    pairs = zip(panels, right, strict=True)
    off = [np.abs(pixels(one).astype(int) - other.astype(int)).max() for one, other in pairs]
    return off[0] <= 1 and max(off[1:]) == 0
