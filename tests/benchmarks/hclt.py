"""Hidden Chow-Liu trees on the Twenty Datasets: test log-likelihood from two kinds of start.

    pccore bench hclt [--data nltcs,plants] [--units 32] [--epochs 60] [--seed 0] [--json]

The datasets are looked up as everywhere (PCCORE_DATA). Mini-batch EM (step 0.1, batches of 500,
prior 1), the best epoch on validation. Published: hidden Chow-Liu trees of Liu and Van den Broeck
2021.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from typing import Any

import torch

from pccore.compile import compile_circuit
from pccore.datasets import Dataset, load
from pccore.learn.em import OnlineEMOptions
from pccore.learn.trainer import Trainer, TrainOptions
from pccore.queries import log_likelihood
from pccore.structures import build_structure, shape_of

PUBLISHED: Mapping[str, float] = {
    "nltcs": -5.999,
    "plants": -14.26,
    "jester": -52.38,
    "dna": -79.05,
    "pumsb_star": -23.65,
    "msweb": -9.91,
    "bbc": -249.0,
    "kdd": -2.14,
}


def measure(dataset: Dataset, units: int, start: str, epochs: int, seed: int) -> dict[str, Any]:
    """Build, train and score one model."""
    began = time.perf_counter()
    options = {"units": units, "start": start, "seed": seed}
    program = compile_circuit(build_structure("hclt", shape_of(dataset), options))
    built = time.perf_counter() - began
    settings = TrainOptions(epochs=epochs, batch_size=500, seed=seed)
    trainer = Trainer(
        program, dataset.train, dataset.valid, "online-em", OnlineEMOptions(), settings
    )
    for _ in trainer.events():
        pass
    program.load(trainer.best_params)
    scores = {
        split: float(log_likelihood(program, torch.tensor(dataset.split(split))).mean())
        for split in ("valid", "test")
    }
    return {
        "dataset": dataset.name,
        "start": start,
        "parameters": program.circuit.num_parameters,
        **scores,
        "published": PUBLISHED.get(dataset.name),
        "best_epoch": trainer.progress.best_epoch,
        "build_seconds": built,
        "seconds": time.perf_counter() - began,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="nltcs,plants")
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = list[dict[str, Any]]()
    for name in options.data.split(","):
        dataset = load(name)
        for start in ("random", "clusters"):
            row = measure(dataset, options.units, start, options.epochs, options.seed)
            found.append(row)
            if not options.json:
                shown = "" if row["published"] is None else f" (published {row['published']})"
                print(
                    f"{name:12s} {start:9s} test {row['test']:9.4f}{shown}, valid "
                    f"{row['valid']:9.4f}, epoch {row['best_epoch']}, {row['seconds']:.0f} s",
                    flush=True,
                )
    if options.json:
        print(json.dumps({"units": options.units, "seed": options.seed, "models": found}))


if __name__ == "__main__":
    main()
