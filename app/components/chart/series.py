"""Curves made ready for the browser; no streamlit here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

POINT_LIMIT = 1500
STYLES = ("line", "dashed", "faint", "points")


def thin(x: np.ndarray, y: np.ndarray, limit: int = POINT_LIMIT) -> tuple[np.ndarray, np.ndarray]:
    """Reduce a long curve to at most ``limit`` points without losing its extremes.

    The points are cut into equal runs; of each the lowest and the highest stay, and so do the
    first and the last point of the whole.

    Args:
        x: float [N], in the order of the curve.
        y: float [N], NaN where there is no value.
        limit: at least 8.
    """
    count = len(x)
    if count <= limit:
        return x, y
    runs = (limit - 2) // 2
    bounds = np.linspace(0, count, runs + 1).astype(int)
    run = np.repeat(np.arange(runs), np.diff(bounds))
    order = np.lexsort((np.where(np.isnan(y), -np.inf, y), run))
    low = order[bounds[:-1]]
    high = order[bounds[1:] - 1]
    keep = np.unique(np.concatenate([[0, count - 1], low, high]))
    return x[keep], y[keep]


def encode_series(series: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The curves as plain JSON: thinned, and None where a value is missing or infinite.

    Raises:
        ValueError: x and y of a curve differ in length, or its style is unknown.
    """
    result: list[dict[str, Any]] = []
    for one in series:
        name = str(one["name"])
        x = np.asarray(one["x"], dtype=float).ravel()
        y = np.asarray(one["y"], dtype=float).ravel()
        if len(x) != len(y):
            raise ValueError(f"curve {name!r} has {len(x)} x values and {len(y)} y values")
        style = one.get("style") or "line"
        if style not in STYLES:
            raise ValueError(f"curve {name!r} has the unknown style {style!r}")
        y = np.where(np.isfinite(y), y, np.nan)
        there = np.isfinite(x)
        x, y = thin(x[there], y[there])
        result.append(
            {
                "name": name,
                "style": style,
                "x": x.tolist(),
                "y": [None if np.isnan(value) else float(value) for value in y],
            }
        )
    return result
