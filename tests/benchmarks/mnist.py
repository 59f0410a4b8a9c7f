"""Density estimation on images: bits per dimension of EiNets, with pictures of what they learned.

    PCCORE_DATA=... pccore bench mnist [-o DIR]        MNIST, 28 x 28 pixels of 256 grey levels
    pccore bench mnist --models hclt --budget 1000     a hidden Chow-Liu tree
    pccore bench mnist --data digits                   the bundled digits, in a minute
    pccore bench mnist --fast                          smaller circuits and less data

Poon-Domingos circuits with cuts at halves, quarters ... down to single pixels, and random binary
trees, both with categorical and with binomial leaves. Parameters start from clusters, stochastic EM
goes on from there; the best epoch on validation is kept, and the best model chosen, on validation.
Published for MNIST: quad-graph of cirkit 1.255, its random binary tree 1.656; HCLT of Juice 1.201.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from pccore.compile import compile_circuit
from pccore.completion import complete_rows, contact_sheet, hidden_pixels
from pccore.datasets import Dataset, ImageShape, load
from pccore.errors import DataError
from pccore.files import save_model
from pccore.graph import Circuit
from pccore.learn import Epoch
from pccore.queries import sample
from pccore.structures import build_structure, shape_of
from tests.benchmarks._density import Fit, batch_rows, fit, row_scores
from tests.benchmarks._speed.output import table

#: Rows of a batch at most.
MOST = 500
#: Rows of a fast run.
FAST = 6000
SAMPLES = COMPLETED = 10


@dataclass(frozen=True)
class Model:
    """What is built and how long it may take. share: of the budget, relative to the others that are
    run. learning: where it differs from LEARNING."""

    title: str
    structure: str
    share: float
    units: int
    fast_units: int
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    learning: Mapping[str, object] = field(default_factory=dict[str, object])


MODELS = (
    Model("PD, categorical", "pd", 0.7, 64, 16, {"product": "hadamard"}),
    Model("RAT, categorical", "rat", 0.15, 10, 6, {"replicas": 5}),
    Model("PD, binomial", "pd", 0.1, 16, 8, {"product": "hadamard", "leaf": "binomial"}),
    Model("RAT, binomial", "rat", 0.05, 10, 6, {"leaf": "binomial", "replicas": 2}),
    Model("HCLT, categorical", "hclt", 1.0, 96, 16, {}, {"prior": "shared", "pseudocount": 10.0}),
)
LEARNING: Mapping[str, object] = {
    "step": 0.1,
    "annealing": 0.75,
    "epochs": 100,
    "patience": 3,
}


@dataclass(frozen=True)
class Row:
    """One line of the result; bits are per dimension."""

    model: str
    parameters: int
    epochs: int
    valid_bits: float
    test_bits: float
    seconds: float


def halvings(image: ImageShape) -> list[int]:
    """Distances of the cuts: half of the longer side, a quarter ... one."""
    found = [max(2, image.height, image.width)]
    while found[-1] > 1:
        found.append(-(-found[-1] // 2))
    return found[1:]


def chosen(words: str) -> list[Model]:
    """The models with one of these words, separated by commas, in the title.

    Raises DataError where there are none.
    """
    wanted = [word.strip().lower() for word in words.split(",")]
    found = [m for m in MODELS if any(word in m.title.lower() for word in wanted)]
    if not found:
        raise DataError(f"no model has {words!r} in its title")
    return found


def train(
    model: Model, data: Dataset, image: ImageShape, options: argparse.Namespace, budget: float
) -> Fit:
    """Build from clusters and train within a budget of seconds."""
    start = time.process_time()
    settings = {
        "units": options.units or (model.fast_units if options.fast else model.units),
        "leaf": "categorical",
        "start": "clusters",
        "seed": options.seed,
        **({"delta": halvings(image)} if model.structure == "pd" else {}),
        **model.options,
    }
    if model.structure == "rat" and settings["leaf"] == "binomial":
        # Down to single pixels: no binomial says "black or white", only mixtures of them do.
        settings["depth"] = len(data.variables).bit_length() - 1
    circuit = build_structure(model.structure, shape_of(data), settings)
    learning = {**LEARNING, "batch_size": batch_rows(len(data.train), MOST), **model.learning}

    def tell(epoch: Epoch) -> None:
        bits = -(epoch.valid_log_likelihood or 0.0) / (image.size * math.log(2))
        spent = time.process_time() - start
        print(f"{model.title}: epoch {epoch.epoch}, valid {bits:.4f} bits, {spent:.0f} s",
              file=sys.stderr, flush=True)  # fmt: skip

    return fit(circuit, data, learning, start, budget, options.seed, tell)


def draw(circuit: Circuit, data: Dataset, image: ImageShape, folder: Path, seed: int) -> None:
    """Samples and completions as pictures, and the model."""
    folder.mkdir(parents=True, exist_ok=True)
    program = compile_circuit(circuit)
    drawn = sample(program, 4 * SAMPLES, seed=seed).numpy(force=True)
    bands = {f"samples {k + 1}": drawn[k::4] for k in range(4)}
    contact_sheet(bands, image).save(folder / "samples.png")
    shown = data.test[:COMPLETED]
    bands = {"image": shown}
    for half in ("left", "bottom"):
        hidden = hidden_pixels(half, image)
        seen = shown.copy()
        seen[:, hidden] = math.nan
        bands[f"{half} hidden"] = seen
        for method in ("mean", "mpe", "sample"):
            bands[f"{half}, {method}"] = complete_rows(program, shown, hidden, method, image, seed)
    contact_sheet(bands, image).save(folder / "completions.png")
    save_model(circuit, folder / "best.pc.safetensors")


def main() -> None:
    """Train, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist", help="images of finitely many grey levels")
    parser.add_argument(
        "--models", default="PD,RAT", help="those with one of these words in the title"
    )
    parser.add_argument("--units", type=int, help="of every model")
    parser.add_argument("--fast", action="store_true", help="smaller circuits, less data")
    parser.add_argument(
        "--budget", type=float, default=1500.0, help="seconds of processor time for all models"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("-o", "--output", metavar="DIR", help="for pictures and the best model")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = load(options.data, limit=FAST if options.fast else None)
    image = data.image
    if image is None:
        raise DataError("these are no images", where=options.data)
    rows: list[Row] = []
    best: Fit | None = None
    models = chosen(options.models)
    for model in models:
        share = model.share / sum(each.share for each in models)
        found = train(model, data, image, options, options.budget * share)
        unit = -1.0 / (image.size * math.log(2))
        test = float(row_scores(found.circuit, data.test).mean())
        numbers = (found.valid * unit, test * unit, found.seconds)
        rows.append(Row(model.title, found.circuit.num_parameters, found.epochs, *numbers))
        if best is None or found.valid > best.valid:
            best = found
        if not options.json:
            print(
                f"{model.title}: {rows[-1].test_bits:.4f} bits, {found.seconds:.0f} s", flush=True
            )
    assert best is not None, "some model is chosen"
    if options.output:
        draw(best.circuit, data, image, Path(options.output), options.seed)
    first = min(rows, key=lambda row: row.valid_bits)
    if options.json:
        facts = {"data": data.name, "seed": options.seed, "budget": options.budget}
        print(json.dumps({**facts, "rows": [asdict(row) for row in rows], "best": asdict(first)}))
        return
    cells = [
        [r.model, f"{r.parameters:,}", str(r.epochs), f"{r.valid_bits:.4f}", f"{r.test_bits:.4f}",
         f"{r.seconds:.0f}"] for r in rows
    ]  # fmt: skip
    head = ["model", "parameters", "epochs", "valid", "test", "cpu s"]
    print("\n".join(table(head, cells, False, f"bits per dimension, {data.name}")))
    print(f"best on validation: {first.model}, test {first.test_bits:.4f}, seed {options.seed}")


if __name__ == "__main__":
    main()
