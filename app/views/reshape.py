"""A model pruned or grown by what its training rows use: what it costs, and how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pccore.compile import compile_circuit
from pccore.graph import Circuit
from pccore.learn import RunConfig
from pccore.queries import Change, change_of, expected_flows
from pccore.transform import grow, growable, prune

#: Rows whose flows count, and over which the change is measured.
ROWS = 2000
#: Names of groups that grow together which are told.
_NAMES = 2


@dataclass(frozen=True, eq=False)
class Reshaped:
    """circuit: the changed model. change: of the likelihood of rows. words: what was done."""

    circuit: Circuit
    before: Circuit
    change: Change
    words: str

    def table(self) -> list[dict[str, Any]]:
        """Sizes and mean log-likelihood before and after."""
        one, two = self.before, self.circuit
        rows: list[dict[str, Any]] = [
            {"": name, "before": f"{a:,}", "after": f"{b:,}", "change": _relative(a, b)}
            for name, a, b in (
                ("units", one.num_units, two.num_units),
                ("edges", one.num_edges, two.num_edges),
                ("parameters", one.num_parameters, two.num_parameters),
            )
        ]
        found = self.change
        difference = _signed(found.after - found.before)
        likelihood = {"before": _nats(found.before), "after": _nats(found.after)}
        return [*rows, {"": "nats a row", **likelihood, "change": difference}]

    def verdict(self) -> str:
        """One sentence on what it costs."""
        found = self.change
        rows = f"on {found.rows:,} training rows"
        if found.lost:
            return f"{found.lost:,} rows have lost all their probability."
        if found.bound is None:
            return f"Log-likelihood {_signed(found.after - found.before)} nats a row {rows}."
        what = f"Loss {_nats(found.loss)}" if found.loss > 0 else f"Gain {_nats(-found.loss)}"
        return (
            f"{what} nats a row {rows}; a loss cannot be more than {_nats(found.bound)}, what the "
            "dropped edges carried."
        )


def pruned(circuit: Circuit, rows: np.ndarray, share: float) -> Reshaped:
    """Without the share of the edges that the rows use least. Raises PCError."""
    x = torch.tensor(rows)
    flows = expected_flows(compile_circuit(circuit), x).edges
    made = prune(circuit, flows=flows, share=share)
    bare = prune(circuit, flows=flows, share=share, rescale=False)
    change = change_of(circuit, made, x, bare)
    return Reshaped(made, circuit, change, f"pruned {share:.0%} by flow")


def grown(
    circuit: Circuit, rows: np.ndarray, groups: Sequence[str], share: float, noise: float, seed: int
) -> Reshaped:
    """With the units of groups (none: all that can grow) that the rows use most split in two.
    Raises PCError."""
    x = torch.tensor(rows)
    flows = expected_flows(compile_circuit(circuit), x).units
    made = grow(circuit, groups or None, share, flows, noise, seed)
    where = f"{len(groups)} kinds of groups" if groups else "everywhere"
    if len(groups) == 1:
        where = f"at {groups[0]}"
    return Reshaped(made, circuit, change_of(circuit, made, x), f"grown {where}")


def places_to_grow(circuit: Circuit) -> dict[str, str]:
    """The groups that can grow, those that do so together told by the first: name -> label."""
    found: dict[str, str] = {}
    for names in growable(circuit):
        # What is multiplied out grows with its factors and cannot be named.
        own = [n for n in names if n in _nameable(circuit)]
        if own:
            more = f" and {len(own) - _NAMES} more" if len(own) > _NAMES else ""
            found[own[0]] = ", ".join(own[:_NAMES]) + more
    return found


def _nameable(circuit: Circuit) -> frozenset[str]:
    return frozenset(
        group.name
        for group in circuit.groups
        if not (group.kind == "product" and group.edges == "kronecker")
    )


def code(
    model: str, config: RunConfig, wanted: Mapping[str, Any], train: tuple[str, str]
) -> tuple[str, str]:
    """(Python, command) that change the best model of a run and train the result.

    model: path of the best model. wanted: `kind` and its options. train: (Python, command) that
    train `reshaped.pc.safetensors`.
    """
    data, target = config.data, "reshaped.pc.safetensors"
    head = (
        "import torch\n\n"
        "from pccore import datasets\n"
        "from pccore.files import load_model, save_model\n"
        "from pccore.queries import expected_flows\n"
        f"from pccore.transform import {wanted['kind']}\n\n"
        f"circuit, data = load_model({model!r}), datasets.load({data!r})\n"
        f"flows = expected_flows(circuit, torch.tensor(data.train[:{ROWS}]))\n"
    )
    if wanted["kind"] == "prune":
        step = f"changed = prune(circuit, flows=flows.edges, share={wanted['share']:g})\n"
        words = ["pccore", "prune", model, "--flow", f"{wanted['share']:g}"]
    else:
        groups = list(wanted["groups"]) or None
        step = (
            f"changed = grow(circuit, {groups!r}, {wanted['share']:g}, flows.units, "
            f"{wanted['noise']:g}, {wanted['seed']})\n"
        )
        words = ["pccore", "grow", model, "--share", f"{wanted['share']:g}"]
        words += ["--noise", f"{wanted['noise']:g}", "--seed", str(wanted["seed"])]
        words += ["--groups", ";".join(groups)] if groups else []
    words += ["--data", f"{data}:train", "--limit", str(ROWS), "-o", target]
    python = f"{head}{step}save_model(changed, {target!r})\n\n{train[0]}"
    return python, f"{shlex.join(words)}\n{train[1]}"


def _relative(a: int, b: int) -> str:
    return "0 %" if a == b or not a else f"{100 * (b - a) / a:+.0f} %".replace("-", "−")


def _signed(value: float) -> str:
    rounded = round(value, 3)
    return f"{rounded:+.3f}".replace("-", "−") if rounded else "0.000"


def _nats(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
