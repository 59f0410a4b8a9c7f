"""prune: a model without edges of little weight, and what that changed."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

import torch

from pccore.check import check
from pccore.cli.models import sizes
from pccore.cli.output import emit, pairs, table
from pccore.cli.support import check_target, compiled, device_of, required, rows_for
from pccore.errors import OptionError
from pccore.files import load_model, save_model
from pccore.queries import change_of, expected_flows
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
        change = change_of(
            circuit, pruned, torch.tensor(rows), bare, lambda c: compiled(c, options)
        )
        payload["data"] = {k: v for k, v in asdict(change).items() if v is not None}
        lines += pairs(
            [
                ("data", f"{where}, {len(rows)} rows"),
                ("log-likelihood before", f"{change.before:.9g}"),
                ("log-likelihood after", f"{change.after:.9g}"),
                ("largest difference", f"{change.largest_difference:.3g}"),
            ]
        )
        if change.bound is not None:
            lines += pairs([("loss", f"{change.loss:.6g}"), ("at most", f"{change.bound:.6g}")])
        if change.lost:
            lines.append(f"{change.lost} rows have lost all their probability")
    save_model(pruned, target)
    emit(options, payload, [*lines, f"wrote {options.output}"])
    return 0
