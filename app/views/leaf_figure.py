"""The distribution of one leaf unit as a figure: bars, a heat map of several, or a density."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import torch

from pc_workbench.views.markup import chart
from pccore.graph import Circuit, LeafGroup, Unit

#: Variables and states that one figure can show.
MOST_VARIABLES = 64
MOST_STATES = 300


def leaf_figure(circuit: Circuit, unit: Unit) -> go.Figure | None:
    """P(x) of each variable of a leaf unit, None for other units or where it would be too much."""
    group = circuit.groups[unit.group]
    tensor = circuit.params.get(group.parameter) if isinstance(group, LeafGroup) else None
    if (
        not isinstance(group, LeafGroup)
        or tensor is None
        or tuple(tensor.shape) != circuit.parameter_shape(group)
        or len(group.variables) > MOST_VARIABLES
    ):
        return None
    params = tensor[:, unit.index].double()  # [d, *P]
    names = [chart(circuit.variables[v]) for v in group.variables]
    states = group.family.support.states
    if group.family.support.kind == "count":
        figure = _counts(group, params, names)
    elif states is None:
        figure = _densities(group, params, names)
    elif states > MOST_STATES:
        return None
    else:
        table = group.family.probabilities(params).numpy()
        figure = _bars(table[0]) if len(names) == 1 else _grid(table, names)
    figure.update_layout(
        height=190, margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=len(names) > 1
    )
    return figure


def _bars(probabilities: np.ndarray) -> go.Figure:
    states = [str(state) for state in range(len(probabilities))]
    figure = go.Figure(go.Bar(x=states, y=probabilities, hovertemplate="P(%{x}) = %{y:.4f}"))
    return figure.update_layout(xaxis_title="state", yaxis_title="probability")


def _grid(table: np.ndarray, names: list[str]) -> go.Figure:
    heat = go.Heatmap(
        z=table,
        y=names,
        colorscale="Blues",
        hovertemplate="P(%{y} = %{x}) = %{z:.4f}<extra></extra>",
        colorbar={"title": "P"},
    )
    figure = go.Figure(heat)
    return figure.update_layout(xaxis_title="state", yaxis={"autorange": "reversed"})


def _counts(group: LeafGroup, params: torch.Tensor, names: list[str]) -> go.Figure:
    """Bars over the counts that carry the mass."""
    spread = group.family.variance(params).sqrt()
    high = float((group.family.mean(params) + 5 * spread).max())
    x = torch.arange(min(int(high) + 3, MOST_STATES), dtype=params.dtype)
    figure = go.Figure()
    for place, name in enumerate(names[:8]):
        y = torch.exp(group.family.log_prob(x, params[place]))
        hover = "P(%{x}) = %{y:.4f}"
        figure.add_trace(go.Bar(x=x.tolist(), y=y.tolist(), name=name, hovertemplate=hover))
    return figure.update_layout(xaxis_title="count", yaxis_title="probability")


def _densities(group: LeafGroup, params: torch.Tensor, names: list[str]) -> go.Figure:
    mean = group.family.mean(params)
    spread = group.family.variance(params).sqrt()
    low, high = float((mean - 4 * spread).min()), float((mean + 4 * spread).max())
    x = torch.linspace(low, high, 201, dtype=params.dtype)
    figure = go.Figure()
    for place, name in enumerate(names[:8]):
        y = torch.exp(group.family.log_prob(x, params[place]))
        legible = [value if math.isfinite(value) else None for value in y.tolist()]
        figure.add_trace(go.Scatter(x=x.tolist(), y=legible, mode="lines", name=name))
    return figure.update_layout(yaxis_title="density")
