"""mixture: a circuit for each cluster of the data, joined into one."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pccore.cli.models import sizes
from pccore.cli.output import Progress, emit, pairs, table
from pccore.cli.support import check_target, required
from pccore.cli.training import default_folder, training_options
from pccore.compile import compile_circuit
from pccore.datasets import Dataset, load, parse_reference
from pccore.errors import OptionError
from pccore.files import save_model
from pccore.graph import Circuit
from pccore.learn import (
    Mixture,
    MixtureOptions,
    Recipe,
    TrainOptions,
    Trial,
    method_named,
    train_mixture,
)
from pccore.options import describe, parse_assignments
from pccore.queries import log_likelihood
from pccore.structures import find_structure


def mixture(options: argparse.Namespace) -> int:
    """Cluster, train, join, write, and say which trial of each component was kept."""
    target = check_target(required(options.output, "-o", "mixture"))
    recipe = _recipe(options)
    name = parse_reference(options.data)[0]
    dataset = load(name)
    folder = default_folder() if options.run is None else Path(options.run)
    progress = Progress()
    start = time.perf_counter()

    def tell(trial: Trial, done: int, total: int) -> None:
        progress.say(
            f"{done}/{total}  component {trial.component}, start {trial.restart}: "
            f"{trial.rows} rows, {trial.epochs} epochs, {trial.score:.4f}"
        )

    chosen = MixtureOptions(options.components, options.restarts, options.jobs or _cores())
    found = train_mixture(
        folder,
        dataset,
        recipe,
        chosen,
        data=name,
        seed=options.seed,
        resume=options.resume,
        listener=tell,
    )
    seconds = time.perf_counter() - start
    save_model(found.circuit, target)
    _report(options, found, dataset, folder, seconds)
    return 0


def _recipe(options: argparse.Namespace) -> Recipe:
    """--set, each key given to all that know it: structure, method and training."""
    known = {i.name for i in describe(find_structure(options.structure).options)}
    method = method_named(options.method).options
    learning = {i.name for kind in (method, TrainOptions) for i in describe(kind)}
    given: Mapping[str, str] = parse_assignments(options.set)
    for key in given:
        if key not in known | learning:
            raise OptionError(
                f"neither structure {options.structure} nor method {options.method} nor the "
                f"training has an option {key!r}",
                hint=f"known are: {', '.join(sorted(known | learning))}",
            )
    method_options, train_options = training_options(
        options.method, {k: v for k, v in given.items() if k in learning}
    )
    return Recipe(
        options.structure,
        {k: v for k, v in given.items() if k in known},
        options.method,
        method_options,
        train_options,
    )


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _report(
    options: argparse.Namespace, found: Mixture, dataset: Dataset, folder: Path, seconds: float
) -> None:
    rows = [
        {
            "component": t.component,
            "restart": t.restart,
            "rows": t.rows,
            "epochs": t.epochs,
            "log_likelihood": t.score,
            "kept": t in found.kept,
            "seconds": t.seconds,
            "run": str(t.run),
        }
        for t in found.trials
    ]
    scores = {
        f"{split}_log_likelihood": _mean(found.circuit, dataset, split)
        for split in ("train", "valid")
    }
    payload: dict[str, Any] = {
        "model": options.output,
        "run": str(folder),
        "components": len(found.kept),
        "weights": found.shares,
        **scores,
        **sizes(found.circuit),
        "seconds": seconds,
        "trials": rows,
    }
    heads = ("component", "restart", "rows", "epochs", "log_likelihood", "kept")
    cells = [[("yes" if r[h] else "") if h == "kept" else r[h] for h in heads] for r in rows]
    facts: list[tuple[str, object]] = [
        (k.replace("_", " "), f"{v:.6g}") for k, v in scores.items() if v is not None
    ]
    facts += [*sizes(found.circuit).items(), ("seconds", f"{seconds:.3g}")]
    facts.append(("wrote", options.output))
    lines = [*table(heads, cells), *pairs(facts)]
    emit(options, payload, lines)


def _mean(circuit: Circuit, dataset: Dataset, split: str) -> float | None:
    """Mean log-likelihood of a split in nats, None where it has no rows."""
    rows = dataset.split(split)
    if not len(rows):
        return None
    return float(log_likelihood(compile_circuit(circuit), torch.tensor(rows)).double().mean())
