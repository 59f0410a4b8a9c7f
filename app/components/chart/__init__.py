"""The live curve: a small chart that keeps its place and its zoom from tick to tick."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..assets import component
from .series import encode_series

__all__ = ["live_chart"]

_SCRIPTS = ("scale", "plot", "main")


def live_chart(
    series: Sequence[Mapping[str, Any]],
    *,
    key: str,
    x_label: str = "epoch",
    y_label: str = "",
    annotations: Sequence[Mapping[str, Any]] = (),
    best: Mapping[str, Any] | None = None,
    height: int = 320,
    label: str = "Training curve",
    running: bool = False,
) -> None:
    """Draw curves that grow.

    Args:
        series: ``{"name", "x", "y"}`` and optionally ``style``: "line", "dashed", "faint" or
            "points". A value that is not finite is a gap. Long curves are thinned.
        key: unique and constant.
        x_label: what x counts.
        y_label: what y is, with its unit.
        annotations: ``{"x", "label"}``, drawn as vertical lines.
        best: ``{"x", "y"}`` and optionally ``label``, drawn as a ringed point.
        height: of the drawing area in pixels.
        label: name of the chart for screen readers and saved files.
        running: whether more points are to come; shown by a small mark.

    Raises:
        ValueError: x and y of a curve differ in length, or a style is unknown.
    """
    component("chart", _SCRIPTS)(
        key=key,
        data={
            "series": encode_series(series),
            "x_label": x_label,
            "y_label": y_label,
            "annotations": [
                {"x": float(mark["x"]), "label": str(mark.get("label", ""))}
                for mark in annotations
                if math.isfinite(mark["x"])
            ],
            "best": _best(best),
            "height": int(height),
            "label": label,
            "running": bool(running),
        },
    )


def _best(best: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if best is None or not (math.isfinite(best["x"]) and math.isfinite(best["y"])):
        return None
    label = str(best.get("label", "best"))
    return {"x": float(best["x"]), "y": float(best["y"]), "label": label}
