"""Tables as text: .csv with a header, and the .data files of the density estimation benchmark.

Missing is an empty cell, NA, N/A, nan, null or ? (in any case). Empty lines are skipped. A .csv
file may use commas, semicolons or tabs, and with the latter two a comma for the decimal point; a
first line of numbers only is data, its columns are then X0, X1, ... A column of words becomes
integer codes, in the sorted order of its different words; a column counts as words where fewer than
half of its present cells are numbers, so that one bad cell in a column of numbers is an error and
not a category. `Reading` says otherwise of single columns.
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

_MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "?"})
_MAX_BYTES = 2**29
_MAX_CELLS = 2**27
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.I | re.A)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.A)
_DELIMITERS = "\t;,"
_LOOKED_AT = 20  # lines by which the delimiter is told
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Table:
    """The content of one file: values float32 [N, V], and the words behind the codes."""

    variables: tuple[str, ...]
    values: Array
    categories: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of columns before they are read, by name.

    words: the cells are words even where they look like numbers. numbers: they are numbers, and a
    cell that is none is an error. skipped: the column is left out.
    """

    words: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()

    @property
    def named(self) -> frozenset[str]:
        """The columns of which anything is known."""
        return self.words | self.numbers | self.skipped


AS_IT_IS = Reading()


@dataclass(frozen=True, slots=True)
class _Row:
    line: int  # in the file, from 1
    cells: list[str]


def read_csv(path: Path, reading: Reading = AS_IT_IS) -> Table:
    """A .csv or .tsv file, see above. Raises DataError that names the line and the column."""
    text = _text(path)
    first = _first_line(text)
    delimiter = _delimiter(text, first)
    fast = None if reading.named else _fast(text, delimiter)
    if fast is not None:
        return Table(default_names(fast.shape[1]), fast, {})
    rows = _rows(text, delimiter, path)
    if not rows:
        raise DataError("the file is empty", where=path.name)
    if all(_is_number(cell) or _is_comma_number(cell, delimiter) for cell in rows[0].cells):
        names = default_names(len(rows[0].cells))
    else:
        names = _names(rows[0], path)
        rows = rows[1:]
        header_end = _after_header(text, first)
        plain = header_end is not None and not reading.named
        fast = _fast(text[header_end:], delimiter) if plain else None
        if fast is not None and fast.shape[1] == len(names):
            return Table(names, fast, {})
    unknown = sorted(reading.named - set(names))
    if unknown:
        raise DataError(f"there is no column {unknown[0]!r}", where=path.name)
    return _table(names, rows, path, reading, comma=delimiter != ",")


def read_data(path: Path) -> Array:
    """One .data file: numbers separated by commas, no header. Raises DataError."""
    text = _text(path)
    fast = _fast(text, ",")
    if fast is not None:
        return fast
    rows = _rows(text, ",", path)
    if not rows:
        raise DataError("the file is empty", where=path.name)
    names = default_names(len(rows[0].cells))
    return _table(names, rows, path, Reading(numbers=frozenset(names))).values


def csv_header(path: Path) -> tuple[str, ...] | None:
    """The cells of the first line alone, or None where that cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            start = "".join(stream.readline(1_000_000) for _ in range(_LOOKED_AT))
        first = _first_line(start)
        cells = next(csv.reader([first], delimiter=_delimiter(start, first)), [])
        return tuple(cell.strip() for cell in cells) or None
    except (OSError, UnicodeDecodeError, csv.Error):
        return None


def csv_columns(path: Path) -> int | None:
    """The number of columns by the first line alone, or None where that cannot be read."""
    header = csv_header(path)
    return None if header is None else len(header)


def check_cells(count: int, where: str) -> None:
    """Raise DataError where a table has too many cells."""
    if count > _MAX_CELLS:
        raise DataError(f"the table has more than {_MAX_CELLS} cells", where=where)


def _first_line(text: str) -> str:
    return next((line for line in io.StringIO(text, newline="") if line.strip()), "")


def _delimiter(text: str, first: str) -> str:
    """What divides the cells: what cuts the first lines into equally many, else what is there.

    Of two that do, the semicolon: `1,5;2,5` are two numbers.
    """
    lines = [first, *(line for line in io.StringIO(text[:200_000], newline="") if line.strip())]
    for delimiter in _DELIMITERS:
        try:
            reader = csv.reader(
                lines[: _LOOKED_AT + 1], delimiter=delimiter, strict=True, skipinitialspace=True
            )
            counts = {len(cells) for cells in reader}
        except csv.Error:
            continue
        if len(counts) == 1 and counts != {1}:
            return delimiter
    return next((d for d in ",;\t" if d in first), ",")


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
        raise DataError(
            f"byte {error.start} is not UTF-8 text",
            where=path.name,
            hint="a spreadsheet program writes it as CSV UTF-8",
        ) from error


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
            check_cells(len(rows) * len(cells), path.name)
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


def _table(
    names: tuple[str, ...],
    rows: Sequence[_Row],
    path: Path,
    reading: Reading = AS_IT_IS,
    *,
    comma: bool = False,
) -> Table:
    """All cells as numbers; comma: that may be a decimal point. Raises DataError at the first bad
    cell."""
    kept = [column for column, name in enumerate(names) if name not in reading.skipped]
    if not kept:
        raise DataError("every column is left out", where=path.name)
    values = np.full((len(rows), len(kept)), np.nan, dtype=np.float32)
    categories: dict[str, tuple[str, ...]] = {}
    for place, column in enumerate(kept):
        name = names[column]
        cells = [row.cells[column].strip() for row in rows]
        present = [i for i, cell in enumerate(cells) if cell.lower() not in _MISSING]
        strange = [i for i in present if not _NUMBER.fullmatch(cells[i])]
        if comma and strange and all(_DECIMAL_COMMA.fullmatch(cells[i]) for i in strange):
            cells = [cell.replace(",", ".") for cell in cells]
            strange = []
        if (
            strange
            and name not in reading.numbers
            and (name in reading.words or 2 * len(strange) > len(present))
        ):
            codes, categories[name] = _coded([cells[i] for i in present], name, path)
            values[present, place] = codes
        elif strange:
            _refuse(cells[strange[0]], rows[strange[0]].line, name, path)
        else:
            for i in present:
                values[i, place] = _number(cells[i], rows[i].line, name, path)
    return Table(tuple(names[column] for column in kept), values, categories)


def _coded(cells: Sequence[str], name: str, path: Path) -> tuple[list[int], tuple[str, ...]]:
    """A code for each word, and the words. Raises DataError where they are too many."""
    words = sorted(set(cells))
    if len(words) > MAX_STATES:
        raise DataError(
            f"column {name} has {len(words)} different words, at most {MAX_STATES} can be "
            "the states of a variable",
            where=path.name,
            hint="a column of names or numbers of rows is better left out",
        )
    code = {word: number for number, word in enumerate(words)}
    return [code[cell] for cell in cells], tuple(words)


def _is_comma_number(cell: str, delimiter: str) -> bool:
    return delimiter != "," and _DECIMAL_COMMA.fullmatch(cell.strip()) is not None


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
