"""What a unit means as a figure: its marginal over one or two variables, or its mean image."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from pc_workbench.views.markup import chart
from pccore.queries.meaning import Axis, Meaning

#: Height of the figures, in pixels.
HEIGHT = 190


def meaning_figure(found: Meaning) -> go.Figure | None:
    """The picture of a unit's own distribution, None where there is none."""
    if found.kind is None or found.table is None:
        return None
    table = found.table
    if found.kind == "image":
        figure = _image(table)
    elif found.kind == "bar":
        figure = _bars(found.axes[0], table)
    elif found.kind == "line":
        figure = _line(found.axes[0], table)
    else:
        figure = _plane(found.axes, table, found.kind == "contour")
    return figure.update_layout(
        height=HEIGHT, margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False
    )


def _bars(axis: Axis, chances: np.ndarray) -> go.Figure:
    states = [f"{value:g}" for value in axis.values.tolist()]
    hover = f"P({chart(axis.variable)} = %{{x}}) = %{{y:.4f}}<extra></extra>"
    figure = go.Figure(go.Bar(x=states, y=chances, hovertemplate=hover))
    figure.update_xaxes(type="category", title=chart(axis.variable))
    return figure.update_yaxes(title="probability", rangemode="tozero")


def _line(axis: Axis, density: np.ndarray) -> go.Figure:
    hover = f"{chart(axis.variable)} = %{{x:.3f}}: %{{y:.4f}}<extra></extra>"
    legible = [value if np.isfinite(value) else None for value in density.tolist()]
    line = go.Scatter(x=axis.values, y=legible, mode="lines", fill="tozeroy", hovertemplate=hover)
    figure = go.Figure(line)
    figure.update_xaxes(title=chart(axis.variable))
    return figure.update_yaxes(title="density", rangemode="tozero")


def _plane(axes: tuple[Axis, ...], table: np.ndarray, contour: bool) -> go.Figure:
    """Two variables; the first one goes up."""
    first, second = axes
    up, right = chart(first.variable), chart(second.variable)
    hover = f"{up} = %{{y}}, {right} = %{{x}}: %{{z:.4f}}<extra></extra>"
    common = {"z": table, "colorscale": "Blues", "hovertemplate": hover, "zmin": 0.0}
    common["zmax"] = float(table.max()) or 1.0
    bar = {"title": "density" if contour else "P", "thickness": 12}
    if contour:
        shown = go.Contour(x=second.values, y=first.values, colorbar=bar, **common)
    else:
        labels = [[f"{value:g}" for value in axis.values.tolist()] for axis in axes]
        few = table.size <= 64
        shown = go.Heatmap(
            x=labels[1],
            y=labels[0],
            texttemplate="%{z:.3f}" if few else None,
            colorbar=bar,
            xgap=1 if few else 0,
            ygap=1 if few else 0,
            **common,
        )
    figure = go.Figure(shown)
    kind = "-" if contour else "category"
    figure.update_xaxes(type=kind, title=right)
    return figure.update_yaxes(type=kind, title=up)


def _image(mean: np.ndarray) -> go.Figure:
    """The mean of each pixel; pixels outside the scope are left blank."""
    if mean.ndim == 3:
        known = np.isfinite(mean).all(axis=2)
        top = float(np.nanmax(mean)) or 1.0
        scaled = np.nan_to_num(mean / top * 255)
        figure = go.Figure(go.Image(z=np.dstack([scaled, 255.0 * known]), colormodel="rgba256"))
    else:
        figure = go.Figure(
            go.Heatmap(
                z=mean,
                colorscale="gray",
                hoverongaps=False,
                hovertemplate="row %{y}, column %{x}: %{z:.3f}<extra></extra>",
                colorbar={"title": "mean", "thickness": 12},
            )
        )
        figure.update_yaxes(autorange="reversed", scaleanchor="x")
    figure.update_xaxes(visible=False, constrain="domain")
    return figure.update_yaxes(visible=False, constrain="domain")
