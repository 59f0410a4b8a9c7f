"""What the layers of a program cost, as texts and as a table; rows of data to measure them on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pc_workbench.views.compile_facts import Facts, share_text, span
from pccore.compile import Program
from pccore.compile.profile import LayerCost
from pccore.csv_text import csv_text
from pccore.datasets import Dataset
from pccore.graph import Circuit
from pccore.leaves.base import Support

#: Numbers in the buffers of a batch that is measured.
LARGEST_BATCH, MOST_ROWS = 2**24, 10_000
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def amount(value: float, unit: str) -> str:
    """Three digits with a prefix: `12.3 MFLOP`, `840 B`."""
    size, prefix = scale(value)
    return f"{value / size:.3g} {prefix}{unit}"


def scale(value: float) -> tuple[float, str]:
    """The prefix that fits a number, and what to divide by."""
    rounded = float(f"{value:.3g}") if math.isfinite(value) else 0.0
    return next((one for one in _PREFIXES if rounded >= one[0]), _PREFIXES[-1])


def time_text(seconds: float) -> str:
    """`12.3 µs`, `1.2 ms`."""
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def seconds_of(cost: LayerCost) -> float | None:
    """What both passes of a layer take, None where it was not measured."""
    if cost.seconds is None or cost.flow_seconds is None:
        return None
    return cost.seconds + cost.flow_seconds


def largest_batch(program: Program) -> int:
    """Rows of the largest batch that is offered: one whose buffers are small enough to share."""
    return max(1, min(MOST_ROWS, program.tile_rows(LARGEST_BATCH, 2, training=True)))


# -- the table -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """Rows for the screen, and the names of the columns that are drawn as bars."""

    rows: list[dict[str, Any]]
    bars: tuple[str, ...]


def table(found: Facts, costs: Sequence[LayerCost]) -> Table:
    """A row for each layer; operations, bytes and times in the unit that suits the largest."""
    flops, flop_unit = scale(max((cost.flops for cost in costs), default=0))
    moved, moved_unit = scale(max((cost.moved for cost in costs), default=0))
    names = (f"{flop_unit}FLOP", f"{moved_unit}B")
    rows: list[dict[str, Any]] = []
    for layer, cost in zip(found.layers, costs, strict=True):
        row: dict[str, Any] = {
            "Layer": layer.number,
            "Kind": layer.words.name,
            "Groups": len(layer.groups),
            "Units": span(layer.sizes),
            "Inputs": span(layer.inputs),
            "Edges": layer.edges,
            "Padding": share_text(layer.padded) if layer.padding else "",
            "Params": layer.parameters,
            names[0]: cost.flops / flops,
            names[1]: cost.moved / moved,
        }
        if cost.seconds is not None and cost.flow_seconds is not None:
            row["µs up"] = cost.seconds * 1e6
            row["µs flow"] = cost.flow_seconds * 1e6
            row["GFLOP/s"] = rate(cost)
        rows.append(row)
    timed = ("µs up", "µs flow") if rows and "µs up" in rows[0] else ()
    return Table(rows, (*names, *timed))


def rate(cost: LayerCost) -> float | None:
    """Operations of the up pass a second, in 10^9."""
    return cost.flops / cost.seconds / 1e9 if cost.seconds else None


def totals(found: Facts, costs: Sequence[LayerCost]) -> list[tuple[str, str]]:
    """(name, text) of what all layers come to."""
    edges = sum(layer.edges for layer in found.layers)
    padding = sum(layer.padding for layer in found.layers)
    flops = sum(cost.flops for cost in costs)
    listed = [
        (
            "Layers",
            f"{len(costs):,} for {len(found.plan.addresses) + len(found.plan.fused):,} groups",
        ),
        ("Edges", f"{edges:,}" + (f" + {padding:,} padding" if padding else "")),
        ("Up pass", f"{amount(flops, 'FLOP')}, {amount(sum(c.moved for c in costs), 'B')}"),
    ]
    up = [cost.seconds for cost in costs if cost.seconds is not None]
    flow = [cost.flow_seconds for cost in costs if cost.flow_seconds is not None]
    if up and len(up) == len(costs):
        listed.append(("Time", f"{time_text(sum(up))} up, {time_text(sum(flow))} flow"))
        if sum(up) > 0:
            listed.append(("Speed", f"{flops / sum(up) / 1e9:.3g} GFLOP/s up"))
    return listed


def to_csv(found: Facts, costs: Sequence[LayerCost], samples: int) -> str:
    """The table as CSV, in plain units; times are empty where nothing was measured."""
    header = [
        "layer", "kind", "groups", "units_per_group", "units", "inputs", "edges", "padding",
        "parameters", "samples", "flops", "bytes", "seconds_up", "seconds_flow", "gflops_up",
    ]  # fmt: skip
    rows: list[list[object]] = []
    for layer, cost in zip(found.layers, costs, strict=True):
        speed = rate(cost)
        rows.append(
            [
                layer.number, layer.kind, len(layer.groups), span(layer.sizes).replace(",", ""),
                layer.units, span(layer.inputs).replace(",", ""), layer.edges, layer.padding,
                layer.parameters, samples, cost.flops, cost.moved,
                "" if cost.seconds is None else f"{cost.seconds:.9f}",
                "" if cost.flow_seconds is None else f"{cost.flow_seconds:.9f}",
                "" if speed is None else f"{speed:.6g}",
            ]
        )  # fmt: skip
    return csv_text(header, rows)


# -- data ------------------------------------------------------------------------------------


def rows_of(circuit: Circuit, dataset: Dataset, samples: int) -> np.ndarray | None:
    """Training rows, repeated where they are few; None where the circuit does not take them."""
    if not fits(circuit, dataset):
        return None
    return np.resize(dataset.train, (samples, dataset.num_variables))


def fits(circuit: Circuit, dataset: Dataset) -> bool:
    """Whether a circuit has the columns of a dataset and admits their values."""
    if dataset.num_variables != len(circuit.variables):
        return False
    domains = circuit.domains
    return all(_admits(domains.get(v), one) for v, one in enumerate(dataset.supports))


def _admits(domain: Support | None, values: Support) -> bool:
    if domain is None or domain.kind == "real":
        return True
    if domain.kind == "count" or values.kind != "finite":
        return domain.kind == "count" and values.kind != "real"
    return (values.states or 0) <= (domain.states or 0)


def random_rows(circuit: Circuit, samples: int, seed: int = 0) -> np.ndarray:
    """Random values [samples, V] that the leaves admit."""
    draw = np.random.default_rng(seed)
    rows = np.zeros((samples, len(circuit.variables)), dtype=np.float32)
    for variable, domain in circuit.domains.items():
        if domain.kind == "finite":
            rows[:, variable] = draw.integers(0, domain.states or 1, samples)
        elif domain.kind == "count":
            rows[:, variable] = draw.poisson(3.0, samples)
        else:
            rows[:, variable] = draw.normal(size=samples)
    return rows


# -- the same in Python ----------------------------------------------------------------------


def python(reference: str, samples: int, dataset: str) -> str:
    """What the view shows, as a script. dataset: "" for random data."""
    data = (
        f"x = datasets.load({dataset!r}).train[:{samples}]\n"
        if dataset
        else "x = np.stack([np.random.randint(0, circuit.domains[v].states or 2, "
        f"{samples})\n              for v in range(len(circuit.variables))], axis=1)\n"
    )
    imports = "from pccore import datasets\n" if dataset else "import numpy as np\n\n"
    return (
        f"{imports}from pccore.compile import compile_circuit\n"
        "from pccore.compile.profile import measure\n"
        "from pccore.files import load_model\n\n"
        f"circuit = load_model({reference!r})\n"
        "program = compile_circuit(circuit)\n"
        f"{data}"
        "for cost in measure(program, x):  # layer_costs(program, len(x)) runs nothing\n"
        "    print(cost.number, cost.kind, len(cost.groups), cost.units, cost.inputs,\n"
        "          cost.edges, cost.padding, cost.flops, cost.moved,\n"
        "          cost.seconds, cost.flow_seconds)\n"
        "print(program.plan.addresses[circuit.root.group])  # rows of the root\n"
        "print(program.needs(len(x), training=True))\n"
    )
