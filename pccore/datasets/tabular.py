"""Tables as text: .csv with a header, and the .data files of the density estimation benchmark.

Missing is an empty cell, NA, nan or ? (in any case). Empty lines are skipped. A .csv file may use
commas, semicolons or tabs; a first line of numbers only is data, its columns are then X0, X1, ...
A column of words becomes integer codes, in the sorted order of its different words; a column
counts as words where fewer than half of its present cells are numbers, so that one bad cell in a
column of numbers is an error and not a category.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from pccore.datasets.base import Array, default_names
from pccore.datasets.supports import MAX_STATES
from pccore.errors import DataError

_MISSING = frozenset({"", "na", "nan", "?"})
_MAX_BYTES = 2**29
_MAX_CELLS = 2**27
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.I | re.A)
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Table:
    """The content of one file: values float32 [N, V], and the words behind the codes."""

    variables: tuple[str, ...]
    values: Array
    categories: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Row:
    line: int  # in the file, from 1
    cells: list[str]


def read_csv(path: Path) -> Table:
    """A .csv or .tsv file, see above. Raises DataError that names the line and the column."""
    text = _text(path)
    first = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    delimiter = next((d for d in ",;\t" if d in first), ",")
    fast = _fast(text, delimiter)
    if fast is not None:
        return Table(default_names(fast.shape[1]), fast, {})
    rows = _rows(text, delimiter, path)
    if not rows:
        raise DataError("the file is empty", where=path.name)
    if all(_is_number(cell) for cell in rows[0].cells):
        names = default_names(len(rows[0].cells))
    else:
        names = _names(rows[0], path)
        rows = rows[1:]
        header_end = _after_header(text, first)
        fast = None if header_end is None else _fast(text[header_end:], delimiter)
        if fast is not None and fast.shape[1] == len(names):
            return Table(names, fast, {})
    return _table(names, rows, path, words=True)


def read_data(path: Path) -> Array:
    """One .data file: numbers separated by commas, no header. Raises DataError."""
    text = _text(path)
    fast = _fast(text, ",")
    if fast is not None:
        return fast
    rows = _rows(text, ",", path)
    if not rows:
        raise DataError("the file is empty", where=path.name)
    return _table(default_names(len(rows[0].cells)), rows, path, words=False).values


def csv_columns(path: Path) -> int | None:
    """The number of columns by the first line alone, or None where that cannot be read."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            first = stream.readline(1_000_000)
        delimiter = next((d for d in ",;\t" if d in first), ",")
        return len(next(csv.reader([first], delimiter=delimiter))) if first.strip() else None
    except (OSError, UnicodeDecodeError, csv.Error):
        return None


def _text(path: Path) -> str:
    """The whole file as text. Raises DataError where it is too large or not UTF-8."""
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise DataError(
                f"{size} bytes are more than the limit of {_MAX_BYTES}", where=path.name
            )
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=path.name) from error
    except UnicodeDecodeError as error:
        raise DataError(f"byte {error.start} is not UTF-8 text", where=path.name) from error


def _fast(text: str, delimiter: str) -> Array | None:
    """A table of plain finite numbers by numpy's parser, or None: the careful way must decide."""
    start = text.lstrip()
    if not start or not (start[0].isdigit() or start[0] in "+-."):
        return None
    try:
        values = np.loadtxt(
            io.StringIO(text), dtype=np.float32, delimiter=delimiter, comments=None, ndmin=2
        )
    except (ValueError, OverflowError):
        return None
    return values if values.size <= _MAX_CELLS and bool(np.isfinite(values).all()) else None


def _after_header(text: str, first: str) -> int | None:
    """Where the second line starts; None where quotes may stretch the header over lines."""
    if '"' in first:
        return None
    end = text.find("\n", text.find(first))
    return None if end < 0 else end + 1


def _rows(text: str, delimiter: str, path: Path) -> list[_Row]:
    """The non-empty lines, all with as many cells as the first. Raises DataError."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    rows: list[_Row] = []
    try:
        for cells in reader:
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            if rows and len(cells) != len(rows[0].cells):
                raise DataError(
                    f"line {reader.line_num} has {len(cells)} cells, "
                    f"line {rows[0].line} has {len(rows[0].cells)}",
                    where=path.name,
                )
            rows.append(_Row(reader.line_num, cells))
            if len(rows) * len(cells) > _MAX_CELLS:
                raise DataError(f"the table has more than {_MAX_CELLS} cells", where=path.name)
    except csv.Error as error:
        raise DataError(f"line {reader.line_num}: {error}", where=path.name) from error
    return rows


def _names(header: _Row, path: Path) -> tuple[str, ...]:
    """The names in the header. Raises DataError where one is empty or comes twice."""
    names = [cell.strip() for cell in header.cells]
    seen: set[str] = set()
    for position, name in enumerate(names):
        if not name:
            raise DataError(
                f"line {header.line}: column {position + 1} has no name in the header",
                where=path.name,
            )
        if name in seen:
            raise DataError(f"line {header.line}: two columns are named {name!r}", where=path.name)
        seen.add(name)
    return tuple(names)


def _table(names: tuple[str, ...], rows: Sequence[_Row], path: Path, *, words: bool) -> Table:
    """All cells as numbers. Raises DataError at the first bad cell."""
    values = np.full((len(rows), len(names)), np.nan, dtype=np.float32)
    categories: dict[str, tuple[str, ...]] = {}
    for column, name in enumerate(names):
        cells = [row.cells[column].strip() for row in rows]
        present = [i for i, cell in enumerate(cells) if cell.lower() not in _MISSING]
        strange = [i for i in present if not _NUMBER.fullmatch(cells[i])]
        if not strange:
            for i in present:
                values[i, column] = _number(cells[i], rows[i].line, name, path)
        elif words and 2 * len(strange) > len(present):
            codes = sorted({cells[i] for i in present})
            if len(codes) > MAX_STATES:
                raise DataError(
                    f"column {name} has {len(codes)} different words, at most {MAX_STATES} can be "
                    "the states of a variable",
                    where=path.name,
                )
            code = {word: number for number, word in enumerate(codes)}
            values[present, column] = [code[cells[i]] for i in present]
            categories[name] = tuple(codes)
        else:
            _refuse(cells[strange[0]], rows[strange[0]].line, name, path)
    return Table(names, values, categories)


def _is_number(cell: str) -> bool:
    cell = cell.strip()
    return cell.lower() in _MISSING - {""} or _NUMBER.fullmatch(cell) is not None


def _number(cell: str, line: int, name: str, path: Path) -> float:
    """A finite number that fits float32. Raises DataError."""
    number = float(cell)
    if not math.isfinite(number) or abs(number) > _LARGEST:
        _refuse(cell, line, name, path)
    return number


def _refuse(cell: str, line: int, name: str, path: Path) -> NoReturn:
    shown = repr(cell) if len(cell) <= 40 else repr(cell[:37] + "...")
    raise DataError(f"line {line}, column {name}: {shown} is not a finite number", where=path.name)
