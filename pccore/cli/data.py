"""datasets: what `load` knows by name."""

from __future__ import annotations

import argparse
from typing import Any

from pccore.cli.output import emit, listing, pairs, table
from pccore.datasets import SPLITS, load, names


def datasets(options: argparse.Namespace) -> int:
    """The list, or one dataset in detail."""
    return _one(options) if options.name is not None else _all(options)


def _all(options: argparse.Namespace) -> int:
    infos = names()
    payload = {
        "datasets": [
            {
                "name": i.name,
                "kind": i.kind,
                "rows": i.rows,
                "variables": i.num_variables,
                "description": i.description,
                "path": None if i.path is None else str(i.path),
            }
            for i in infos
        ]
    }
    rows = [(i.name, i.kind, i.rows, i.num_variables, i.description) for i in infos]
    emit(options, payload, table(("name", "kind", "rows", "variables", "description"), rows))
    return 0


def _one(options: argparse.Namespace) -> int:
    dataset = load(options.name)
    payload: dict[str, Any] = {
        **dataset.summary(),
        "variable_names": dataset.variables,
        "label_names": dataset.label_names,
        "fingerprint": dataset.fingerprint(),
    }
    lines = pairs(
        [
            ("name", dataset.name),
            ("description", dataset.description),
            ("variables", listing(dataset.variables)),
            *((split, f"{len(dataset.rows(split))} rows") for split in SPLITS),
            ("supports", payload["supports"]),
            ("missing", f"{payload['missing']:.2%}"),
            ("image", payload["image"] or "no"),
            ("labels", "yes" if payload["labels"] else "no"),
        ]
    )
    emit(options, payload, lines)
    return 0
