"""prune: a model without edges of little weight, and what that changed."""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from torch import Tensor

from pccore.check import check
from pccore.cli.models import sizes
from pccore.cli.output import emit, pairs, table
from pccore.cli.support import check_target, compiled, device_of, required, rows_for
from pccore.datasets.base import Array
from pccore.errors import OptionError
from pccore.files import load_model, save_model
from pccore.graph import Circuit
from pccore.queries import expected_flows, log_partition, log_value
from pccore.transform import prune as prune_circuit

#: The properties that pruning must keep.
KEPT = ("smooth", "decomposable")


def prune(options: argparse.Namespace) -> int:
    """Prune, write, and report the sizes; with --data also how the likelihood changed."""
    target = check_target(required(options.output, "-o", "prune"))
    device_of(options.device)
    circuit = load_model(options.model)
    found = rows_for(circuit, options.data, options.limit) if options.data is not None else None
    if options.flow and found is None:
        raise OptionError("needs --data, the rows whose flow counts", where="--flow")
    start = time.perf_counter()
    flows = None
    if found is not None and options.flow:
        flows = expected_flows(compiled(circuit, options), torch.tensor(found[2])).edges
    pruned = prune_circuit(circuit, options.threshold, flows, options.flow)
    seconds = time.perf_counter() - start
    before, after = sizes(circuit), sizes(pruned)
    verdicts = check(pruned, KEPT).properties
    payload: dict[str, Any] = {
        "model": options.output,
        "threshold": options.threshold,
        "flow": options.flow,
        "before": before,
        "after": after,
        "properties": {p: {"yes": True, "no": False}.get(verdicts[p]) for p in KEPT},
        "seconds": seconds,
        "data": None,
    }
    lines = list(table(("", "before", "after"), [(k, before[k], after[k]) for k in before]))
    lines += pairs([*((p, verdicts[p]) for p in KEPT), ("seconds", f"{seconds:.3g}")])
    if found is not None:
        _, where, rows = found
        bare = None
        if flows is not None:
            bare = prune_circuit(circuit, options.threshold, flows, options.flow, rescale=False)
        payload["data"] = change = _change(circuit, pruned, rows, options, bare)
        lines += pairs(
            [
                ("data", f"{where}, {len(rows)} rows"),
                ("log-likelihood before", f"{change['before']:.9g}"),
                ("log-likelihood after", f"{change['after']:.9g}"),
                ("largest difference", f"{change['largest_difference']:.3g}"),
            ]
        )
        if bare is not None:
            lines += pairs(
                [("loss", f"{change['loss']:.6g}"), ("at most", f"{change['bound']:.6g}")]
            )
        if change["lost"]:
            lines.append(f"{change['lost']} rows have lost all their probability")
    save_model(pruned, target)
    emit(options, payload, [*lines, f"wrote {options.output}"])
    return 0


def _change(
    circuit: Circuit,
    pruned: Circuit,
    rows: Array,
    options: argparse.Namespace,
    bare: Circuit | None,
) -> dict[str, Any]:
    """Mean log-likelihoods; loss and largest difference over the rows that both find possible.

    lost: how many rows only the first finds possible. bare: the pruned circuit before its weights
    were scaled; with it, what bounds the loss.
    """
    scores = [_scores(model, model, rows, options) for model in (circuit, pruned)]
    possible = [~torch.isneginf(each) for each in scores]
    both = possible[0] & possible[1]
    difference = (scores[0] - scores[1])[both]
    some = len(difference) > 0
    found = {
        "rows": len(rows),
        "before": float(scores[0].mean()),
        "after": float(scores[1].mean()),
        "loss": float(difference.mean()) if some else 0.0,
        "largest_difference": float(difference.abs().max()) if some else 0.0,
        "lost": int((possible[0] & ~possible[1]).sum()),
    }
    if bare is not None:
        least = _scores(bare, pruned, rows, options)[both]
        found["bound"] = float((scores[0][both] - least).mean()) if some else 0.0
    return found


def _scores(circuit: Circuit, whole: Circuit, rows: Array, options: argparse.Namespace) -> Tensor:
    """log of S(x) over the Z of another circuit, for each row, float64."""
    log_z = log_partition(compiled(whole, options)).double()
    return log_value(compiled(circuit, options), torch.tensor(rows)).double() - log_z
