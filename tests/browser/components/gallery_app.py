"""The three components with demonstration data; what the browser tests and screenshots drive.

`?show=canvas`, `graph` or `chart` shows one of them. Every value that came from the browser is
written as JSON into an element that the tests read.
"""

from __future__ import annotations

import json
import time

import numpy as np
import streamlit as st

from pc_workbench.components import (
    Panel,
    circuit_graph,
    graph_event,
    live_chart,
    paint_canvas,
    read_mask,
)
from pccore.drawing.layout import layered_routes

SIDE = 28


def report(name: str, value: object) -> None:
    st.code(f"{name} {json.dumps(value)}", language=None)


def picture(seed: int, side: int = SIDE) -> np.ndarray:
    """A soft figure that looks a little like a digit, uint8 [side, side]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    angle = np.linspace(0, 2 * np.pi, 60)
    a, b, turn = 0.2 + 0.1 * rng.random(), 0.3 + 0.06 * rng.random(), rng.random()
    cx = 0.5 + a * np.sin(angle + turn) * np.cos(angle * 0.5)
    cy = 0.5 + b * np.cos(angle)
    near = np.min((x[..., None] - cx) ** 2 + (y[..., None] - cy) ** 2, axis=-1)
    return (255 * np.exp(-near / 0.0022)).astype(np.uint8)


def complete(image: np.ndarray, mask: np.ndarray) -> list[Panel]:
    time.sleep(float(st.query_params.get("slow", 0)))
    blurred = (
        sum(np.roll(image.astype(float), (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1))
        / 9
    )
    mean = np.where(mask, blurred, image).astype(np.uint8)
    best = np.where(mask, np.where(blurred > 70, 230, 0), image).astype(np.uint8)
    panels = [
        Panel("MPE", best, "log p = −92.41"),
        Panel(
            "Posterior mean", mean, f"mse {np.mean((mean - image.astype(float)) ** 2) / 255**2:.4f}"
        ),
    ]
    rng = np.random.default_rng(0)
    for i in range(6):
        noise = rng.normal(0, 40, image.shape)
        sample = np.where(
            mask, np.clip(blurred * (0.7 + 0.1 * i) + noise * (blurred > 30), 0, 255), image
        )
        panels.append(Panel(f"Sample {i + 1}", sample.astype(np.uint8), f"−{95 + 3 * i}.{i}"))
    return panels


@st.fragment
def canvas() -> None:
    columns = st.columns(5)
    if columns[4].toggle("away"):
        return  # as on another page: the component is unmounted and its widget state forgotten
    seed = int(columns[0].number_input("picture", 0, 9, 3))
    stale = columns[1].checkbox("answer late")
    keep = columns[2].checkbox("keep mask", True)
    version = int(columns[3].number_input("mask version", 0, 9, 0))
    image = picture(seed)
    given = np.zeros((SIDE, SIDE), bool)
    given[:version] = True
    options = {"mask": given, "mask_version": version}
    identity = f"picture-{seed}"
    wanted = None if keep else identity
    event = read_mask("paint", (SIDE, SIDE), image_id=wanted, **options)
    shown = paint_canvas(
        image,
        complete(image, event.mask),
        key="paint",
        sequence=event.sequence - 5 if stale else event.sequence,
        image_id=identity,
        keep_mask=keep,
        help="Hide a part of the picture; the circuit completes it.",
        **options,
    )
    rows = ["".join("#" if cell else "." for cell in row) for row in shown.mask]
    report("mask", {"sequence": shown.sequence, "hidden": shown.hidden, "rows": rows})


def circuit(expanded: list[str], seed: int = 0) -> tuple[list[dict], list[tuple[int, int, float]]]:
    """A toy circuit: a mixture of products of mixtures over leaves."""
    nodes: list[dict] = []
    edges: list[tuple[int, int, float]] = []

    def add(kind: str, **fields) -> int:
        number = len(nodes)
        nodes.append({"id": f"{kind}{number}", "kind": kind, **fields})
        return number

    rng = np.random.default_rng(seed)
    leaves = [
        add("leaf", label=f"X{i}", sublabel=family, symbol=symbol, value=f"{0.1 + 0.13 * i:.2f}")
        for i, (family, symbol) in enumerate(
            [
                ("Bernoulli 0.6", "bars"),
                ("Gaussian", "bell"),
                ("X2 = 1", "indicator"),
                ("Categorical", "bars"),
                ("Poisson", "steps"),
            ]
        )
    ]
    sums = [add("sum", label=f"s{i}", sublabel=f"{{X{i}, X{i + 1}}}") for i in range(4)]
    products = [add("product", label=f"p{i}") for i in range(3)]
    for i, unit in enumerate(sums):
        w = rng.dirichlet([2, 2])
        edges += [(unit, leaves[i], w[0]), (unit, leaves[i + 1], w[1])]
    for i, unit in enumerate(products):
        edges += [(unit, sums[i], -1), (unit, sums[i + 1], -1)]
    root = add(
        "sum",
        label="root",
        sublabel="{X0..X4}",
        value="0.108",
        title="0.5·0.06 + 0.2·0.14 + 0.3·0.21",
    )
    edges += [(root, p, w) for p, w in zip(products, (0.5, 0.2, 0.3), strict=True)]
    block = add(
        "product",
        label="block",
        sublabel="hadamard",
        size_badge="×32",
        expandable=True,
        expanded="block" in expanded,
    )
    nodes[block]["id"] = "block"
    edges.append((root, block, 0.1))
    if "block" in expanded:
        for i in range(3):
            unit = add("sum", label=f"g{i}", sublabel="{X3, X4}")
            nodes[unit]["id"] = f"g{i}"
            edges += [(block, unit, -1), (unit, leaves[3], 0.4), (unit, leaves[4], 0.6)]
    else:
        edges.append((block, leaves[4], -1))
    nodes[products[1]]["violation"] = "not decomposable: s1 and s2 both contain X2"
    nodes[sums[3]]["label"] = "<img src=x onerror=alert(1)>"
    return nodes, edges


def large_circuit() -> tuple[list[dict], list[tuple[int, int, float]]]:
    rng = np.random.default_rng(1)
    widths = [1, 8, 24, 60, 100, 107]
    kinds = ["sum", "product", "sum", "product", "sum", "leaf"]
    starts = np.concatenate([[0], np.cumsum(widths)])
    nodes = [
        {
            "id": f"n{starts[r] + i}",
            "kind": kinds[r],
            "label": f"{kinds[r][0]}{i}",
            "sublabel": f"{{X{i}}}",
        }
        for r, w in enumerate(widths)
        for i in range(w)
    ]
    edges = {(0, int(i), 0.1) for i in range(1, 9)}
    for r in range(1, 5):
        for i in range(widths[r]):
            for j in rng.normal(i / widths[r], 0.06, 5):
                target = int(np.clip(j, 0, 0.999) * widths[r + 1])
                edges.add((int(starts[r] + i), int(starts[r + 1] + target), 0.2))
    starts_and_ends = {target for _, target, _ in edges}
    for r in range(2, 6):  # nobody is left without a parent
        for i in range(widths[r]):
            if starts[r] + i not in starts_and_ends:
                parent = starts[r - 1] + i * widths[r - 1] // widths[r]
                edges.add((int(parent), int(starts[r] + i), 0.2))
    return nodes, sorted(edges)


def graph() -> None:
    columns = st.columns(3)
    st.session_state.setdefault("expanded", [])
    event = graph_event("graph")
    if event and event.type == "expand":
        st.session_state.expanded.append(event.id)
    if event and event.type == "collapse":
        st.session_state.expanded.remove(event.id)
    big = columns[0].checkbox("large")
    columns[1].button("rerun")
    values = columns[2].checkbox("values", True)
    nodes, edges = large_circuit() if big else circuit(st.session_state.expanded)
    pairs = np.array([edge[:2] for edge in edges])
    positions, routes = layered_routes(len(nodes), pairs, node_width=64 if big else 120)
    for node, (x, y) in zip(nodes, positions, strict=True):
        node |= {"x": x, "y": y}
        if not values:
            node.pop("value", None)
    scene = {
        "id": "large" if big else "toy",
        "nodes": nodes,
        "edges": [
            {"source": nodes[a]["id"], "target": nodes[b]["id"], "via": routes.get(number)}
            | ({"label": f"{w:.2f}", "width": w} if w >= 0 and not big else {})
            for number, (a, b, w) in enumerate(edges)
        ],
    }
    result = circuit_graph(scene, key="graph", height=540)
    if result:
        st.session_state.events = [*st.session_state.get("events", []), [result.type, result.id]]
    report("events", st.session_state.get("events", []))


@st.fragment(run_every=0.5)
def chart() -> None:
    tick = st.session_state.get("tick", 30)
    if not st.session_state.get("pause"):
        st.session_state.tick = min(tick + 1, 120)
    x = np.arange(tick)
    rng = np.random.default_rng(2)
    wild = np.where(x < 3, -900.0 + 260 * x, 0)
    train = -60 - 90 * np.exp(-x / 12) + rng.normal(0, 1, 200)[:tick] + wild
    valid = -66 - 86 * np.exp(-x / 12) + rng.normal(0, 1.4, 200)[:tick] + wild
    valid[10] = np.nan
    best = int(np.nanargmax(valid))
    live_chart(
        [
            {"name": "train", "x": x, "y": train},
            {"name": "valid", "x": x, "y": valid, "style": "dashed"},
            {"name": "previous run", "x": x, "y": -70 - 95 * np.exp(-x / 20), "style": "faint"},
        ],
        key="curve",
        x_label="epoch",
        y_label="log-likelihood (nats)",
        annotations=[{"x": 12, "label": "pruned 40 units"}, {"x": 15, "label": "resumed"}],
        best={"x": best, "y": valid[best], "label": "best valid"},
        running=True,
    )
    report("tick", tick)


st.set_page_config(page_title="Component gallery", layout="wide")
show = st.query_params.get("show", "canvas graph chart")
if "canvas" in show:
    canvas()
if "graph" in show:
    graph()
if "chart" in show:
    st.toggle("pause", key="pause")
    chart()
