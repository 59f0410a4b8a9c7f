"""Options of a structure, chosen on validation rows.

The options are looked at one after the other: every value of one is tried, the others being at
their best so far. A value takes the place of an earlier one where it is better by more than the
standard error of the difference (over the validation rows): less may be chance, and the earlier
values are those that are known to do well. Where there are few rows, they take turns at validating.
Then the circuit is built once more from the training and the validation rows together. For
structures whose circuits need no training: those learned from data, and those with
`start=clusters`. Test rows are never looked at.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch

from pccore.completion import complete_rows, hidden_pixels, mean_squared_error
from pccore.completion.baselines import training_rows
from pccore.datasets import Dataset, ImageShape
from pccore.datasets.augment import mirrored
from pccore.datasets.base import Array
from pccore.errors import DataError, OptionError
from pccore.graph import Circuit
from pccore.options import parse_options
from pccore.queries import log_likelihood
from pccore.structures import build_structure, find_structure, shape_of
from pccore.structures.distil import with_floor
from pccore.structures.leaf_groups import LeafOptions

Grid = Mapping[str, Sequence[object]]

#: Rows that take turns at validating.
FEW = 2000
#: What completion asks of a Poon-Domingos circuit besides what is tried.
COMPLETING: Mapping[str, object] = MappingProxyType(
    {
        "leaf": "gaussian",
        "start": "clusters",
        "product": "hadamard",
        "context": 1.0,
        "smoothing": 0.2,
    }
)


@dataclass(frozen=True)
class Target:
    """What is wanted.

    score: "completion", the mean squared error (0-255 scale) of posterior means where each of
    `hide` (as `hidden_pixels` takes them) is hidden; or "likelihood". mirror: whether to try the
    mirror images of the training rows as well. folds: where there are at most FEW rows, training
    and validation rows together are cut into so many parts of consecutive ones (neighbours are
    often pictures of one person), each of which validates once; 1, or more rows: those for
    validation do. rows: so many training rows, and a tenth as many for validation, are used for
    the trials at most; the final circuit sees all of them.
    """

    score: Literal["completion", "likelihood"] = "completion"
    hide: tuple[str, ...] = ("left", "bottom")
    mirror: bool = True
    folds: int = 3
    rows: int = 5000


@dataclass(frozen=True, eq=False)
class Trial:
    """One setting that was tried.

    options: those that were tried, with their values. score: error on the 0-255 scale, or
    log-likelihood in nats, a mean over the validation rows. seconds: to build and to score.
    """

    options: Mapping[str, object]
    mirror: bool
    score: float
    seconds: float


@dataclass(frozen=True)
class Tuned:
    """circuit: of all rows with the best options. options: all of these, also those that stayed.
    best: their trial. trials: in their order."""

    circuit: Circuit
    options: Mapping[str, object]
    best: Trial
    trials: tuple[Trial, ...]


def completion_grid(image: ImageShape) -> dict[str, tuple[object, ...]]:
    """What is tried for a Poon-Domingos circuit that is to complete such images.

    The first value of each is where the search begins.
    """
    side = max(image.height, image.width)
    cuts = dict.fromkeys(-(-side // parts) for parts in (5, 6))
    return {
        "delta": tuple((cut,) for cut in cuts),
        "units": (100, 50),
        "variance_floor": (3.0, 1.0, 0.1),
    }


def tune(
    structure: str,
    dataset: Dataset,
    grid: Grid | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    target: Target | None = None,
    listener: Callable[[Trial, int], None] | None = None,
) -> Tuned:
    """The circuit with the best options.

    grid: values of each option, the first being where the search begins; without it that of
    `completion_grid`, which is for the structure pd. settings: options that stay. listener: told of
    each trial, with how many there will be at most.

    Raises DataError where there are no validation rows, or, for completion, no images;
    OptionError for options that the structure does not have or that have no values.
    """
    target = target or Target()
    find_structure(structure)
    fixed = dict(settings or {})
    if grid is None:
        if structure != "pd" or dataset.image is None:
            raise OptionError(
                f"nothing is known about which options of {structure} matter for {dataset.name}",
                hint="say which values to try",
            )
        grid = completion_grid(dataset.image)
        fixed = {**COMPLETING, **fixed}
    grid = {key: values for key, values in grid.items() if key not in fixed}
    for key, values in grid.items():
        if not values:
            raise OptionError("has no values to try", where=key)
    search = _Search(structure, fixed, dataset, grid, target, listener)
    best = search.run()
    options = {**fixed, **best.options}
    circuit = build_from_all(structure, dataset, options, mirror=best.mirror)
    return Tuned(circuit, MappingProxyType(options), best, tuple(search.trials))


def build_from_all(
    structure: str, dataset: Dataset, options: Mapping[str, object], *, mirror: bool = False
) -> Circuit:
    """The circuit of training and validation rows together, perhaps with their mirror images.

    Raises what `build_structure` raises, and DataError for mirror images of what is no image.
    """
    whole = replace(dataset, train=training_rows(dataset, "test"), labels={})
    return build_structure(structure, shape_of(mirrored(whole) if mirror else whole), options)


class _Search:
    """One option after the other."""

    def __init__(
        self,
        structure: str,
        fixed: Mapping[str, object],
        dataset: Dataset,
        grid: Grid,
        target: Target,
        listener: Callable[[Trial, int], None] | None,
    ) -> None:
        if target.score == "completion" and dataset.image is None:
            raise DataError("only images can be completed", where=dataset.name)
        self.structure, self.fixed, self.grid = structure, fixed, grid
        self.target, self.listener = target, listener
        self.parts = _parts(dataset, target)
        mirrors = (True, False) if target.mirror and dataset.image is not None else (False,)
        self.choices: dict[str, Sequence[object]] = {**grid, "": mirrors}
        self.total = 1 + sum(len(values) - 1 for values in self.choices.values())
        self.trials: list[Trial] = []
        self._rows: dict[Trial, Array] = {}
        self._known: dict[int, tuple[tuple[object, bool], Circuit]] = {}

    def run(self) -> Trial:
        """The best trial."""
        best = self._try({key: values[0] for key, values in self.choices.items()})
        for key, values in self.choices.items():
            now = {**best.options, "": best.mirror}
            for value in values[1:]:
                trial = self._try({**now, key: value})
                if self._better(trial, best):
                    best = trial
        return best

    def _better(self, trial: Trial, best: Trial) -> bool:
        gain = self._rows[trial] - self._rows[best]
        if self.target.score == "completion":
            gain = -gain
        gain = gain[~np.isnan(gain)]
        return float(gain.mean()) > float(gain.std()) / math.sqrt(len(gain))

    def _try(self, choice: Mapping[str, object]) -> Trial:
        start = time.perf_counter()
        options = {key: choice[key] for key in self.grid}
        mirror = bool(choice[""])
        scores = [
            self._scores(self._circuit(number, {**self.fixed, **options}, mirror), part)
            for number, part in enumerate(self.parts)
        ]
        rows = np.concatenate(scores)
        trial = Trial(options, mirror, float(np.nanmean(rows)), time.perf_counter() - start)
        self.trials.append(trial)
        self._rows[trial] = rows
        if self.listener is not None:
            self.listener(trial, self.total)
        return trial

    def _circuit(self, part: int, options: Mapping[str, object], mirror: bool) -> Circuit:
        """As `build_structure` makes it; another floor for the variances needs no new clusters."""
        chosen = parse_options(find_structure(self.structure).options, options)
        floor = chosen.variance_floor if isinstance(chosen, LeafOptions) else 0.0
        plain = replace(chosen, variance_floor=0.0) if floor else chosen
        dataset = self.parts[part]
        shape = shape_of(mirrored(dataset) if mirror else dataset)
        known = self._known.get(part)
        if known is None or known[0] != (plain, mirror):
            known = (plain, mirror), build_structure(self.structure, shape, plain)
            self._known[part] = known
        return with_floor(known[1], shape, floor)

    def _scores(self, circuit: Circuit, part: Dataset) -> Array:
        """Of each validation row, float64 [N]; NaN where nothing is known of what is hidden."""
        if self.target.score == "likelihood":
            return log_likelihood(circuit, torch.tensor(part.valid)).double().numpy()
        image = part.image
        assert image is not None
        errors: list[list[float]] = []
        for where in self.target.hide:
            hidden = hidden_pixels(where, image)
            guess = complete_rows(circuit, part.valid, hidden, "mean", image)
            pairs = zip(part.valid[:, None], guess[:, None], strict=True)
            errors.append([mean_squared_error(row, made, hidden, image) for row, made in pairs])
        return np.mean(errors, axis=0)


def _parts(dataset: Dataset, target: Target) -> list[Dataset]:
    """What is trained and validated on, without test rows. Raises DataError."""
    rows, folds = training_rows(dataset, "test"), target.folds
    if 1 < folds <= len(rows) <= FEW:
        blocks = np.array_split(np.arange(len(rows)), folds)
        pairs = [(np.delete(rows, block, axis=0), rows[block]) for block in blocks]
    elif len(dataset.valid):
        pairs = [(dataset.train, dataset.valid)]
    else:
        raise DataError("there are no validation rows to choose by", where=dataset.name)
    most = target.rows
    return [
        replace(
            dataset,
            train=_some(train, most),
            valid=_some(valid, max(1, most // 10)),
            test=dataset.test[:0],
            labels={},
        )
        for train, valid in pairs
    ]


def _some(rows: Array, most: int) -> Array:
    """At most so many of the rows, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
