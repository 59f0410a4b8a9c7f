"""bundle: circuit, dataset, evidence and a run in one file, and out of it again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pccore.bundle import Bundle, read_bundle, read_run, unpack, write_bundle
from pccore.cli.models import sizes
from pccore.cli.output import clean, emit, pairs
from pccore.datasets import load
from pccore.errors import OptionError
from pccore.evidence import parse_evidence
from pccore.files import load_model


def bundle(options: argparse.Namespace) -> int:
    """Do what the first word says."""
    return {"pack": _pack, "unpack": _unpack, "info": _info}[options.action](options)


def _pack(options: argparse.Namespace) -> int:
    if options.target is not None:
        raise OptionError("pack takes one name", hint="see pccore bundle --help")
    circuit = None if options.model is None else load_model(options.model)
    dataset = None if options.data is None else load(options.data)
    state: dict[str, str] = {}
    if options.evidence:
        if circuit is None:
            raise OptionError("evidence needs a --model", where="--evidence")
        parse_evidence(options.evidence, circuit)
        state["evidence"] = options.evidence
    made = Bundle(
        title=options.title or str(circuit.meta.get("title", "") if circuit else ""),
        circuit=circuit,
        dataset=dataset,
        dataset_name="" if dataset is None else dataset.name,
        state=state,
        run={} if options.run is None else read_run(options.run),
    )
    write_bundle(made, options.source)
    size = Path(options.source).stat().st_size
    payload = {"bundle": options.source, "bytes": size, **_facts(made)}
    emit(options, payload, [f"wrote {clean(options.source)}, {size} bytes"])
    return 0


def _unpack(options: argparse.Namespace) -> int:
    if options.target is None:
        raise OptionError("unpack needs a folder", hint="pccore bundle unpack FILE DIR")
    found = read_bundle(options.source)
    paths = {name: str(path) for name, path in unpack(found, options.target).items()}
    emit(options, {**_facts(found), "files": paths}, pairs(paths.items()))
    return 0


def _info(options: argparse.Namespace) -> int:
    facts = _facts(read_bundle(options.source))
    circuit, dataset = facts["circuit"], facts["dataset"]
    lines = pairs(
        [
            ("title", facts["title"]),
            ("circuit", "none" if circuit is None else f"{circuit['units']} units"),
            ("dataset", "none" if dataset is None else f"{dataset['train']} training rows"),
            ("run", ", ".join(facts["run"]) or "none"),
            *sorted(facts["state"].items()),
        ]
    )
    emit(options, facts, lines)
    return 0


def _facts(found: Bundle) -> dict[str, Any]:
    circuit, dataset = found.circuit, found.dataset
    return {
        "title": found.title,
        "circuit": None
        if circuit is None
        else {"variables": len(circuit.variables), **sizes(circuit)},
        "dataset": None if dataset is None else dataset.summary(),
        "dataset_name": found.dataset_name,
        "state": dict(found.state),
        "run": sorted(found.run),
    }
