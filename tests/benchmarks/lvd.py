"""Latent variable distillation against EM from a random start, as circuits grow.

    pccore bench lvd                           bundled digits, patches of 2x2
    PCCORE_DATA=... pccore bench lvd --data mnist --patch 4 [--rows 10000]

For each number of latents one `patches` circuit learns twice, in about as many epochs: by EM
from its random start, and by distillation. Bits per dimension of the test images; Liu, Zhang and
Van den Broeck 2023, figure 1 shows the shape that is expected: EM flattens, distillation does not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from pccore.compile import compile_circuit
from pccore.datasets import Dataset, load
from pccore.distillation import DistilOptions, distil, hidden_groups, obtain
from pccore.graph import Circuit
from pccore.learn import TrainOptions, execute, prepare_run
from pccore.learn.em import OnlineEMOptions
from pccore.queries import log_likelihood
from pccore.structures import build_structure, shape_of
from tests.benchmarks._speed.plot import Chart, Line, write


def bits(circuit: Circuit, rows: np.ndarray) -> float:
    """Mean bits per dimension."""
    values = log_likelihood(compile_circuit(circuit), torch.tensor(rows)).double()
    return -float(values.mean()) / rows.shape[1] / np.log(2)


def by_em(circuit: Circuit, data: Dataset, options: DistilOptions, epochs: int) -> Circuit:
    """Mini-batch EM with a shrinking step, all along."""
    with tempfile.TemporaryDirectory() as folder:
        run = prepare_run(
            Path(folder) / "em",
            circuit,
            data,
            model="patches",
            data=data.name,
            method="online-em",
            method_options=OnlineEMOptions(options.step, options.pseudocount, options.annealing),
            train_options=TrainOptions(
                epochs=epochs, batch_size=options.batch_size, patience=options.patience
            ),
        )
        execute(run, data=data)
        best = run.best()
        assert best is not None
        return best


def main() -> None:
    """Learn, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--patch", type=int, default=2)
    parser.add_argument("--inside", default="factorized")
    parser.add_argument("--leaf", default="auto")
    parser.add_argument("--latents", default="4,8,16,32,64")
    parser.add_argument("--embeddings", default="values,autoencoder")
    parser.add_argument("--rows", type=int, help="training rows, all without it")
    parser.add_argument("--epochs", type=int, default=20, help="of each learner, in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", metavar="FILE.svg")
    options = parser.parse_args()
    data = load(options.data)
    if options.rows:
        data = replace(data, train=data.train[: options.rows], labels={})
    shape = shape_of(data)
    sources = options.embeddings.split(",")
    third = options.epochs // 4
    stages = DistilOptions(
        parts_epochs=options.epochs - 2 * third,
        latents_epochs=third,
        tune_epochs=third,
        seed=options.seed,
    )
    found: list[dict[str, float]] = []
    heads = ["latents", "parameters", "EM", *(f"LVD, {s}" for s in sources)]
    print("".join(f"{head:>18}" for head in heads), flush=True)
    embedded = {}
    for latents in (int(word) for word in options.latents.split(",")):
        settings = {
            "latents": latents,
            "units": latents,
            "patch": options.patch,
            "inside": options.inside,
            "leaf": options.leaf,
            "seed": options.seed,
            "start": "random",  # of both learners: what is compared is what comes after
        }
        circuit = build_structure("patches", shape, settings)
        groups = hidden_groups(circuit)
        row: dict[str, float] = {"latents": latents, "parameters": circuit.num_parameters}
        start = time.perf_counter()
        row["EM"] = bits(by_em(circuit, data, stages, options.epochs), data.test)
        row["EM seconds"] = time.perf_counter() - start
        for source in sources:
            start = time.perf_counter()
            if source not in embedded:  # the patches are the same for all sizes
                embedded[source] = obtain(source, data, circuit, groups, seed=options.seed)
            with tempfile.TemporaryDirectory() as folder:
                result = distil(folder, circuit, data, embedded[source], stages)
            row[f"LVD, {source}"] = bits(result.circuit, data.test)
            row[f"LVD, {source} seconds"] = time.perf_counter() - start
        found.append(row)
        print("".join(f"{row[head]:18.4g}" for head in heads), flush=True)
    if options.plot:
        _plot(Path(options.plot), found, heads[2:], options.data)
    if options.json:
        print(json.dumps({"data": options.data, "rows": found}))


def _plot(path: Path, rows: list[dict[str, float]], curves: list[str], data: str) -> None:
    lines = [Line(name, [(row["latents"], row[name]) for row in rows]) for name in curves]
    write(path, [Chart(f"{data}: test bits per dimension", "latents", "bits", lines)])


if __name__ == "__main__":
    main()
