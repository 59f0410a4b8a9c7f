"""The hidden states along a sequence as a heat strip: a column a word, a line a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from pc_workbench.views.sentences import Vocabulary
from pccore.csv_text import csv_rows
from pccore.graph import Circuit, LeafGroup

#: States that are drawn, words that tell what a state means, and how probable a state has to be.
MOST_STATES, TELLING, SEEN = 16, 3, 0.02
_LINE, _FRAME = 24, 62  # pixels


def meanings(circuit: Circuit, groups: Sequence[int], words: Vocabulary) -> list[str]:
    """For each state its number and its most probable words, where all places have the same."""
    first = circuit.groups[groups[0]]
    tied = all(
        isinstance(group, LeafGroup) and group.parameter == getattr(first, "parameter", None)
        for group in (circuit.groups[g] for g in groups)
    )
    if not tied or not isinstance(first, LeafGroup):
        return [str(k) for k in range(max(circuit.groups[g].size for g in groups))]
    chances = first.family.probabilities(circuit.params[first.parameter][0].detach().double())
    found: list[str] = []
    for k, row in enumerate(chances):
        best = row.argsort(descending=True)[:TELLING].tolist()
        found.append(f"{k}: {', '.join(words.words[c] for c in best if float(row[c]) > 0.01)}")
    return found


def figure(
    posterior: np.ndarray,
    columns: Sequence[str],
    states: Sequence[str],
    path: np.ndarray | None = None,
    *,
    dark: bool = False,
) -> go.Figure:
    """posterior: P(state | words) at each place, [L, K]. path: the states that are framed, [L].

    The states that are never probable are left out, unless the path has them.
    """
    shown = _shown(posterior, path)
    z = posterior[:, shown].T
    places = list(range(len(columns)))
    found = go.Figure(
        go.Heatmap(
            z=z,
            zmin=0.0,
            zmax=1.0,
            # Faint enough for the numbers to be read in either theme.
            colorscale=[[0.0, "rgba(62,124,214,0.04)"], [1.0, "rgba(62,124,214,0.6)"]],
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="place %{x}, line %{y}: %{z:.4f}<extra></extra>",
        )
    )
    seen = [(x, y) for y, line in enumerate(z) for x, v in enumerate(line) if v >= SEEN]
    found.add_trace(
        go.Scatter(
            x=[x for x, _ in seen],
            y=[y for _, y in seen],
            text=[f"{z[y, x]:.2f}" for x, y in seen],
            mode="text",
            textfont={"color": "#f2f4f8" if dark else "#1c2430"},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    for x, k in enumerate([] if path is None else path.tolist()):
        y = shown.index(k)
        box = {"x0": x - 0.46, "x1": x + 0.46, "y0": y - 0.42, "y1": y + 0.42}
        found.add_shape(type="rect", **box, line={"color": "#d06a00", "width": 2.5})
    axis = {"showgrid": False, "zeroline": False, "fixedrange": True, "ticks": ""}
    return found.update_layout(
        height=_FRAME + _LINE * len(shown),
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        xaxis={
            **axis,
            "tickvals": places,
            "ticktext": [_plain(one) for one in columns],
            "side": "top",
            "range": [-0.5, len(columns) - 0.5],
        },
        yaxis={
            **axis,
            "tickvals": list(range(len(shown))),
            "ticktext": [_plain(states[k]) for k in shown],
            "range": [len(shown) - 0.5, -0.5],
        },
    )


def _shown(posterior: np.ndarray, path: np.ndarray | None) -> list[int]:
    """States in the order in which they become probable."""
    needed = set() if path is None else set(path.tolist())
    worth = posterior.max(0)
    best = [k for k in np.argsort(-worth, kind="stable").tolist() if worth[k] >= SEEN]
    kept = needed | set(best[: max(0, MOST_STATES - len(needed))])
    return sorted(kept, key=lambda k: (int(posterior[:, k].argmax()), -worth[k]))


def _plain(text: str) -> str:
    """A text in which plotly sees no markup."""
    return text.replace("<", "‹").replace(">", "›").replace("$", "＄")


def rows(
    posterior: np.ndarray, columns: Sequence[str], path: np.ndarray | None
) -> list[dict[str, Any]]:
    """A row for each place and state: word, probability, whether it is on the path."""
    return [
        {
            "place": place + 1,
            "word": columns[place],
            "state": k,
            "probability": float(posterior[place, k]),
            "on the path": path is not None and int(path[place]) == k,
        }
        for place in range(len(columns))
        for k in range(posterior.shape[1])
    ]


def to_csv(table: Sequence[dict[str, Any]]) -> str:
    """The rows as a CSV file."""
    return csv_rows(table)
