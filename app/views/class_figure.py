"""How well classes are told apart: precision against recall, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from pc_workbench.views.markup import chart
from pccore.classify import Report
from pccore.classify.chart import steps


def figure(report: Report, names: Sequence[str]) -> go.Figure:
    """The curve of each class that the rows have, as the steps whose area is told."""
    found = go.Figure()
    for name, curve in zip(names, report.curves, strict=True):
        if curve is None:
            continue
        points = steps(curve)
        found.add_trace(
            go.Scatter(
                x=[recall for recall, _ in points],
                y=[precision for _, precision in points],
                mode="lines",
                name=f"{chart(name)}  {curve.area:.3f}",
                hovertemplate="recall %{x:.3f}, precision %{y:.3f}",
            )
        )
    axis = {"range": [-0.02, 1.02], "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1]}
    return found.update_layout(
        height=380,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={**axis, "title": "recall"},
        yaxis={**axis, "title": "precision"},
        legend={"title": "class, area"},
        showlegend=True,
    )


def table(report: Report, names: Sequence[str]) -> list[dict[str, Any]]:
    """A class a row: its rows, area, and the class that it is most often taken for."""
    found: list[dict[str, Any]] = []
    for number, (name, curve) in enumerate(zip(names, report.curves, strict=True)):
        mistakes = report.confusion[number].copy()
        rows, mistakes[number] = int(mistakes.sum()), 0
        worst = int(mistakes.argmax())
        found.append(
            {
                "class": name,
                "rows": rows,
                "area": None if curve is None else round(curve.area, 4),
                "recognised": round(int(report.confusion[number, number]) / rows, 3)
                if rows
                else None,
                "taken for": f"{names[worst]} ({mistakes[worst]})" if mistakes[worst] else "",
            }
        )
    return found
