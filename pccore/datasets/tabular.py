"""Tables as text: .csv with a header, and the .data files of the density estimation benchmark.

Missing is an empty cell, NA, N/A, nan, null or ? (in any case). Empty lines are skipped. A .csv
file may use commas, semicolons or tabs, and with the latter two a comma for the decimal point; a
first line of numbers only is data, its columns are then X0, X1, ... A column of words becomes
integer codes, in the sorted order of its different words; a column counts as words where fewer than
half of its present cells are numbers, so that one bad cell in a column of numbers is an error and
not a category. `Reading` says otherwise of single columns.

A file is read in passes and never held as a whole.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TextIO

import numpy as np

from pccore.datasets.base import Array, default_names
from pccore.datasets.cells import AS_IT_IS, Cells, Reading, is_number
from pccore.errors import DataError
from pccore.limits import current_limits

#: Bytes that are looked at together.
_CHUNK = 2**20
_DELIMITERS = "\t;,"
#: Lines by which the delimiter is told, and characters after which no further line is.
_LINES, _CHARACTERS = 20, 200_000


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


def read_csv(path: Path, reading: Reading = AS_IT_IS) -> Table:
    """A .csv or .tsv file, see above. Raises DataError that names the line and the column."""
    _check_text(path)
    with _opened(path) as stream:
        start = _start(stream)
    delimiter = _delimiter(start)
    comma = delimiter != ","
    fast = None if reading.named else _fast(path, delimiter, 0)
    if fast is not None:
        return Table(default_names(fast.shape[1]), fast, {})
    with _opened(path) as stream:
        rows = _rows(stream, delimiter, path)
        row = next(rows, None)
        if row is None:
            raise DataError("the file is empty", where=path.name)
        data = all(is_number(cell, comma) for cell in row.cells)
        names = default_names(len(row.cells)) if data else _names(row, path)
        unknown = sorted(reading.named - set(names))
        if unknown:
            raise DataError(f"there is no column {unknown[0]!r}", where=path.name)
        # Quotes may stretch the header over lines: then the careful way reads it all.
        plain = not data and not reading.named and '"' not in start[0]
        fast = _fast(path, delimiter, 1) if plain else None
        if fast is not None and fast.shape[1] == len(names):
            return Table(names, fast, {})
        cells = Cells(names, path.name, reading, comma=comma)
        return _table(cells, chain([row], rows) if data else rows)


def read_data(path: Path) -> Array:
    """One .data file: numbers separated by commas, no header. Raises DataError."""
    _check_text(path)
    fast = _fast(path, ",", 0)
    if fast is not None:
        return fast
    with _opened(path) as stream:
        rows = _rows(stream, ",", path)
        row = next(rows, None)
        if row is None:
            raise DataError("the file is empty", where=path.name)
        names = default_names(len(row.cells))
        cells = Cells(names, path.name, Reading(numbers=frozenset(names)))
        return _table(cells, chain([row], rows)).values


def csv_header(path: Path) -> tuple[str, ...] | None:
    """The cells of the first line alone, or None where that cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            start = _start(stream)
        cells = next(csv.reader(start[:1], delimiter=_delimiter(start)), [])
        return tuple(cell.strip() for cell in cells) or None
    except (OSError, UnicodeDecodeError, csv.Error):
        return None


def csv_columns(path: Path) -> int | None:
    """The number of columns by the first line alone, or None where that cannot be read."""
    header = csv_header(path)
    return None if header is None else len(header)


def check_cells(count: int, where: str) -> None:
    """Raise DataError where a table has too many cells."""
    limits = current_limits()
    if count > limits.max_table_cells:
        raise DataError(
            f"the table has {count} cells or more, the limit is {limits.max_table_cells}",
            where=where,
            hint=limits.way_out("max_table_cells"),
        )


def _start(stream: TextIO) -> list[str]:
    """The first lines that are not empty, up to `_LINES` of them."""
    longest = current_limits().max_line
    found: list[str] = []
    size = 0
    while len(found) < _LINES and size < _CHARACTERS and (line := stream.readline(longest)):
        if line.strip():
            found.append(line)
            size += len(line)
    return found


def _delimiter(lines: Sequence[str]) -> str:
    """What divides the cells: what cuts the first lines into equally many, else what is there.

    Of two that do, the semicolon: `1,5;2,5` are two numbers.
    """
    for delimiter in _DELIMITERS:
        try:
            reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
            counts = {len(cells) for cells in reader}
        except csv.Error:
            continue
        if len(counts) == 1 and counts != {1}:
            return delimiter
    return next((d for d in ",;\t" if d in "".join(lines[:1])), ",")


