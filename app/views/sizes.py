"""Numbers in the form that people read."""

from __future__ import annotations

from typing import Literal


def count(number: int) -> str:
    """A count: exact below a million, then three digits ("1.24 million")."""
    for size, name in ((10**9, "billion"), (10**6, "million")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """ "1 unit", "12 units"."""
    return f"{count(number)} {noun}" + ("" if number == 1 else "s")


def table(rows: int, most: int) -> int | Literal["content"]:
    """The height of a table in pixels: no more than its rows need, and at most `most`."""
    return "content" if 36 + 35 * rows <= most else most


def duration(seconds: float | None) -> str:
    """A time span in its two largest units, "–" where it is not known."""
    if seconds is None or seconds != seconds or seconds < 0:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    total = round(min(seconds, 10**9))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    if total < 48 * 3600:
        return f"{total // 3600} h {total % 3600 // 60:02d} min"
    return f"{total // 86400} days"


def rate(rows_per_second: float) -> str:
    """Rows a second, "–" before the first batch."""
    if not rows_per_second > 0:
        return "–"
    return count(round(rows_per_second)) if rows_per_second >= 10 else f"{rows_per_second:.1f}"


def nats(value: object) -> str:
    """A log-likelihood with two decimals, "–" where there is none."""
    return f"{value:.2f}".replace("-", "−") if isinstance(value, int | float) else "–"
