"""The Data page in numbers: what its tables show, what of an edited table was changed."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pccore.csv_text import csv_line, csv_rows
from pccore.datasets import ColumnType, Dataset, Split, VariableSummary
from pccore.errors import EvidenceError
from pccore.evidence import state_names, write_evidence
from pccore.graph import Circuit

#: Cells of a split that are written as text.
MOST_CELLS = 1_000_000
#: Variables that the table holds at once, rows of the preview and columns of it.
MOST_VARIABLES, MOST_ROWS, MOST_COLUMNS = 200, 100, 60


@dataclass(frozen=True, slots=True)
class Changes:
    """What somebody wants of a dataset: types and orders of some variables."""

    types: Mapping[str, ColumnType] = field(default_factory=dict[str, ColumnType])
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def empty(self) -> bool:
        """Whether everything stays as it is."""
        return not self.types and not self.orders


def shown_names(dataset: Dataset, find: str) -> tuple[str, ...]:
    """The variables of the table: those whose name holds every word, as many as it takes."""
    words = find.casefold().split()
    found = [n for n in dataset.variables if all(word in n.casefold() for word in words)]
    return tuple(found[:MOST_VARIABLES])


def variable_rows(
    summaries: Sequence[VariableSummary], given: Mapping[str, ColumnType]
) -> list[dict[str, Any]]:
    """A row for each variable; given: the types that are already chosen."""
    rows: list[dict[str, Any]] = []
    for one in summaries:
        total = one.present + one.missing
        rows.append(
            {
                "Variable": one.name,
                "Type": given.get(one.name, one.type),
                "Values": [bar.count for bar in one.bars],
                "States, in order": states_text(one),
                "Missing": one.missing / total if total else 0.0,
                "Different": one.different,
                "Range": "" if one.words else f"{_shown(one.minimum)} to {_shown(one.maximum)}",
                "Mean": "" if one.words else _shown(one.mean),
            }
        )
    return rows


def summary_rows(summaries: Sequence[VariableSummary]) -> list[dict[str, Any]]:
    """What the table says of each variable, for a file: without the bars."""
    return [
        {key: value for key, value in row.items() if key != "Values"}
        for row in variable_rows(summaries, {})
    ]


def split_csv(dataset: Dataset, split: Split) -> str:
    """All rows of a split with the words of their states, as CSV text."""
    return csv_rows(_rows(dataset, split, len(dataset.rows(split)), dataset.num_variables))


def states_text(one: VariableSummary) -> str:
    """The words of the states as a line of CSV, which `changes` reads back; "" for none."""
    return csv_line(one.words) if one.words else ""


def changes(
    summaries: Sequence[VariableSummary], types: Sequence[str | None], states: Sequence[str | None]
) -> Changes:
    """What differs from the summaries in the edited columns of the table."""
    wanted: dict[str, ColumnType] = {}
    orders: dict[str, tuple[str, ...]] = {}
    for one, chosen, text in zip(summaries, types, states, strict=True):
        if chosen is not None and chosen != one.type:
            wanted[one.name] = chosen  # type: ignore[assignment]
        if text and text != states_text(one):
            orders[one.name] = tuple(_words(text))
    return Changes(wanted, orders)


def change_lines(made: Changes) -> list[str]:
    """The changes in words."""
    return [f"{name}: {one}" for name, one in made.types.items()] + [
        f"{name}: {' < '.join(words)}" for name, words in made.orders.items()
    ]


def preview(dataset: Dataset, split: Split) -> tuple[list[dict[str, Any]], int]:
    """The first rows with the words of their states, and how many columns are left out."""
    columns = min(dataset.num_variables, MOST_COLUMNS)
    return _rows(dataset, split, MOST_ROWS, columns), dataset.num_variables - columns


def _rows(dataset: Dataset, split: Split, most: int, columns: int) -> list[dict[str, Any]]:
    names = dataset.variables[:columns]
    labels = dataset.labels[split]
    rows: list[dict[str, Any]] = []
    for number, values in enumerate(dataset.split(split)[:most, :columns]):
        row: dict[str, Any] = {
            name: _cell(dataset, column, name, float(value))
            for column, (name, value) in enumerate(zip(names, values, strict=True))
        }
        if labels is not None:
            row["label"] = _label(dataset, int(labels[number]))
        rows.append(row)
    return rows


def row_evidence(dataset: Dataset, split: Split, row: int, circuit: Circuit) -> str:
    """A row as evidence on a circuit with the same variables; missing values are not observed.

    States are matched by their names, since the circuit may count them in another order. Raises
    EvidenceError for a state that the circuit does not know.
    """
    values = dataset.split(split)[row].tolist()
    observed = {
        name: _state_in(circuit, dataset, name, value)
        for name, value in zip(circuit.variables, values, strict=True)
        if not math.isnan(value)
    }
    return write_evidence(circuit, observed)


def _state_in(circuit: Circuit, dataset: Dataset, name: str, value: float) -> float:
    """What a value of the dataset is to the circuit."""
    words, names = dataset.categories.get(name, ()), state_names(circuit, name)
    word = words[int(value)] if value < len(words) else f"{value:g}"
    if word in names:
        return float(names.index(word))
    if names and words:
        raise EvidenceError(f"the model knows no state {word[:40]!r}", where=name)
    return value


def mean_picture(dataset: Dataset) -> np.ndarray | None:
    """The mean of the training images, uint8 [H, W, 3], or None where there are none."""
    image = dataset.image
    if image is None:
        return None
    mean = np.nan_to_num(np.nanmean(dataset.train, axis=0)) / image.maximum
    pixels = mean.reshape(image.height, image.width, image.channels).clip(0, 1)
    pixels = pixels[..., :3] if image.channels >= 3 else pixels[..., :1].repeat(3, axis=2)
    scale = max(1, 200 // max(image.height, image.width))
    return (pixels.repeat(scale, 0).repeat(scale, 1) * 255).round().astype(np.uint8)


def _cell(dataset: Dataset, column: int, name: str, value: float) -> Any:
    if math.isnan(value):
        return None
    words = dataset.categories.get(name, ())
    if words and value < len(words):
        return words[int(value)]
    return value if dataset.supports[column].kind == "real" else int(value)


def _label(dataset: Dataset, label: int) -> str:
    return dataset.label_names[label] if label < len(dataset.label_names) else str(label)


def _shown(value: float) -> str:
    return "?" if math.isnan(value) else f"{value:.4g}"


def _words(text: str) -> list[str]:
    return [word.strip() for word in next(csv.reader([text], skipinitialspace=True), [])]
