"""Many images, several methods and baselines, one mask: completed, timed and scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pccore.completion.baselines import BASELINES
from pccore.completion.entropy import Uncertainty, uncertainty
from pccore.completion.methods import complete_rows, log_probabilities, quality_of
from pccore.completion.scoring import RowScores, Scores, row_scores, summary
from pccore.completion.types import Array, Mask
from pccore.datasets import ImageShape
from pccore.errors import OptionError
from pccore.queries.subject import Model, as_program

#: Rows completed between two looks at the clock.
CHUNK = 1000


@dataclass(frozen=True, eq=False)
class Guess:
    """One way of filling in. rows: [N, V]. quality: "exact" or "bound", None for a baseline.
    log_completed: log P(completed | visible) under the circuit in nats, [N], NaN where the
    completion is no state. seconds: per image."""

    name: str
    rows: Array
    quality: str | None
    by_row: RowScores
    scores: Scores
    log_completed: Array
    seconds: float


@dataclass(frozen=True, eq=False)
class Batch:
    """Images [N, V] with a hidden part [V], and what was put there. methods: by the circuit.
    log_visible: log P(visible) in nats, [N]. uncertainty: where it was asked for."""

    rows: Array
    hidden: Mask
    image: ImageShape
    methods: tuple[Guess, ...]
    baselines: tuple[Guess, ...]
    log_visible: Array
    uncertainty: Uncertainty | None

    @property
    def guesses(self) -> tuple[Guess, ...]:
        """The methods, then the baselines."""
        return self.methods + self.baselines


def complete_batch(
    model: Model,
    rows: Array,
    hidden: Mask,
    image: ImageShape,
    methods: Sequence[str] = ("mpe",),
    *,
    baselines: Sequence[str] = (),
    train: Array | None = None,
    seed: int = 0,
    uncertain: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Batch:
    """Complete rows [N, V] by several methods and baselines; hidden: bool [V].

    train: rows [M, V] that the baselines learn from. seed: of the samples. uncertain: also the
    uncertainty of each pixel. progress: told what is being done.

    Raises what `complete_rows` raises, and OptionError for an unknown or repeated name, or
    baselines without training rows.
    """
    program = as_program(model)
    _check_names(methods, baselines, train)
    qualities = [quality_of(program, name) for name in methods]  # refused before any work
    filled: dict[str, Array] = {}
    seconds: dict[str, float] = {}
    for name in methods:
        parts: list[Array] = []
        start = time.perf_counter()
        for first in range(0, len(rows), CHUNK):
            part = rows[first : first + CHUNK]
            parts.append(complete_rows(program, part, hidden, name, image, seed + first))
            progress(f"{name}: {first + len(part)}/{len(rows)} images")
        seconds[name] = (time.perf_counter() - start) / max(1, len(rows))
        filled[name] = np.concatenate(parts) if parts else np.zeros(rows.shape)
    for name in baselines:
        assert train is not None
        progress(f"baseline {name}")
        start = time.perf_counter()
        filled[name] = BASELINES[name](train, rows, hidden, image)
        seconds[name] = (time.perf_counter() - start) / max(1, len(rows))
    progress("probabilities")
    visible, completed = log_probabilities(program, rows, hidden, filled)
    progress("scores")
    guesses = tuple(
        _guess(name, quality, rows, hidden, image, filled, completed, seconds)
        for name, quality in zip(filled, [*qualities, *[None] * len(baselines)], strict=True)
    )
    if uncertain:
        progress("uncertainty")
    return Batch(
        rows,
        hidden,
        image,
        guesses[: len(methods)],
        guesses[len(methods) :],
        visible,
        uncertainty(program, rows, hidden, image) if uncertain else None,
    )


def _check_names(methods: Sequence[str], baselines: Sequence[str], train: Array | None) -> None:
    unknown = [name for name in baselines if name not in BASELINES]
    if unknown:
        raise OptionError(f"unknown baseline {unknown[0]!r}, known are: {', '.join(BASELINES)}")
    names = [*methods, *baselines]
    if len(set(names)) < len(names):
        raise OptionError(f"a method is named twice among {', '.join(names)}")
    if baselines and (train is None or not len(train)):
        raise OptionError("baselines need training rows")


def _guess(
    name: str,
    quality: str | None,
    rows: Array,
    hidden: Mask,
    image: ImageShape,
    filled: Mapping[str, Array],
    completed: Mapping[str, Array],
    seconds: Mapping[str, float],
) -> Guess:
    by_row = row_scores(rows, filled[name], hidden, image)
    together = summary(by_row, rows, filled[name], hidden, image)
    return Guess(name, filled[name], quality, by_row, together, completed[name], seconds[name])
