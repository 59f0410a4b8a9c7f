"""Completion of faces that were never seen: Poon & Domingos 2011, table 1.

    PCCORE_DATA=... pccore bench faces [-o DIR]        Olivetti, left and bottom half hidden

A Poon-Domingos circuit with Gaussian leaves and parameters from clusters, of the training and the
validation faces and their mirror images; the posterior mean fills in the hidden half. Mean squared
error of the hidden pixels on the 0-255 scale, one line for each seed, baselines beside it. The
paper: SPN 942 (left) and 918 (bottom), PCA 1076 / 1265, nearest neighbour 1527 / 1793.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from pccore.completion import complete_batch, files_of, hidden_pixels
from pccore.datasets import load
from pccore.errors import DataError
from pccore.structures import build_structure, shape_of

HALVES = ("left", "bottom")
BASELINES = ("nn", "pca", "ppca", "mean-image")


def main() -> None:
    """Build, complete, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="olivetti", help="images, in the folder PCCORE_DATA")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--parts", type=int, default=5, help="cuts of the longer side, and one")
    parser.add_argument("-o", "--output", metavar="DIR", help="for the pictures of the first seed")
    options = parser.parse_args()
    data = load(f"{options.data}+mirror", valid=False)
    image, shape = data.image, shape_of(data)
    if image is None:
        raise DataError("these are no images", where=options.data)
    delta = -(-max(image.height, image.width) // options.parts)
    settings = {"leaf": "gaussian", "start": "clusters", "units": options.units, "delta": [delta]}
    plain = load(options.data, valid=False).train  # baselines do not learn from mirror images
    errors: list[list[float]] = []
    print(f"{'':24}" + "".join(f"{half:>10}" for half in HALVES) + "   s to learn, s per face")
    for seed in range(options.seeds):
        start = time.perf_counter()
        circuit = build_structure("pd", shape, {**settings, "seed": seed})
        seconds = time.perf_counter() - start
        batches = {
            half: complete_batch(
                circuit,
                data.test,
                hidden_pixels(half, image),
                image,
                ("mean", "tree"),
                baselines=() if seed else BASELINES,
                train=plain,
            )
            for half in HALVES
        }
        for half in HALVES if options.output and not seed else ():
            folder = Path(options.output) / half
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in files_of(batches[half]):
                (folder / name).write_bytes(content)
        for number, guess in enumerate(batches["left"].guesses):
            row = [batch.guesses[number].scores.mse for batch in batches.values()]
            if guess.name == "mean":
                errors.append(row)
            title = guess.name if guess.quality is None else f"circuit, {guess.name}, seed {seed}"
            times = "" if guess.quality is None else f"{seconds:13.1f}{guess.seconds:14.4f}"
            print(f"{title:24}" + "".join(f"{mse:10.1f}" for mse in row) + times, flush=True)
    means = np.mean(errors, axis=0)
    print(f"{'circuit, mean of seeds':24}" + "".join(f"{mse:10.1f}" for mse in means))


if __name__ == "__main__":
    main()
