"""info, check and convert."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from pccore.check import check as check_circuit
from pccore.cli.output import clean, emit, listing, pairs
from pccore.cli.support import check_target, compiled
from pccore.errors import EvidenceError, ParameterError
from pccore.files import load_model, save_model
from pccore.graph import Circuit
from pccore.transform.generate import materialised

PROPERTIES = (
    "smooth",
    "consistent",
    "decomposable",
    "structured_decomposable",
    "deterministic",
    "normalized",
)


def sizes(circuit: Circuit) -> dict[str, int]:
    """The counts that describe a circuit."""
    return {
        "units": circuit.num_units,
        "groups": len(circuit.groups),
        "edges": circuit.num_edges,
        "parameters": circuit.num_parameters,
        "depth": circuit.depth,
    }


def info(options: argparse.Namespace) -> int:
    """Sizes and properties of a model."""
    circuit = load_model(options.model)
    verdicts = check_circuit(circuit, PROPERTIES).properties
    properties = {p: {"yes": True, "no": False}.get(verdicts[p]) for p in PROPERTIES}
    leaves = Counter[str]()
    for group in circuit.groups:
        if group.kind == "leaf":
            leaves[group.family.name] += group.size
    memory = _memory(circuit, options)
    title, story = (str(circuit.meta.get(key, "")) for key in ("title", "story"))
    payload: dict[str, Any] = {
        "variables": circuit.variables,
        **sizes(circuit),
        "properties": properties,
        "roots": len(circuit.roots),
        "leaves": dict(leaves),
        "memory": memory,
        "title": title,
        "story": story,
    }
    lines = pairs(
        [
            ("title", title),
            ("variables", listing(circuit.variables)),
            ("domains", _domains(circuit)),
            *sizes(circuit).items(),
            ("leaves", ", ".join(f"{n} {name}" for name, n in leaves.items())),
            *((p.replace("_", " "), verdicts[p]) for p in PROPERTIES),
            *(
                (f"memory to {what}", f"{memory[what] / 2**20:.0f} MiB for batches of {batch}")
                for batch in ([options.batch] if memory else [])
                for what in ("evaluate", "train")
            ),
        ]
    )
    emit(options, payload, [*lines, *([clean(story)] if story else [])])
    return 0


def _memory(circuit: Circuit, options: argparse.Namespace) -> dict[str, int]:
    """Bytes that the engine will hold at its peak, besides Python and torch; nothing for a circuit
    that cannot be compiled."""
    try:
        program = compiled(circuit, options)
    except ParameterError:
        return {}
    tasks = {"evaluate": False, "train": True}
    return {"batch": options.batch} | {
        task: program.needs(options.batch, training=training).total
        for task, training in tasks.items()
    }


def _domains(circuit: Circuit) -> str:
    """The supports of the variables in words, equal ones counted."""
    counts = Counter[str]()
    for v in range(len(circuit.variables)):
        try:
            counts[str(circuit.domain(v))] += 1
        except EvidenceError:
            counts["in no leaf"] += 1
    return ", ".join(f"{n} x {text}" for text, n in counts.items())


def check(options: argparse.Namespace) -> int:
    """Every violation with its place; 1 if there is any."""
    circuit = load_model(options.model)
    report = check_circuit(circuit)
    payload = report.to_dict()
    more = {p: n for p, n in report.truncated.items() if n}
    lines = [f"valid: {'yes' if report.valid else 'NO'}"]
    lines += pairs((f"  {p.replace('_', ' ')}", v) for p, v in report.properties.items())
    lines += [clean(f"- {witness.message}") for witness in report.violations]
    lines += [f"- {n} more: not {p}" for p, n in more.items()]
    emit(options, payload, lines)
    return 0 if report.valid and not report.violations else 1


def convert(options: argparse.Namespace) -> int:
    """Write a model in the format that the ending of OUT names."""
    target = check_target(options.target)
    circuit = load_model(options.source)
    if options.materialise:
        circuit = materialised(circuit)
    save_model(circuit, target)
    size = target.stat().st_size
    payload = {
        "input": options.source,
        "output": options.target,
        "bytes": size,
        **sizes(circuit),
    }
    emit(options, payload, [f"wrote {clean(options.target)}, {size} bytes"])
    return 0
