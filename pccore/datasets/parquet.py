"""Parquet files: flat columns of numbers, truth values and words.

Words (and dictionaries of words) become codes as in `tabular`; nulls and NaN are missing. Columns
of other types (dates, lists) have to be left out or converted first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pccore.datasets.supports import MAX_STATES
from pccore.datasets.tabular import AS_IT_IS, Reading, Table, check_cells
from pccore.errors import DataError

TRUTH = ("false", "true")


def read_parquet(path: Path, reading: Reading = AS_IT_IS) -> Table:
    """A .parquet file. Raises DataError that names the column, and the row from 0."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # The sizes that the file announces are looked at before anything is read.
        file = parquet.ParquetFile(path)
        names = tuple(file.schema_arrow.names)
        check_cells(file.metadata.num_rows * max(1, len(names)), path.name)
        kept = [name for name in names if name not in reading.skipped]
        unknown = sorted(reading.named - set(names))
        if unknown or not kept or len(set(names)) < len(names):
            raise DataError(_columns_problem(names, unknown), where=path.name)
        table: Any = file.read(columns=kept)
    except DataError:
        raise
    except OSError as error:
        reason = error.strerror or str(error).split("\n")[0][:120]
        raise DataError(f"the file cannot be read: {reason}", where=path.name) from error
    except (pa.ArrowException, ValueError, MemoryError) as error:
        reason = str(error).split("\n")[0][:120]
        raise DataError(f"this is no readable .parquet file: {reason}", where=path.name) from error
    values = np.full((table.num_rows, len(kept)), np.nan, dtype=np.float32)
    categories: dict[str, tuple[str, ...]] = {}
    for place, name in enumerate(kept):
        column: list[Any] = table.column(name).to_pylist()
        numbers, words = _column(column, f"{path.name}, column {name}", name in reading.numbers)
        values[:, place] = numbers
        if words is not None:
            categories[name] = words
    return Table(tuple(kept), values, categories)


def parquet_facts(path: Path) -> tuple[int, tuple[str, ...]]:
    """The number of rows and the names of the columns, by the end of the file alone."""
    from pyarrow import parquet

    try:
        metadata: Any = parquet.read_metadata(path)
        return int(metadata.num_rows), tuple(metadata.schema.to_arrow_schema().names)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        reason = str(error).split("\n")[0][:120]
        raise DataError(f"this is no readable .parquet file: {reason}", where=path.name) from error


def _columns_problem(names: Sequence[str], unknown: Sequence[str]) -> str:
    if unknown:
        return f"there is no column {unknown[0]!r}"
    if len(set(names)) < len(names):
        return "two columns have the same name"
    return "every column is left out" if names else "the file has no columns"


def _column(
    cells: Sequence[Any], where: str, as_numbers: bool
) -> tuple[list[float], tuple[str, ...] | None]:
    """Codes or numbers, NaN where missing, and the words of the codes. Raises DataError."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {str} and not as_numbers:
        words = sorted(set(cells) - {None})
        if len(words) > MAX_STATES:
            raise DataError(
                f"{len(words)} different words, at most {MAX_STATES} can be the states of a "
                "variable",
                where=where,
                hint="a column of names or numbers of rows is better left out",
            )
        code = {word: float(number) for number, word in enumerate(words)}
        return [np.nan if cell is None else code[cell] for cell in cells], tuple(words)
    numbers = [_number(cell, row, where) for row, cell in enumerate(cells)]
    return numbers, TRUTH if kinds == {bool} else None


def _number(cell: Any, row: int, where: str) -> float:
    if cell is None:
        return np.nan
    try:
        number = float(cell)  # also of a decimal
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"row {row}: {str(cell)[:40]!r} is not a number", where=where) from None
    if np.isinf(number) or abs(number) > float(np.finfo(np.float32).max):
        raise DataError(f"row {row}: {number:g} is not a finite number", where=where)
    return number
