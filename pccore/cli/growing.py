"""grow: a model with units split in two, which then learn apart."""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch

from pccore.cli.models import sizes
from pccore.cli.output import emit, pairs, table
from pccore.cli.support import check_target, compiled, device_of, required, rows_for
from pccore.files import load_model, save_model
from pccore.graph import Circuit
from pccore.queries import expected_flows, log_likelihood
from pccore.transform import grow as grow_circuit


def grow(options: argparse.Namespace) -> int:
    """Split units, write, and report the sizes; with --data by flow, and how S changed."""
    target = check_target(required(options.output, "-o", "grow"))
    device_of(options.device)
    circuit = load_model(options.model)
    start = time.perf_counter()
    units, payload, lines = None, dict[str, Any](), list[str]()
    rows = None
    if options.data is not None:
        _, where, found = rows_for(circuit, options.data, options.limit)
        rows = torch.tensor(found)
        program = compiled(circuit, options)
        units = expected_flows(program, rows).units
        payload["data"] = {"rows": len(rows), "before": float(log_likelihood(program, rows).mean())}
        lines.append(f"flows of {where}, {len(rows)} rows")
    names = None if options.groups is None else _names(circuit, options.groups)
    grown = grow_circuit(circuit, names, options.share, units, options.noise, options.seed)
    if rows is not None:
        payload["data"]["after"] = float(log_likelihood(compiled(grown, options), rows).mean())
        likelihoods = [
            (f"log-likelihood {k}", f"{payload['data'][k]:.9g}") for k in ("before", "after")
        ]
        lines += pairs(likelihoods)
    before, after = sizes(circuit), sizes(grown)
    save_model(grown, target)
    payload = {
        "model": options.output,
        "share": options.share,
        "noise": options.noise,
        "before": before,
        "after": after,
        "seconds": time.perf_counter() - start,
        "data": None,
        **payload,
    }
    lines += table(("", "before", "after"), [(k, before[k], after[k]) for k in before])
    emit(options, payload, [*lines, f"wrote {options.output}"])
    return 0


def _names(circuit: Circuit, text: str) -> list[str]:
    """Names of groups, which may have commas: one name, or several with ; or , between."""
    if any(group.name == text for group in circuit.groups):
        return [text]
    return [name.strip() for name in text.split(";" if ";" in text else ",")]
