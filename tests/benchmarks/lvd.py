"""Latent variable distillation against EM from a random start, as circuits grow.

    pccore bench lvd [-o DIR]                  bundled digits, patches of 2x2
    PCCORE_DATA=... pccore bench lvd --data mnist --patch 4 --rows 10000 --batch 500
    pccore bench lvd --data sentences         hidden Markov models

DIR gets one picture of all curves, lvd-DATA.svg, and the numbers, lvd-DATA.json.

For each number of latents one `patches` (or `hmm`) circuit learns twice, in about as many epochs:
by EM from its random start, and by distillation. Sequences are short, and both try twice: two
random starts, two kinds of embeddings, of which validation chooses. Bits per dimension of the test
images, perplexity of the words of test sequences; Liu, Zhang and Van den Broeck 2023, figure 1
shows the shape that is expected: EM flattens, distillation does not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pccore.compile import compile_circuit
from pccore.datasets import Dataset, load
from pccore.datasets.base import Split
from pccore.distillation import (
    Assignments,
    DistilOptions,
    Embeddings,
    distil,
    hidden_groups,
    obtain,
)
from pccore.graph import Circuit
from pccore.learn import TrainOptions, execute, prepare_run
from pccore.learn.em import OnlineEMOptions
from pccore.queries import log_likelihood
from pccore.structures import build_structure, shape_of
from tests.benchmarks._speed.plot import Chart, Line, write

#: Options of the transformer that embeds: suffixes, and words in their sentence.
TOKENS: Sequence[Mapping[str, object]] = ({}, {"decay": 0.0, "whiten": True})


def score(circuit: Circuit, data: Dataset, split: Split = "test") -> float:
    """Mean bits per dimension of images, perplexity of sequences."""
    values = log_likelihood(compile_circuit(circuit), torch.tensor(data.split(split))).double()
    nats = -float(values.mean()) / data.num_variables
    return float(np.exp(nats)) if data.image is None else nats / np.log(2)


def by_em(circuit: Circuit, data: Dataset, options: DistilOptions, epochs: int) -> Circuit:
    """Mini-batch EM with a shrinking step, all along."""
    with tempfile.TemporaryDirectory() as folder:
        run = prepare_run(
            Path(folder) / "em",
            circuit,
            data,
            model="circuit",
            data=data.name,
            method="online-em",
            method_options=OnlineEMOptions(options.step, options.pseudocount, options.annealing),
            train_options=TrainOptions(
                epochs=epochs,
                batch_size=options.batch_size,
                patience=options.patience,
                seed=options.seed,
            ),
        )
        execute(run, data=data)
        learned = run.best()
        assert learned is not None
        return learned


def learned(
    circuit: Circuit, data: Dataset, embeddings: Embeddings | Assignments, stages: DistilOptions
) -> Circuit:
    """By distillation."""
    assert not isinstance(embeddings, Assignments), "embeddings are clustered for each size"
    with tempfile.TemporaryDirectory() as folder:
        return distil(folder, circuit, data, embeddings, stages).circuit


def best(circuits: Sequence[Circuit], data: Dataset) -> float:
    """The test score of the one that is best on validation."""
    return score(min(circuits, key=lambda circuit: score(circuit, data, "valid")), data)


def keep(
    folder: Path, data: Dataset, facts: Mapping[str, Any], curves: Sequence[str], unit: str
) -> None:
    """The picture and the numbers so far."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [Line(name, [(row["latents"], row[name]) for row in facts["rows"]]) for name in curves]
    write(folder / f"lvd-{data.name}.svg", [Chart(f"{data.name}: test", "latents", unit, lines)])
    (folder / f"lvd-{data.name}.json").write_text(json.dumps(facts), encoding="utf-8")


def main() -> None:
    """Learn, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--patch", type=int, default=2)
    parser.add_argument("--inside", default="factorized")
    parser.add_argument("--leaf", default="auto")
    parser.add_argument("--latents", default="4,8,16,32,64")
    parser.add_argument("--embeddings", help="values,autoencoder of images, tokens of sequences")
    parser.add_argument("--rows", type=int, help="training rows, all without it")
    parser.add_argument("--batch", type=int, default=100, help="rows of an update")
    parser.add_argument("--epochs", type=int, default=20, help="of each learner, in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("-o", "--output", metavar="DIR", help="for the picture and the numbers")
    options = parser.parse_args()
    data = load(options.data)
    if options.rows:
        data = replace(data, train=data.train[: options.rows], labels={})
    shape = shape_of(data)
    usual = "tokens" if data.image is None else "values,autoencoder"
    sources = (options.embeddings or usual).split(",")
    unit = "perplexity" if data.image is None else "bits per dimension"
    quarter = options.epochs // 4
    # Chains are counted in closed form: all the rest is left for everything.
    parts, latents = (1, 0) if data.image is None else (options.epochs - 2 * quarter, quarter)
    stages = DistilOptions(
        parts_epochs=parts,
        latents_epochs=latents,
        tune_epochs=options.epochs - latents - parts,
        soften=0.6 if data.image is None else 0.0,
        batch_size=options.batch,
        seed=options.seed,
    )
    found: list[dict[str, float]] = []
    facts = {**vars(options), "training rows": len(data.train), "rows": found}
    heads = ["latents", "parameters", "EM", *(f"LVD, {s}" for s in sources)]
    if not options.json:
        print(f"{unit} of the test rows of {data.name}, {len(data.train)} training rows")
        print("".join(f"{head:>18}" for head in heads), flush=True)
    embedded: dict[str, list[Embeddings | Assignments]] = {}
    for latents in (int(word) for word in options.latents.split(",")):
        # A random start of both learners: what is compared is what comes after.
        structure, settings = "hmm", dict[str, object](units=latents, start="random")
        if data.image is not None:
            structure = "patches"
            settings |= {name: getattr(options, name) for name in ("patch", "inside", "leaf")}
            settings["latents"] = latents
        tries = TOKENS if data.image is None else TOKENS[:1]
        starts = [
            build_structure(structure, shape, {**settings, "seed": options.seed + n})
            for n in range(len(tries))
        ]
        circuit = starts[0]
        groups = hidden_groups(circuit)
        row: dict[str, float] = {"latents": latents, "parameters": circuit.num_parameters}
        start = time.perf_counter()
        row["EM"] = best([by_em(c, data, stages, options.epochs) for c in starts], data)
        row["EM seconds"] = time.perf_counter() - start
        for source in sources:
            start = time.perf_counter()
            if source not in embedded:  # the patches are the same for all sizes
                embedded[source] = [
                    obtain(source, data, circuit, groups, given, options.seed) for given in tries
                ]
            found_here = [learned(circuit, data, e, stages) for e in embedded[source]]
            row[f"LVD, {source}"] = best(found_here, data)
            row[f"LVD, {source} seconds"] = time.perf_counter() - start
        found.append(row)
        if options.output:
            keep(Path(options.output), data, facts, heads[2:], unit)
        if not options.json:
            print("".join(f"{row[head]:18.4g}" for head in heads), flush=True)
    if options.json:
        print(json.dumps(facts))


if __name__ == "__main__":
    main()
