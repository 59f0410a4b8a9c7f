"""Tables as CSV that a spreadsheet opens as data: a name is never taken for a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

#: What a cell begins with that spreadsheets compute.
_COMPUTED = re.compile(r"\s*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The lines of a table; None is an empty cell.

    A text that a spreadsheet would compute (`=HYPERLINK(...)`, `@SUM(1)`) gets an apostrophe before
    it, which shows that it is text; numbers, also as texts, stay as they are.

    Source: https://owasp.org/www-community/attacks/CSV_Injection
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_cell(name) for name in header])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def csv_rows(rows: Sequence[Mapping[str, object]]) -> str:
    """The lines of a table of named cells; what a row lacks is empty. "" for no rows."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    return csv_text(header, ([row.get(name) for name in header] for row in rows)) if rows else ""


def csv_line(words: Sequence[str]) -> str:
    """Words as one line of CSV without its end, which `csv.reader` gives back as they are."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(words)
    return stream.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str) or not _COMPUTED.match(value) or _NUMBER.fullmatch(value):
        return value
    return "'" + value
