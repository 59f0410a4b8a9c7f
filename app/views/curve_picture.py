"""The curves of runs as a stand-alone SVG document, for papers and slides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _LINE = 640, 360, 72, 34, 46, 20
#: Okabe and Ito's colours, which the colour-blind tell apart; then the same, dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_FONTS = "'DejaVu Sans', Verdana, sans-serif"
#: Steps between ticks, times a power of ten.
_STEPS = (1.0, 2.0, 5.0, 10.0)


def to_svg(
    series: Sequence[Mapping[str, Any]], title: str, x_label: str, y_label: str, ticks: int = 6
) -> str:
    """Curves as `curves.series` gives them, with axes and a legend below.

    Values that are not finite are gaps. The vertical axis leaves out what the lowest tenth of the
    values reach down to, where an untrained model would flatten all the rest.
    """
    points = [[(x, y) for x, y in zip(s["x"], s["y"], strict=True)] for s in series]
    known = [(x, y) for curve in points for x, y in curve if math.isfinite(x) and math.isfinite(y)]
    xs = _range([x for x, _ in known])
    ordered = sorted(y for _, y in known)
    ys = _range(ordered[len(ordered) // 10 :])
    height = _TOP + _HEIGHT + _BOTTOM + _LINE * len(series)
    width = _LEFT + _WIDTH + 20

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + _WIDTH * (x - xs[0]) / (xs[1] - xs[0])
        return across, _TOP + _HEIGHT * (ys[1] - y) / (ys[1] - ys[0])

    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="{_FONTS}" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<clipPath id="area"><rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}"/>'
        "</clipPath>",
        f'<text x="{_LEFT}" y="20" font-size="14" font-weight="600">{escape(title)}</text>',
    ]
    for tick in _ticks(*xs, ticks):
        x, bottom = place(tick, ys[0])
        parts.append(_text(x, bottom + 16, f"{tick:g}", "middle"))
    for tick in _ticks(*ys, ticks):
        left, y = place(xs[0], tick)
        parts.append(f'<path d="M{left:.1f} {y:.1f}h{_WIDTH}" stroke="#d8d8d8"/>')
        parts.append(_text(left - 6, y + 4, f"{tick:g}", "end"))
    middle = _TOP + _HEIGHT / 2
    parts.append(_text(_LEFT + _WIDTH / 2, _TOP + _HEIGHT + 36, x_label, "middle"))
    parts.append(
        f'<text x="16" y="{middle:.1f}" text-anchor="middle" '
        f'transform="rotate(-90 16 {middle:.1f})">{escape(y_label)}</text>'
    )
    for number, (one, curve) in enumerate(zip(series, points, strict=True)):
        look = _look(number, one.get("style") == "dashed")
        path = _path([place(x, y) if math.isfinite(y) else None for x, y in curve])
        parts.append(f'<path d="{path}" {look} clip-path="url(#area)"/>')
        y = _TOP + _HEIGHT + _BOTTOM + _LINE * number + 6
        parts.append(f'<path d="M{_LEFT} {y}h28" {look}/>')
        parts.append(_text(_LEFT + 36, y + 4, str(one["name"]), "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _look(number: int, dashed: bool) -> str:
    dashes = ' stroke-dasharray="6 4"' if dashed or number >= len(_COLOURS) else ""
    colour = _COLOURS[number % len(_COLOURS)]
    return f'fill="none" stroke="{colour}" stroke-width="2"{dashes}'


def _path(places: Sequence[tuple[float, float] | None]) -> str:
    """Lines between neighbours; None is a gap."""
    words: list[str] = []
    pen = "M"
    for place in places:
        if place is None:
            pen = "M"
        else:
            words.append(f"{pen}{place[0]:.1f} {place[1]:.1f}")
            pen = "L"
    return "".join(words)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low < 1e-9 * max(1.0, abs(high)):
        return low - 0.5, high + 0.5
    return low, high + 0.02 * (high - low)


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between low and high, at most about `most`."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * power for s in _STEPS if (high - low) / (s * power) <= most)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(n * step, 12) for n in range(first, last + 1)]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
