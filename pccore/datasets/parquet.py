"""Parquet files: flat columns of numbers, truth values and words.

Words (and dictionaries of words) become codes as in `tabular`; nulls and NaN are missing. Columns
of other types (dates, lists) have to be left out or converted first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pccore.datasets.cells import AS_IT_IS, LEFT_OUT, Reading
from pccore.datasets.supports import MAX_STATES
from pccore.datasets.tabular import Table, check_cells
from pccore.errors import DataError
from pccore.limits import current_limits

TRUTH = ("false", "true")
#: Rows that are looked at together.
_BLOCK = 2**14


def read_parquet(path: Path, reading: Reading = AS_IT_IS) -> Table:
    """A .parquet file. Raises DataError that names the column, and the row from 0."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # The sizes that the file announces are looked at before anything is read.
        file = parquet.ParquetFile(path)
        names = tuple(file.schema_arrow.names)
        check_cells(file.metadata.num_rows * max(1, len(names)), path.name)
        _check_bytes(file.metadata, path.name)
        kept = [name for name in names if name not in reading.skipped]
        unknown = sorted(reading.named - set(names))
        if unknown or not kept or len(set(names)) < len(names):
            raise DataError(_columns_problem(names, unknown), where=path.name)
        columns = [_Column(f"{path.name}, column {name}", name in reading.numbers) for name in kept]
        for batch in file.iter_batches(_BLOCK, columns=kept):
            for place, column in enumerate(columns):
                column.add(batch.column(place).to_pylist())
    except DataError:
        raise
    except OSError as error:
        reason = error.strerror or str(error).split("\n")[0][:120]
        raise DataError(f"the file cannot be read: {reason}", where=path.name) from error
    except (pa.ArrowException, ValueError, MemoryError) as error:
        reason = str(error).split("\n")[0][:120]
        raise DataError(f"this is no readable .parquet file: {reason}", where=path.name) from error
    values = np.empty((columns[0].rows, len(kept)), dtype=np.float32)
    categories: dict[str, tuple[str, ...]] = {}
    for place, (name, column) in enumerate(zip(kept, columns, strict=True)):
        values[:, place], words = column.finish()
        if words is not None:
            categories[name] = words
    return Table(tuple(kept), values, categories)


def _check_bytes(metadata: Any, where: str) -> None:
    """Raise DataError where the values take too many bytes unpacked, by what the file says."""
    limits = current_limits()
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if size > limits.max_table_bytes:
        raise DataError(
            f"{size} bytes unpacked are more than the limit of {limits.max_table_bytes}",
            where=where,
            hint=limits.way_out("max_table_bytes"),
        )


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


class _Column:
    """The cells of a column, which come in blocks of one type; None is missing."""

    def __init__(self, where: str, as_numbers: bool) -> None:
        self._where, self._as_numbers = where, as_numbers
        self._kinds: set[type] = set()
        self._codes: dict[str, int] = {}
        self._blocks: list[NDArray[np.float32]] = []
        self.rows = 0

    def add(self, cells: Sequence[Any]) -> None:
        """The next cells. Raises DataError."""
        kinds = {type(cell) for cell in cells if cell is not None}
        self._kinds |= kinds
        if kinds == {str} and not self._as_numbers:
            block = [np.nan if cell is None else self._code(cell) for cell in cells]
        else:
            block = [_number(cell, self.rows + i, self._where) for i, cell in enumerate(cells)]
        self._blocks.append(np.array(block, dtype=np.float32))
        self.rows += len(cells)

    def finish(self) -> tuple[NDArray[np.float32], tuple[str, ...] | None]:
        """Codes or numbers [N], NaN where missing, and the words of the codes."""
        values = np.concatenate([np.empty(0, np.float32), *self._blocks])
        if not self._codes:
            return values, TRUTH if self._kinds == {bool} else None
        words = sorted(self._codes)
        new = np.argsort([self._codes[word] for word in words]).astype(np.float32)
        present = ~np.isnan(values)
        values[present] = new[values[present].astype(np.int64)]
        return values, tuple(words)

    def _code(self, word: str) -> int:
        code = self._codes.setdefault(word, len(self._codes))
        if code >= MAX_STATES:
            raise DataError(
                f"more than {MAX_STATES} different words, which cannot be the states of a variable",
                where=self._where,
                hint=LEFT_OUT,
            )
        return code


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
