"""Preparing a run: everything that can be wrong is said before anything is written."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch

from pccore import __version__
from pccore.datasets import Dataset, check_columns, check_support
from pccore.datasets.labels import only
from pccore.errors import DataError, OptionError
from pccore.graph import Circuit
from pccore.learn.base import method_named
from pccore.learn.directory import Origin, RunConfig, RunDirectory
from pccore.learn.distributed import launched
from pccore.learn.trainer import TrainOptions
from pccore.options import to_dict
from pccore.queries import require


def prepare_run(
    path: str | Path,
    circuit: Circuit,
    dataset: Dataset,
    *,
    model: str,
    data: str,
    method: str = "em",
    method_options: object = None,
    train_options: TrainOptions | None = None,
    device: str = "cpu",
    threads: int | None = None,
    memory: int | None = None,
    title: str = "",
    label: int | None = None,
    frozen: Collection[str] = (),
    origin: Origin | None = None,
) -> RunDirectory:
    """Check everything that can be wrong, then make the run directory.

    label: learn from the rows of this class alone. frozen: ids of parameters that stay as they
    are. origin: the run whose model, changed, the circuit is. Raises PropertyError for a circuit
    that cannot be trained, DataError for data that does not fit it, OptionError, RunError; nothing
    is written then.
    """
    chosen = method_named(method)
    unknown = sorted(set(frozen) - set(circuit.params))
    if unknown:
        raise OptionError(f"the circuit has no parameter {unknown[0]!r} to freeze")
    check_trainable(circuit, dataset if label is None else only(dataset, label))
    config = RunConfig(
        model=model,
        data=data,
        method=method,
        method_options=to_dict(method_options or chosen.options()),
        train_options=to_dict(train_options or TrainOptions()),
        device=device,
        threads=threads,
        memory=memory,
        title=title,
        data_fingerprint=dataset.fingerprint(),
        label=label,
        frozen=sorted(frozen),
        origin=origin,
        environment=environment(),
    )
    return RunDirectory.create(path, config, circuit)


def environment() -> dict[str, str]:
    """Versions and machine, for the record."""
    return {
        "pccore": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **({"processes": os.environ["WORLD_SIZE"]} if launched() else {}),
    }


def check_trainable(circuit: Circuit, dataset: Dataset) -> None:
    """Raise PropertyError or DataError unless the circuit can learn from the data."""
    circuit.validate_params()
    require(circuit, "sample")
    check_columns(dataset, len(circuit.variables), where=dataset.name)
    unmentioned = [v for v in range(len(circuit.variables)) if v not in circuit.domains]
    if unmentioned:
        name = circuit.variables[unmentioned[0]]
        raise DataError(f"no leaf of the circuit mentions variable {name}", where=dataset.name)
    supports = [circuit.domain(v) for v in range(len(circuit.variables))]
    for split in ("train", "valid"):
        check_support(dataset.rows(split), supports, dataset.variables, f"{dataset.name}:{split}")