def _check_text(path: Path) -> None:
    """Look at the file once. Raises DataError where it or a line is too large, or not UTF-8."""
    limits = current_limits()
    most, longest = limits.max_table_bytes, limits.max_line
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        size = path.stat().st_size
        if size > most:
            raise DataError(
                f"{size} bytes are more than the limit of {most}",
                where=path.name,
                hint=limits.way_out("max_table_bytes"),
            )
        position = line = 0
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                pending = len(decoder.getstate()[0])
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    raise _not_text(path, position - pending + error.start) from None
                position += len(chunk)
                # A line that is too long spans a whole chunk: its exact length does not matter.
                line = len(chunk) - 1 - chunk.rfind(b"\n") + (0 if b"\n" in chunk else line)
                if line > longest:
                    raise DataError(
                        f"a line has more than {longest} bytes",
                        where=path.name,
                        hint=limits.way_out("max_line"),
                    )
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise _not_text(path, position - len(decoder.getstate()[0])) from None
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=path.name) from error


def _not_text(path: Path, position: int) -> DataError:
    return DataError(
        f"byte {position} is not UTF-8 text",
        where=path.name,
        hint="a spreadsheet program writes it as CSV UTF-8",
    )


def _opened(path: Path) -> TextIO:
    """The text of a file that `_check_text` has seen. Raises DataError."""
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=path.name) from error


def _fast(path: Path, delimiter: str, header: int) -> Array | None:
    """A table of plain finite numbers by numpy's parser, or None: the careful way must decide.

    header: lines before the numbers.
    """
    with path.open(encoding="utf-8-sig", newline="\n") as stream:
        for _ in range(header):
            while (line := stream.readline()) and not line.strip():
                pass
        start = stream.tell()
        while (line := stream.readline()) and not line.strip():
            pass
        sign = line.lstrip()[:1]
        if not sign or not (sign.isdigit() or sign in "+-."):
            return None
        stream.seek(start)
        try:
            values = np.loadtxt(
                stream, dtype=np.float32, delimiter=delimiter, comments=None, ndmin=2
            )
        except (ValueError, OverflowError):
            return None
    check_cells(values.size, path.name)
    return values if bool(np.isfinite(values).all()) else None


def _rows(stream: TextIO, delimiter: str, path: Path) -> Iterator[_Row]:
    """The non-empty lines, all with as many cells as the first. Raises DataError."""
    reader = csv.reader(stream, delimiter=delimiter, strict=True, skipinitialspace=True)
    most = current_limits().max_table_cells  # looking it up takes longer than a row
    first: _Row | None = None
    cells = 0
    try:
        for row in reader:
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            first = first or _Row(reader.line_num, row)
            if len(row) != len(first.cells):
                raise DataError(
                    f"line {reader.line_num} has {len(row)} cells, "
                    f"line {first.line} has {len(first.cells)}",
                    where=path.name,
                )
            cells += len(row)
            if cells > most:
                check_cells(cells, path.name)
            yield _Row(reader.line_num, row)
    except csv.Error as error:
        raise DataError(f"line {reader.line_num}: {error}", where=path.name) from error


def _names(header: _Row, path: Path) -> tuple[str, ...]:
    """The names in the header. Raises DataError where one is empty, too long or comes twice."""
    limits = current_limits()
    names = [cell.strip() for cell in header.cells]
    seen: set[str] = set()
    for position, name in enumerate(names):
        if not name:
            raise DataError(
                f"line {header.line}: column {position + 1} has no name in the header",
                where=path.name,
            )
        if len(name) > limits.max_name:
            raise DataError(
                f"line {header.line}: the name of column {position + 1} has {len(name)} "
                f"characters, more than the {limits.max_name} allowed",
                where=path.name,
                hint=limits.way_out("max_name"),
            )
        if name in seen:
            raise DataError(f"line {header.line}: two columns are named {name!r}", where=path.name)
        seen.add(name)
    return tuple(names)


def _table(cells: Cells, rows: Iterable[_Row]) -> Table:
    """All cells as numbers. Raises DataError at a bad cell."""
    for row in rows:
        cells.add(row.line, row.cells)
    values, categories = cells.finish()
    return Table(cells.names, values, categories)
