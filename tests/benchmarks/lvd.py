"""Latent variable distillation against EM from a random start, as circuits grow.

    pccore bench lvd [-o DIR]                  bundled digits, patches of 2x2
    PCCORE_DATA=... pccore bench lvd --data mnist --patch 4 --rows 10000 --batch 500
    pccore bench lvd --data sentences         hidden Markov models

DIR gets one picture of all curves, lvd-DATA.svg, and the numbers, lvd-DATA.json.

For each number of latents one `patches` (or `hmm`) circuit learns twice, in about as many epochs:
by EM from its random start, and by distillation. Bits per dimension of the test images, perplexity
of the words of test sequences; Liu, Zhang and Van den Broeck 2023, figure 1 shows the shape
that is expected: EM flattens, distillation does not.
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


def score(circuit: Circuit, data: Dataset) -> float:
    """Mean bits per dimension of test images, perplexity of sequences."""
    values = log_likelihood(compile_circuit(circuit), torch.tensor(data.test)).double()
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
    # Chains are counted in closed form: what the parts do not need is left for everything.
    parts = 1 if data.image is None else options.epochs - 2 * quarter
    stages = DistilOptions(
        parts_epochs=parts,
        latents_epochs=quarter,
        tune_epochs=options.epochs - quarter - parts,
        batch_size=options.batch,
        seed=options.seed,
    )
    found: list[dict[str, float]] = []
    heads = ["latents", "parameters", "EM", *(f"LVD, {s}" for s in sources)]
    if not options.json:
        print(f"{unit} of the test rows of {data.name}, {len(data.train)} training rows")
        print("".join(f"{head:>18}" for head in heads), flush=True)
    embedded = {}
    for latents in (int(word) for word in options.latents.split(",")):
        # A random start of both learners: what is compared is what comes after.
        settings: dict[str, object] = {"units": latents, "seed": options.seed, "start": "random"}
        if data.image is None:
            circuit = build_structure("hmm", shape, settings)
        else:
            settings |= {name: getattr(options, name) for name in ("patch", "inside", "leaf")}
            circuit = build_structure("patches", shape, {**settings, "latents": latents})
        groups = hidden_groups(circuit)
        row: dict[str, float] = {"latents": latents, "parameters": circuit.num_parameters}
        start = time.perf_counter()
        row["EM"] = score(by_em(circuit, data, stages, options.epochs), data)
        row["EM seconds"] = time.perf_counter() - start
        for source in sources:
            start = time.perf_counter()
            if source not in embedded:  # the patches are the same for all sizes
                embedded[source] = obtain(source, data, circuit, groups, seed=options.seed)
            with tempfile.TemporaryDirectory() as folder:
                result = distil(folder, circuit, data, embedded[source], stages)
            row[f"LVD, {source}"] = score(result.circuit, data)
            row[f"LVD, {source} seconds"] = time.perf_counter() - start
        found.append(row)
        if not options.json:
            print("".join(f"{row[head]:18.4g}" for head in heads), flush=True)
    facts = {**vars(options), "training rows": len(data.train), "rows": found}
    if options.output:
        folder = Path(options.output)
        folder.mkdir(parents=True, exist_ok=True)
        lines = [Line(name, [(row["latents"], row[name]) for row in found]) for name in heads[2:]]
        chart = Chart(f"{data.name}: test", "latents", unit, lines)
        write(folder / f"lvd-{data.name}.svg", [chart])
        (folder / f"lvd-{data.name}.json").write_text(json.dumps(facts), encoding="utf-8")
    if options.json:
        print(json.dumps(facts))


if __name__ == "__main__":
    main()
