"""Precision-recall curves as a table and as a picture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from xml.sax.saxutils import escape

import numpy as np

from pccore.classify.assess import Curve, Report
from pccore.csv_text import csv_text

#: Points of a curve that are drawn.
MOST_POINTS = 400
_SIZE, _LEFT, _TOP, _BOTTOM, _LEGEND = 360, 52, 34, 46, 150
#: Okabe and Ito's colours, which the colour-blind tell apart; then the same, dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_FONTS = "'DejaVu Sans', Verdana, sans-serif"


def curves_csv(report: Report, names: Sequence[str]) -> str:
    """Every point of every curve: class, precision, recall, threshold (of the log-ratio)."""
    rows: list[list[object]] = []
    for name, curve in zip(names, report.curves, strict=True):
        if curve is None:
            continue
        thresholds: list[float | str] = [*curve.thresholds.tolist(), ""]
        points = zip(curve.precision.tolist(), curve.recall.tolist(), thresholds, strict=True)
        rows.extend([name, *point] for point in points)
    return csv_text(["class", "precision", "recall", "threshold"], rows)


def curves_svg(
    report: Report, names: Sequence[str], title: str = "One class against the rest"
) -> str:
    """The curves of all classes in one square, with their areas, as a stand-alone SVG document."""
    width, height = _LEFT + _SIZE + _LEGEND, _TOP + _SIZE + _BOTTOM
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="{_FONTS}" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="20" font-size="14" font-weight="600">{escape(title)}</text>',
        *_axes(),
    ]
    drawn = [(name, c) for name, c in zip(names, report.curves, strict=True) if c is not None]
    for number, (name, curve) in enumerate(drawn):
        parts += _curve(number, name, curve)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _axes() -> list[str]:
    lines: list[str] = []
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x, y = _LEFT + tick * _SIZE, _TOP + (1 - tick) * _SIZE
        lines += [
            f'<path d="M{_LEFT},{y:.1f}H{_LEFT + _SIZE}M{x:.1f},{_TOP}V{_TOP + _SIZE}" '
            'stroke="#dddddd" fill="none"/>',
            f'<text x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>',
            f'<text x="{x:.1f}" y="{_TOP + _SIZE + 17}" text-anchor="middle">{tick:g}</text>',
        ]
    middle = _TOP + _SIZE / 2
    lines += [
        f'<text x="{_LEFT + _SIZE / 2}" y="{_TOP + _SIZE + 37}" text-anchor="middle">recall</text>',
        f'<text transform="translate(14,{middle}) rotate(-90)" text-anchor="middle">precision'
        "</text>",
    ]
    return lines


def _curve(number: int, name: str, curve: Curve) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    dashes = ' stroke-dasharray="5 3"' if number // len(_COLOURS) % 2 else ""
    points = " ".join(
        f"{_LEFT + r * _SIZE:.1f},{_TOP + (1 - p) * _SIZE:.1f}" for r, p in steps(curve)
    )
    stroke = f'fill="none" stroke="{colour}" stroke-width="1.8"{dashes}'
    left, line = _LEFT + _SIZE + 14, _TOP + 10 + 18 * number
    shown = name if len(name) <= 9 else f"{name[:8]}…"
    return [
        f'<polyline points="{points}" {stroke}/>',
        f'<path d="M{left},{line}h22" {stroke}/>',
        f'<text x="{left + 28}" y="{line + 4}">{escape(shown)}  {curve.area:.3f}</text>',
    ]


def steps(curve: Curve) -> list[tuple[float, float]]:
    """(recall, precision) from left to right, as the steps whose area is the curve's."""
    recall, precision = curve.recall[::-1], curve.precision[::-1]
    kept = np.unique(np.linspace(0, len(recall) - 1, MOST_POINTS).astype(np.int64))
    kept = kept[recall[kept] < 1.0].tolist()
    # At recall 1 the first point is the best; the others are below it.
    kept.append(int(np.argmax(recall == 1.0)))
    points = list(zip(recall[kept].tolist(), precision[kept].tolist(), strict=True))
    found: list[tuple[float, float]] = []
    for (before, _), (after, value) in itertools.pairwise(points):
        if after > before:  # elsewhere precision falls without a row of the class: no area
            found += [(before, value), (after, value)]
    return found
