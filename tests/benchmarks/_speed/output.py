"""What a benchmark prints: lines as soon as they are known, and one object at the end."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from .child import machine, versions


class Output:
    """Lines go to standard output; with --json to standard error, and the object to the output."""

    def __init__(self, options: argparse.Namespace, command: str) -> None:
        self.json: bool = options.json
        self.markdown: bool = options.markdown
        self.result: dict[str, Any] = {
            "command": command,
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "load_at_start": os.getloadavg()[0],
            "versions": versions(()),
        }
        place, head = self.result["machine"], self.result["versions"]
        self.say(
            f"{command}, {self.result['date']}: {place['processor']}, {place['cores']} cores, "
            f"{place['memory_gib']} GiB, load {self.result['load_at_start']:.1f}; "
            f"Python {head['python']}, torch {head['torch']}, {options.threads} threads"
        )
        if self.result["load_at_start"] > 0.5:
            self.say("note: other work is running here; times are not to be trusted")

    def say(self, line: str = "") -> None:
        """Print a line at once."""
        print(line, file=sys.stderr if self.json else sys.stdout, flush=True)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Print a table, in columns or, with --markdown, as in RESULTS.md."""
        for line in table(head, rows, self.markdown, title):
            self.say(line)

    def finish(self) -> None:
        """Print the object, with --json."""
        if self.json:
            print(json.dumps(self.result))


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], markdown: bool, title: str = ""
) -> list[str]:
    """The lines of a table; the first column is text, the others are flush right."""
    if markdown:
        lines = ["", f"**{title}**", ""] if title else [""]
        lines.append("| " + " | ".join(head) + " |")
        lines.append("|" + "---|" * len(head))
        return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]
    widths = [max(len(row[c]) for row in [head, *rows]) for c in range(len(head))]
    lines = ["", title] if title else [""]
    for row in [head, *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines


def short(value: float, digits: int = 3) -> str:
    """A number with a few significant digits and no exponent."""
    if value >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"
