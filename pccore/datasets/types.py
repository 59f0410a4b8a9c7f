"""The types of variables as people name them: guessed, and changed.

binary, categorical, ordered   the states 0 .. C - 1, with words where the file had words or other
                               numbers; ordered: the order of the states means something
count                          0, 1, 2, ... without an upper end
real                           any number
label, ignore                  only of `retype`: the class of the row, never a variable; left out
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pccore.datasets.base import SPLITS, Array, Dataset, Labels, Split
from pccore.datasets.cells import Reading
from pccore.datasets.supports import MAX_STATES, guess_supports
from pccore.errors import DataError
from pccore.leaves.base import Support

VariableType = Literal["binary", "categorical", "ordered", "count", "real"]
ColumnType = Literal["binary", "categorical", "ordered", "count", "real", "label", "ignore"]
VARIABLE_TYPES: tuple[VariableType, ...] = get_args(VariableType)
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)
_WORDS = frozenset({"binary", "categorical", "ordered", "label"})


def types_of(dataset: Dataset) -> dict[str, VariableType]:
    """The type of each variable, in their order."""
    ordered = frozenset(dataset.ordered)
    found: dict[str, VariableType] = {}
    for name, support in zip(dataset.variables, dataset.supports, strict=True):
        if support.kind != "finite":
            found[name] = support.kind
        else:
            finite = "binary" if support.states == 2 else "categorical"
            found[name] = "ordered" if name in ordered else finite
    return found


def parse_type(text: str, name: str) -> ColumnType:
    """One of COLUMN_TYPES. Raises DataError that lists them."""
    for known in COLUMN_TYPES:
        if known == text:
            return known
    raise DataError(f"{text!r} is no type, known are: {', '.join(COLUMN_TYPES)}", where=name)


def reading_of(types: Mapping[str, ColumnType]) -> Reading:
    """How a table is to be read whose columns are known to have these types."""
    return Reading(
        words=frozenset(name for name, one in types.items() if one in _WORDS),
        numbers=frozenset(name for name, one in types.items() if one in ("count", "real")),
        skipped=frozenset(name for name, one in types.items() if one == "ignore"),
    )


def retype(
    dataset: Dataset,
    types: Mapping[str, ColumnType],
    orders: Mapping[str, Sequence[str]] | None = None,
) -> Dataset:
    """The same rows with other types of some variables.

    orders: all states of a variable from the first to the last, by their words (or as numbers);
    its type is then "ordered" unless `types` says categorical or binary.
    A variable becomes finite by its different values, in ascending order, and keeps them as words
    unless they are 0 .. C - 1; words that are all numbers are numbers again as count or real.

    Raises DataError where a variable does not have such values, or is not there.
    """
    _refuse_images(dataset, types)
    wanted: dict[str, ColumnType] = {name: "ordered" for name in orders or {}}
    wanted |= {name: parse_type(one, name) for name, one in types.items()}
    for name in wanted:
        _place(dataset, name)
    known = types_of(dataset)
    columns: list[_Column] = []
    labels: Mapping[Split, Labels | None] = dataset.labels
    label_names = dataset.label_names
    for place, name in enumerate(dataset.variables):
        column = _Column(
            name,
            {split: dataset.split(split)[:, place] for split in SPLITS},
            dataset.supports[place],
            dataset.categories.get(name, ()),
            name in dataset.ordered,
        )
        one = wanted.get(name, known[name])
        if one == "ignore":
            continue
        if one == "label":
            labels, label_names = _as_labels(column)
            continue
        order = None if orders is None else orders.get(name)
        changes = name in wanted and (one != known[name] or order is not None)
        columns.append(_turned(column, one, order) if changes else column)
    if not columns:
        raise DataError("every column is left out", where=dataset.name)
    return replace(
        dataset,
        **{split: np.stack([c.values[split] for c in columns], axis=1) for split in SPLITS},
        variables=tuple(c.name for c in columns),
        supports=tuple(c.support for c in columns),
        categories={c.name: c.words for c in columns if c.words},
        ordered=tuple(c.name for c in columns if c.ordered),
        labels=labels,
        label_names=label_names,
        image=dataset.image if len(columns) == dataset.num_variables else None,
    )


@dataclass(frozen=True)
class _Column:
    """A variable in all splits; words: of its codes, or none."""

    name: str
    values: Mapping[str, Array]
    support: Support
    words: tuple[str, ...] = ()
    ordered: bool = False

    @property
    def different(self) -> NDArray[np.float32]:
        """The values that are there, ascending."""
        found = np.unique(np.concatenate(list(self.values.values())))
        return found[~np.isnan(found)]

    def mapped(self, old: Sequence[float], new: Sequence[float]) -> dict[str, Array]:
        """The values with each of `old`, ascending, replaced; missing stays missing."""
        keys, result = np.asarray(old, np.float32), np.asarray(new, np.float32)
        found: dict[str, Array] = {}
        for split, column in self.values.items():
            present = ~np.isnan(column)
            changed = np.full(len(column), np.nan, np.float32)
            changed[present] = result[np.searchsorted(keys, column[present])]
            found[split] = changed
        return found


def _turned(column: _Column, one: VariableType, order: Sequence[str] | None) -> _Column:
    if one in ("count", "real"):
        return _as_numbers(column, one)
    finite = _as_states(column, compact=one == "binary")
    if order is not None:
        finite = _reordered(finite, order)
    elif one == "ordered":
        finite = _sorted_by_number(finite)
    states = finite.support.states or 0
    if one == "binary" and states != 2:
        raise DataError(f"{states} different values are not binary", where=column.name)
    return replace(finite, ordered=one == "ordered")


def _as_states(column: _Column, compact: bool = False) -> _Column:
    """With states 0 .. C - 1; other values become words. compact: numbers that never occur are no
    states."""
    if column.support.kind == "finite" and (column.words or not compact):
        return column
    found = column.different
    if len(found) > MAX_STATES:
        raise DataError(
            f"{len(found)} different values, at most {MAX_STATES} can be states", where=column.name
        )
    support = Support("finite", max(2, len(found)))
    plain = guess_supports(found[:, None])[0] if len(found) else Support("finite", 2)
    if plain.kind == "finite" and plain.states == max(2, len(found)):
        return replace(column, support=support, words=())
    values = column.mapped(found.tolist(), range(len(found)))
    return replace(column, values=values, support=support, words=tuple(map(_written, found)))


def _as_numbers(column: _Column, one: Literal["count", "real"]) -> _Column:
    values = column.values
    if column.words:
        try:
            numbers = [float(word) for word in column.words]
        except ValueError as error:
            word = next(w for w in column.words if not _is_number(w))
            raise DataError(f"the word {word[:40]!r} is not a number", where=column.name) from error
        values = column.mapped(range(len(numbers)), numbers)
    turned = _Column(column.name, values, Support(one))
    if one == "count":
        wrong = [x for x in turned.different if x < 0 or x != np.floor(x)]
        if wrong:
            raise DataError(f"the value {wrong[0]:g} is no count", where=column.name)
    return turned


def _reordered(column: _Column, order: Sequence[str]) -> _Column:
    """The states in the order of their words. Raises DataError unless it names each once."""
    states = column.support.states or 0
    words = column.words or tuple(str(state) for state in range(states))
    given = [text.strip() for text in order]
    if sorted(given) != sorted(words):
        missing = [word for word in words if word not in given]
        strange = [word for word in given if word not in words]
        reason = (
            f"misses {missing[0]!r}" if missing
            else f"names {strange[0]!r}, which is not there" if strange
            else "names a state twice"
        )  # fmt: skip
        raise DataError(f"the order {reason}", where=column.name)
    values = column.mapped(range(len(words)), [given.index(word) for word in words])
    return replace(column, values=values, words=tuple(given))


def _sorted_by_number(column: _Column) -> _Column:
    """Words that are all numbers by their size, others as they are."""
    if not column.words or not all(map(_is_number, column.words)):
        return column
    return _reordered(column, sorted(column.words, key=float))


def _as_labels(column: _Column) -> tuple[dict[Split, Labels | None], tuple[str, ...]]:
    """The column as the class of each row. Raises DataError where one is missing."""
    finite = _as_states(column)
    labels: dict[Split, Labels | None] = {}
    for split in SPLITS:
        values = finite.values[split]
        missing = np.flatnonzero(np.isnan(values))
        if len(missing):
            raise DataError(
                f"row {missing[0]} has no label", where=f"{column.name}, {split}",
                hint="make it a variable, or leave the row out",
            )  # fmt: skip
        labels[split] = values.astype(np.int64)
    states = finite.support.states or 0
    return labels, finite.words or tuple(str(state) for state in range(states))


def _refuse_images(dataset: Dataset, types: Mapping[str, Any]) -> None:
    if dataset.streams:
        raise DataError("data in files larger than memory are not changed", where=dataset.name)
    if dataset.image is not None and types:
        raise DataError("the pixels of images all have one type", where=dataset.name)


def _place(dataset: Dataset, variable: str) -> int:
    try:
        return dataset.variables.index(variable)
    except ValueError:
        raise DataError(f"there is no variable {variable[:80]!r}", where=dataset.name) from None


def _is_number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False


def _written(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.7g}"
