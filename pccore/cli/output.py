"""What the commands print: one JSON object or aligned text on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO, cast

#: Longest error message; the rest is cut, since a hostile file may put anything into it.
LONGEST_LINE = 600


def emit(options: argparse.Namespace, payload: Mapping[str, Any], lines: Iterable[str]) -> None:
    """Print the payload as one JSON object with --json, else the lines."""
    if options.json:
        print(json.dumps(plain(payload), allow_nan=False))
    else:
        for line in lines:
            print(line)


def plain(value: Any) -> Any:
    """The value as JSON values; what is not a finite number becomes null."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in cast("Sequence[Any]", value)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def clean(text: object) -> str:
    """Text that a file brought along, without what could steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def one_line(text: str) -> str:
    """The text on one line of bounded length."""
    line = " ".join(clean(text).split())
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."


def pairs(rows: Iterable[tuple[str, object]]) -> list[str]:
    """Lines of "name   value" with the values aligned."""
    listed = [(name, clean(value)) for name, value in rows]
    width = max((len(name) for name, _ in listed), default=0)
    return [f"{name:<{width}}  {value}".rstrip() for name, value in listed]


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Lines of an aligned table; columns of numbers are flush right. Lazy: --json needs none."""
    body = [["" if cell is None else number(cell) for cell in row] for row in rows]
    numeric = [
        bool(body) and all(_is_number(row[i]) or not row[i] for row in body)
        for i in range(len(header))
    ]
    every = [list(header), *body]
    widths = [max(len(row[i]) for row in every) for i in range(len(header))]
    for row in every:
        yield "  ".join(
            f"{cell:>{width}}" if right else f"{cell:<{width}}"
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()


def number(value: object) -> str:
    """A cell: floats with six significant digits, text made safe."""
    return f"{value:.6g}" if isinstance(value, float) else clean(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def listing(names: Sequence[str], most: int = 10) -> str:
    """ "3: a, b, c", cut in the middle where there are many."""
    shown = list(names) if len(names) <= most else [*names[: most - 1], "...", names[-1]]
    return clean(f"{len(names)}: {', '.join(shown)}")


def duration(seconds: float) -> str:
    """Seconds for people: 4.2 s, 3:07 min, 2:05 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d} h"


class Progress:
    """Progress on stderr: one line that is rewritten on a terminal, else only `say` is heard."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.live = self.stream.isatty()
        self._shown = 0
        self._last = 0.0

    def update(self, text: str) -> None:
        """Rewrite the line, at most ten times a second."""
        now = time.monotonic()
        if self.live and now - self._last >= 0.1:
            self._last = now
            self._write(f"\r{clean(text):<{self._shown}}")
            self._shown = len(text)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        self._write(f"{clean(text)}\n")

    def clear(self) -> None:
        """Take the rewritten line away."""
        if self._shown:
            self._write("\r" + " " * self._shown + "\r")
            self._shown = 0

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
