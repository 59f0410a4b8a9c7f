"""Charts as plain SVG: lines on logarithmic axes, and bars of ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 48
COLOURS = ("#0b6e99", "#c8553d", "#4f7942", "#7b5ea7", "#b8860b", "#555555")


@dataclass(frozen=True)
class Line:
    """A named series of positive points."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """A panel of lines on logarithmic axes."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Bars:
    """A panel of horizontal bars; `goals` are marked on the bars."""

    title: str
    bars: Sequence[tuple[str, float, float]]  # name, value, goal


def write(path: Path, panels: Sequence[Chart | Bars]) -> None:
    """Write the panels, two in a row."""
    drawn = [panel for panel in panels if _has_content(panel)]
    width = WIDTH * min(2, len(drawn))
    heights = [_height(panel) for panel in drawn]
    rows = [max(heights[i : i + 2]) for i in range(0, len(drawn), 2)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{sum(rows)}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(drawn):
        x, y = WIDTH * (number % 2), sum(rows[: number // 2])
        inside = _chart(panel) if isinstance(panel, Chart) else _bars(panel)
        parts += [f'<g transform="translate({x},{y})">', *inside, "</g>"]
    path.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


def _has_content(panel: Chart | Bars) -> bool:
    return bool(panel.bars) if isinstance(panel, Bars) else any(line.points for line in panel.lines)


def _height(panel: Chart | Bars) -> int:
    return HEIGHT if isinstance(panel, Chart) else TOP + 18 * len(panel.bars) + BOTTOM


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'


def _title(text: str) -> str:
    return _text(LEFT, 20, text, 'font-weight="bold" font-size="12"')


def ticks(low: float, high: float) -> list[float]:
    """Round numbers of the form 1, 2 or 5 times a power of ten from low to high; where these are
    too few, multiples of one such number."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1.0,) if last - first > 3 else (1.0, 2.0, 5.0)
    found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    found = [tick for tick in found if low / 1.001 <= tick <= high * 1.001]
    if len(found) > 2:
        return found
    unit = 10.0 ** math.floor(math.log10(high - low))
    step = unit * next(n for n in (0.2, 0.5, 1.0, 2.0) if (high - low) / (n * unit) <= 6)
    return [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _chart(chart: Chart) -> list[str]:
    points = [point for line in chart.lines for point in line.points]
    (x0, x1), (y0, y1) = (_range([point[axis] for point in points]) for axis in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / x0) / math.log(x1 / x0)
        up = math.log(y / y0) / math.log(y1 / y0)
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    parts = [_title(chart.title)]
    for tick in ticks(x0, x1):
        x, _ = place(tick, y0)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#e4e4e4"/>')
        parts.append(_text(x, HEIGHT - BOTTOM + 14, f"{tick:g}", 'text-anchor="middle"'))
    for tick in ticks(y0, y1):
        _, y = place(x0, tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e4e4e4"/>')
        parts.append(_text(LEFT - 5, y + 4, f"{tick:g}", 'text-anchor="end"'))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, HEIGHT - BOTTOM + 32, chart.x, 'text-anchor="middle"'))
    parts.append(_text(LEFT, TOP - 6, chart.y, 'fill="#555555"'))
    left, top = _free_corner([place(*point) for point in points], chart.lines)
    for number, line in enumerate(chart.lines):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(*point) for point in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        parts.append(_text(left, top + 14 * number, line.name, f'fill="{colour}"'))
    return parts


def _free_corner(
    points: Sequence[tuple[float, float]], lines: Sequence[Line]
) -> tuple[float, float]:
    """Where the names of the lines begin: the corner with the fewest points in it."""
    width, height = 6.0 * max(len(line.name) for line in lines), 14.0 * len(lines)
    across = (LEFT + 8.0, WIDTH - RIGHT - 8.0 - width)
    down = (TOP + 14.0, HEIGHT - BOTTOM + 6.0 - height)

    def inside(corner: tuple[float, float]) -> int:
        x, y = corner
        near = [x - 20 < px < x + width + 20 and y - 28 < py < y + height + 14 for px, py in points]
        return sum(near)

    return min([(x, y) for x in across for y in down], key=inside)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The values and a margin."""
    low, high = min(values), max(values)
    margin = min(1.1, max(1.01, (high / low) ** 0.15))
    return low / margin, high * margin


def _bars(panel: Bars) -> list[str]:
    parts = [_title(panel.title)]
    label = 215
    room = WIDTH - label - RIGHT - 34
    # A bar far beyond its goal is cut off, so that the others can be read.
    most = min(max(max(v, goal) for _, v, goal in panel.bars), 4 * max(g for *_, g in panel.bars))
    for number, (name, value, goal) in enumerate(panel.bars):
        y = TOP + 18 * number
        colour = COLOURS[0] if value >= goal else COLOURS[1]
        length, mark = room * min(1, value / most), label + room * goal / most
        parts.append(_text(label - 5, y + 10, name, 'text-anchor="end"'))
        parts.append(
            f'<rect x="{label}" y="{y}" width="{length:.1f}" height="12" fill="{colour}"/>'
        )
        parts.append(f'<path d="M{mark:.1f} {y - 2}v16" stroke="#111111" stroke-width="1.5"/>')
        parts.append(_text(label + length + 4, y + 10, f"{value:.1f}"))
    note = "times faster; the black line is the goal"
    parts.append(_text(label, TOP + 18 * len(panel.bars) + 14, note, 'fill="#555555"'))
    return parts
