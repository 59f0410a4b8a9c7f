"""What the variables of a dataset look like: counts, moments, small histograms, a better type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pccore.datasets.base import SPLITS, Dataset, Split
from pccore.datasets.types import ColumnType, VariableType, types_of
from pccore.errors import DataError
from pccore.leaves.base import Support

#: States that have a bar each, and bars of a variable with more values.
MOST_STATES, BINS = 40, 24
#: A number with more states than this is rather counted than told apart.
_MANY_STATES = 32
_NUMBERINGS = frozenset({"id", "index", "row", "rowid", "row_id", "unnamed: 0"})


@dataclass(frozen=True, slots=True)
class Bar:
    """Values from low to high, both included where they are equal; text: what to write below."""

    low: float
    high: float
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class VariableSummary:
    """A variable over some splits.

    present, missing: numbers of rows; different: of values. minimum to deviation: NaN where there
    is no value. words: of the states, or none.
    """

    name: str
    type: VariableType
    support: Support
    words: tuple[str, ...]
    present: int
    missing: int
    different: int
    minimum: float
    maximum: float
    mean: float
    deviation: float
    bars: tuple[Bar, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "name": self.name,
            "type": self.type,
            "states": self.support.states,
            "words": list(self.words),
            "present": self.present,
            "missing": self.missing,
            "different": self.different,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "mean": self.mean,
            "standard_deviation": self.deviation,
            "histogram": [
                {"from": bar.low, "to": bar.high, "count": bar.count, "text": bar.text}
                for bar in self.bars
            ],
        }


def describe(
    dataset: Dataset,
    variables: Sequence[str] | None = None,
    splits: Sequence[Split] = SPLITS,
) -> tuple[VariableSummary, ...]:
    """A summary of each variable, or of some. Raises DataError for one that is not there.

    Of data in files larger than memory, the rows that are held are described.
    """
    types = types_of(dataset)
    names = dataset.variables if variables is None else tuple(variables)
    place = {name: column for column, name in enumerate(dataset.variables)}
    found: list[VariableSummary] = []
    for name in names:
        if name not in place:
            raise DataError(f"there is no variable {name[:80]!r}", where=dataset.name)
        column = place[name]
        values = np.concatenate([dataset.split(split)[:, column] for split in splits])
        words = dataset.categories.get(name, ())
        found.append(_summary(name, types[name], dataset.supports[column], words, values))
    return tuple(found)


def suggested_types(dataset: Dataset) -> dict[str, ColumnType]:
    """Types that would suit better than those that `load` takes, by the name of the variable.

    A number with many states is rather a count (from about zero) or real; one that numbers the
    rows is left out; one of two values other than 0 and 1 is binary. Never of images.
    """
    found: dict[str, ColumnType] = {}
    if dataset.image is not None or dataset.streams:
        return found
    for column, (name, support) in enumerate(zip(dataset.variables, dataset.supports, strict=True)):
        if support.kind == "real" or dataset.categories.get(name):
            continue
        values = np.concatenate([dataset.split(split)[:, column] for split in SPLITS])
        present = values[~np.isnan(values)]
        different = len(np.unique(present))
        numbers_rows = different == len(values) and name.casefold() in _NUMBERINGS
        low = float(present.min()) if len(present) else 0.0
        high = float(present.max()) if len(present) else 0.0
        if numbers_rows:
            found[name] = "ignore"
        elif different == 2 and support.states != 2:
            found[name] = "binary"
        elif support.kind == "count" or (support.states or 0) > _MANY_STATES:
            better = "count" if low <= high - low else "real"
            if better != support.kind:
                found[name] = better
    return found


def _summary(
    name: str,
    kind: VariableType,
    support: Support,
    words: tuple[str, ...],
    values: NDArray[np.float32],
) -> VariableSummary:
    present = values[~np.isnan(values)].astype(np.float64)
    some = len(present) > 0
    return VariableSummary(
        name=name,
        type=kind,
        support=support,
        words=words,
        present=len(present),
        missing=len(values) - len(present),
        different=len(np.unique(present)),
        minimum=float(present.min()) if some else np.nan,
        maximum=float(present.max()) if some else np.nan,
        mean=float(present.mean()) if some else np.nan,
        deviation=float(present.std()) if some else np.nan,
        bars=_bars(support, words, present),
    )


def _bars(
    support: Support, words: tuple[str, ...], present: NDArray[np.float64]
) -> tuple[Bar, ...]:
    states = support.states or 0
    if support.kind == "finite" and (states <= MOST_STATES or words):
        counts = np.bincount(present.astype(np.int64), minlength=states)
        shown = range(states) if states <= MOST_STATES else np.argsort(-counts)[:MOST_STATES]
        texts = {state: words[state] if state < len(words) else str(state) for state in shown}
        return tuple(Bar(float(s), float(s), int(counts[s]), texts[int(s)]) for s in shown)
    if not len(present):
        return ()
    edges = _edges(support, float(present.min()), float(present.max()))
    counts, _ = np.histogram(present, edges)
    pairs = zip(edges[:-1], edges[1:], counts, strict=True)
    return tuple(Bar(float(a), float(b), int(n), f"{a:.4g} to {b:.4g}") for a, b, n in pairs)


def _edges(support: Support, low: float, high: float) -> NDArray[np.float64]:
    """Edges of bins; those of whole numbers hold equally many of them."""
    if support.kind == "real":
        return np.linspace(low, high if high > low else low + 1, BINS + 1)
    width = max(1, int(np.ceil((high - low + 1) / BINS)))
    return np.arange(low, high + width + 0.5, width)
