"""The cells of a table that comes row by row: numbers, or words as codes, decided by column.

Of a row nothing is kept but its numbers and codes (six bytes a cell), so that a table takes little
more memory than the values that come out, whatever is written in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from pccore.datasets.base import Array
from pccore.datasets.supports import MAX_STATES
from pccore.errors import DataError

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "?"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.I | re.A)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.A)
_LARGEST = float(np.finfo(np.float32).max)
_ABSENT = -1
#: Rows that are turned into arrays at once.
_BLOCK = 4096
#: What can be done about a column with too many different words.
LEFT_OUT = "a column of names or numbers of rows is better left out"


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


def is_number(cell: str, comma: bool) -> bool:
    """Whether a cell of a first line looks like data: a number, or a missing value."""
    cell = cell.strip()
    if cell.lower() in MISSING - {""} or _NUMBER.fullmatch(cell) is not None:
        return True
    return comma and _DECIMAL_COMMA.fullmatch(cell) is not None


class Column:
    """One column. name: of a column that `reading` may say something of; comma: that may be a
    decimal point."""

    def __init__(self, name: str, file: str, reading: Reading, comma: bool) -> None:
        self._name, self._file, self._comma = name, file, comma
        self._present = self._strange = self._commas = 0
        # line and text of the first cell that is no number, and of the first that is too large
        self._odd: tuple[int, str] | None = None
        self._large: tuple[int, str] | None = None
        self._words = name not in reading.numbers
        self._told = name in reading.words
        # None: no words, or too many to be states
        self._codes: dict[str, int] | None = {} if self._words else None
        self._numbers: list[NDArray[np.float32]] = []
        self._coded: list[NDArray[np.int16]] = []

    def add(self, lines: Sequence[int], cells: Sequence[str]) -> None:
        """The next cells, and the lines of the file in which they stand."""
        numbers = np.full(len(cells), np.nan, dtype=np.float32)
        coded = np.full(len(cells), _ABSENT, dtype=np.int16)
        for row, cell in enumerate(cells):
            if cell.lower() in MISSING:
                continue
            self._present += 1
            if self._codes is not None:
                coded[row] = self._code(cell)
            plain = cell
            if _NUMBER.fullmatch(cell) is None:
                self._strange += 1
                self._odd = self._odd or (lines[row], cell)
                if not self._comma or _DECIMAL_COMMA.fullmatch(cell) is None:
                    continue
                self._commas += 1
                plain = cell.replace(",", ".")
            number = float(plain)
            if math.isfinite(number) and abs(number) <= _LARGEST:
                numbers[row] = number
            else:
                self._large = self._large or (lines[row], cell)
        self._numbers.append(numbers)
        if self._codes is not None:
            self._coded.append(coded)

    def finish(self) -> tuple[Array, tuple[str, ...] | None]:
        """float32 [N], and the words behind the codes. Raises DataError at the first bad cell."""
        if self._odd is None or self._strange == self._commas:
            if self._large is not None:
                self._refuse(*self._large)
            return np.concatenate(self._numbers), None
        if not self._words or not (self._told or 2 * self._strange > self._present):
            self._refuse(*self._odd)
        if self._codes is None:
            raise DataError(
                f"column {self._name} has more than {MAX_STATES} different words, which cannot be "
                "the states of a variable",
                where=self._file,
                hint=LEFT_OUT,
            )
        words = sorted(self._codes)
        places = {word: place for place, word in enumerate(words)}
        new = np.full(len(words) + 1, np.nan, dtype=np.float32)  # the last one is _ABSENT
        for word, code in self._codes.items():
            new[code] = places[word]
        return new[np.concatenate(self._coded)], tuple(words)

    def _code(self, word: str) -> int:
        assert self._codes is not None
        code = self._codes.setdefault(word, len(self._codes))
        if code >= MAX_STATES:
            self._codes = None
            self._coded.clear()
            return _ABSENT
        return code

    def _refuse(self, line: int, cell: str) -> NoReturn:
        shown = repr(cell) if len(cell) <= 40 else repr(cell[:37] + "...")
        raise DataError(
            f"line {line}, column {self._name}: {shown} is not a finite number", where=self._file
        )


class Cells:
    """A table that grows by rows. comma: that may be a decimal point."""

    def __init__(
        self, names: Sequence[str], file: str, reading: Reading = AS_IT_IS, *, comma: bool = False
    ) -> None:
        self._places = [i for i, name in enumerate(names) if name not in reading.skipped]
        if not self._places:
            raise DataError("every column is left out", where=file)
        #: the names of the columns that are not left out
        self.names = tuple(names[place] for place in self._places)
        self._columns = [Column(name, file, reading, comma) for name in self.names]
        self._lines: list[int] = []
        self._rows: list[list[str]] = []
        self._block = max(1, min(_BLOCK, 2**20 // max(1, len(names))))
        self.rows = 0

    def add(self, line: int, cells: list[str]) -> None:
        """One more row."""
        self._lines.append(line)
        self._rows.append(cells)
        self.rows += 1
        if len(self._rows) == self._block:
            self._flush()

    def finish(self) -> tuple[Array, dict[str, tuple[str, ...]]]:
        """float32 [N, V] with NaN for missing, and the words by column. Raises DataError."""
        self._flush()
        values = np.empty((self.rows, len(self._columns)), dtype=np.float32)
        categories: dict[str, tuple[str, ...]] = {}
        for place, (name, column) in enumerate(zip(self.names, self._columns, strict=True)):
            if self.rows:
                values[:, place], words = column.finish()
                if words is not None:
                    categories[name] = words
        return values, categories

    def _flush(self) -> None:
        if self._rows:
            every = list(zip(*self._rows, strict=True))
            for column, place in zip(self._columns, self._places, strict=True):
                column.add(self._lines, [cell.strip() for cell in every[place]])
        self._lines, self._rows = [], []
