"""Texts of one node a line: words with their line numbers, numbers that are checked."""

from __future__ import annotations

import math
from codecs import BOM_UTF8
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO

from pccore.errors import FileError
from pccore.files.base import Companion, Limits, Source

#: What exp() of a log-weight still holds as a float.
LARGEST_LOG = 700.0


def words_of(source: Source, comment: bytes | None = b"c") -> Iterator[tuple[int, list[bytes]]]:
    """(line number from 1, words) of the lines that are neither empty nor comments.

    A comment is a line whose first word is `comment`, or begins with #. A byte order mark, which
    editors of Windows write, is no part of the text. Raises FileError for a line that is too long
    or holds a null byte, as binary files do.
    """
    longest = source.limits.max_line
    number = 0
    while line := source.stream.readline(longest + 1):
        number += 1
        if number > source.limits.max_text_size:
            raise FileError(
                f"there are more than {source.limits.max_text_size} lines",
                hint=source.limits.way_out("max_text_size"),
            )
        if len(line) > longest:
            raise FileError(f"the line has more than {longest} bytes", where=f"line {number}")
        if b"\0" in line:
            raise FileError("this is not a text", where=f"line {number}")
        words = (line.removeprefix(BOM_UTF8) if number == 1 else line).split()
        if words and words[0] != comment and not words[0].startswith(b"#"):
            yield number, words


def source_of(companion: Companion, limits: Limits) -> Source:
    """A companion as something to read."""
    return Source(BytesIO(companion.data), len(companion.data), limits)


@contextmanager
def at_line(number: int) -> Generator[None]:
    """A FileError without a place, and a word that is no number, happened on this line."""
    try:
        yield
    except FileError as error:
        if error.where is not None:
            raise
        raise FileError(error.message, where=f"line {number}", hint=error.hint) from None
    except (ValueError, OverflowError):
        raise FileError("a number was expected", where=f"line {number}") from None


def each_line(
    lines: Iterable[tuple[int, list[bytes]]], add: Callable[[list[bytes]], object]
) -> None:
    """Hand the words of every line to `add`, whose errors happened on that line (`at_line`, entered
    once and not a million times)."""
    number = 0
    try:
        for number, words in lines:  # noqa: B007 (the line of an error)
            add(words)
    except (FileError, ValueError, OverflowError):
        with at_line(number):
            raise


def shown(word: bytes) -> str:
    """A word fit for a message."""
    text = repr(word[:40].decode("ascii", "replace"))
    return text if text.isascii() else ascii(text)


def integer(word: bytes, what: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`. Raises FileError without a place."""
    try:
        value = int(word) if len(word) < 20 else None
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise FileError(f"{what} must be an integer from {low} to {high}, not {shown(word)}")
    return value


def integers(words: Sequence[bytes], what: str) -> list[int]:
    """Whole numbers of any size. Raises FileError without a place."""
    try:
        return [int(word) for word in words]
    except ValueError:
        raise FileError(f"{what} must be integers") from None


def log_weights(words: Sequence[bytes]) -> list[float]:
    """Logarithms of weights; -inf is 0. Raises FileError without a place."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise FileError("log-weights must be numbers") from None
    for value in values:
        if not value <= LARGEST_LOG:
            raise FileError(f"the log-weight {value:g} is not at most {LARGEST_LOG:g}")
    return values


def weights(words: Sequence[bytes]) -> list[float]:
    """Linear weights, as logarithms. Raises FileError without a place."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise FileError("weights must be numbers") from None
    return [log_weight(value) for value in values]


def log_weight(value: float) -> float:
    """The logarithm of a finite weight >= 0. Raises FileError without a place."""
    if not 0 <= value < math.inf:
        raise FileError(f"the weight {value:g} is not a finite number >= 0")
    return math.log(value) if value > 0 else -math.inf


def count_is(words: Sequence[bytes], count: int, what: str) -> None:
    """Raises FileError without a place unless there are so many words."""
    if len(words) != count:
        raise FileError(f"{what} needs {count} words, not {len(words)}")
