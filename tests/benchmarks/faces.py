"""Completion of images that were never seen: Poon & Domingos 2011, table 1.

    PCCORE_DATA=... pccore bench faces [--data D] [-o DIR]        left and bottom half hidden

A Poon-Domingos circuit with Gaussian leaves and parameters from clusters; `pccore tune` chooses its
options on validation images and then builds it from all training images, for both halves alike;
other seeds build it again with other clusters. Mean squared error of the hidden pixels on the 0-255
scale, baselines beside it; the test images serve for nothing else. The paper, on Olivetti: SPN 942
(left) and 918 (bottom), PCA 1076 / 1265, nearest neighbour 1527 / 1793. With -o DIR the completions
of the first seed, and contact-sheet.png: originals, what was visible, and every method.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from pccore.completion import Batch, complete_batch, files_of, hidden_pixels, training_rows
from pccore.datasets import Dataset, load
from pccore.errors import DataError
from pccore.graph import Circuit
from pccore.tune import Trial, build_from_all, tune

HALVES = ("left", "bottom")
METHODS = ("mean", "mpe", "tree")
BASELINES = ("nn", "pca", "ppca", "mean-image")


def main() -> None:
    """Tune, build, complete, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="olivetti", help="images, in the folder PCCORE_DATA")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--test", type=int, default=1000, help="test images at most")
    parser.add_argument("-o", "--output", metavar="DIR", help="for the pictures of the first seed")
    options = parser.parse_args()
    data = load(options.data)
    if data.image is None:
        raise DataError("these are no images", where=options.data)
    start = time.perf_counter()
    found = tune("pd", data, listener=say)
    seconds = time.perf_counter() - start
    chosen = ", ".join(f"{key} {value}" for key, value in found.best.options.items())
    print(
        f"{chosen}, mirror images {found.best.mirror}: validation error {found.best.score:.1f}; "
        f"{seconds:.0f} s to choose and to learn"
    )
    errors: list[list[float]] = []
    for seed in range(options.seeds):
        start = time.perf_counter()
        circuit = found.circuit
        if seed:
            own = {**found.options, "seed": seed}
            circuit = build_from_all("pd", data, own, mirror=found.best.mirror)
        print(f"seed {seed}" + (f", {time.perf_counter() - start:.0f} s to learn" if seed else ""))
        batches = {half: completed(circuit, data, half, options.test, not seed) for half in HALVES}
        if options.output and not seed:
            for half, batch in batches.items():
                write(batch, Path(options.output) / half)
        errors.append(report(batches))
    means, worst = np.mean(errors, axis=0), np.max(errors, axis=0)
    for title, row in (("mean of the seeds", means), ("worst seed", worst)):
        print(f"  {title:22}" + "".join(f"{mse:10.1f}" for mse in row))


def say(trial: Trial, total: int) -> None:
    """Progress."""
    print(f"at most {total} trials: {trial}", file=sys.stderr, flush=True)


def completed(circuit: Circuit, data: Dataset, half: str, most: int, first: bool) -> Batch:
    """The test images, completed; baselines are the same for all seeds."""
    assert data.image is not None
    return complete_batch(
        circuit,
        data.test[:most],
        hidden_pixels(half, data.image),
        data.image,
        METHODS,
        baselines=BASELINES if first else (),
        train=training_rows(data, "test"),
    )


def write(batch: Batch, folder: Path) -> None:
    """Completions and the contact sheet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files_of(batch):
        (folder / name).write_bytes(content)


def report(batches: dict[str, Batch]) -> list[float]:
    """A line for each method; the errors of the posterior mean."""
    print(f"  {'':22}" + "".join(f"{half:>10}" for half in HALVES) + "   s per image")
    for guesses in zip(*(batch.guesses for batch in batches.values()), strict=True):
        circuit = "" if guesses[0].quality is None else "circuit, "
        errors = "".join(f"{guess.scores.mse:10.1f}" for guess in guesses)
        slowest = max(guess.seconds for guess in guesses)
        print(f"  {circuit + guesses[0].name:22}{errors}{slowest:14.4f}", flush=True)
    return [batch.methods[0].scores.mse for batch in batches.values()]


if __name__ == "__main__":
    main()
