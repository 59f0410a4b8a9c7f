"""HyperSPN against weight decay: Shih et al. 2021, tables 1, 2 and 3.

    PCCORE_DATA=... pccore bench hyperspn [DATASET ...] [--minutes 10]

Every dataset of the tables that is in the data folder, or those named, with the paper's defaults:
k = 5, r = 50, h = 5, layers of 20 (baby registries 20 and 10), Adam, batches of 500 (50 above 850
variables, as the authors' scripts have it). Each model trains until the validation score has not
risen for 1000 steps, or for the minutes given; the epoch is chosen by validation. The baseline
comes with the weight decay of the paper, 0.001, once on the sum over a batch, as the authors' code
has it, and once on the mean, which is 500 times stronger; validation chooses. The test rows are
scored once, at the end. Prints test log-likelihoods in nats beside the published ones.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from pccore.compile import compile_circuit
from pccore.datasets import Dataset, load
from pccore.errors import NotFoundError
from pccore.graph import Circuit
from pccore.learn import Epoch, Step, Trainer, TrainOptions, method_named
from pccore.presets import Facts, preset_options
from pccore.queries import log_likelihood
from pccore.structures import build_structure, shape_of
from tests.benchmarks._speed.output import Output

#: name: test log-likelihood of HyperSPN and of weight decay, parameters of both (tables 1, 2).
PUBLISHED = {
    "nltcs": (-6.01, -6.02, 9115, 40050),
    "msnbc": (-6.05, -6.05, 9615, 42550),
    "kdd": (-2.13, -2.14, 33115, 160050),
    "plants": (-13.26, -13.36, 35615, 172550),
    "baudio": (-39.83, -40.18, 51115, 250050),
    "jester": (-52.75, -52.98, 51115, 250050),
    "bnetflix": (-56.74, -57.15, 51115, 250050),
    "accidents": (-35.36, -36.09, 56615, 277550),
    "tretail": (-10.89, -10.91, 68615, 337550),
    "pumsb_star": (-30.79, -31.76, 82615, 407550),
    "dna": (-98.49, -98.41, 91115, 450050),
    "kosarek": (-10.89, -10.93, 96115, 475050),
    "msweb": (-9.90, -10.40, 148115, 735050),
    "book": (-34.90, -35.01, 251115, 1250050),
    "tmovie": (-51.32, -52.99, 251115, 1250050),
    "cwebkb": (-158.60, -159.91, 420615, 2097550),
    "cr52": (-85.65, -90.14, 445615, 2222550),
    "c20ng": (-152.49, -154.37, 456115, 2275050),
    "bbc": (-254.44, -262.01, 530115, 2645050),
    "ad": (-28.25, -52.23, 779115, 3890050),
    "amzn_apparel": (-9.24, -9.32, 50655, 250050),
    "amzn_bath": (-8.47, -8.58, 50655, 250050),
    "amzn_bedding": (-8.54, -8.60, 50655, 250050),
    "amzn_carseats": (-4.66, -4.80, 17655, 85050),
    "amzn_diaper": (-9.88, -9.94, 50655, 250050),
    "amzn_feeding": (-11.30, -11.39, 50655, 250050),
    "amzn_furniture": (-4.34, -4.60, 16655, 80050),
    "amzn_gear": (-9.21, -9.23, 50655, 250050),
    "amzn_gifts": (-3.43, -3.46, 8655, 40050),
    "amzn_health": (-7.38, -7.51, 31655, 155050),
    "amzn_media": (-7.84, -7.93, 29655, 145050),
    "amzn_moms": (-3.54, -3.47, 8655, 40050),
    "amzn_safety": (-4.34, -4.62, 18655, 90050),
    "amzn_strollers": (-4.99, -5.28, 20655, 100050),
    "amzn_toys": (-7.78, -7.82, 31655, 155050),
    # Table 3, the hand-designed data; SPN-Small has k = 2.
    "two_level_tree_256": (-166.32, -166.90, 129115, 640050),
}
TREE = "two_level_tree_256"
PUBLISHED_SMALL = (-167.00, 102450)

#: Milliseconds of one step of the authors' code, two threads of an idle machine A (peers.md).
REFERENCE_MS = {"nltcs": (136.0, 126.0), "plants": (771.0, 762.0)}

#: Steps without a better validation score after which a model is finished.
PATIENCE = 1000
WIDE = 850


@dataclass
class Outcome:
    """One trained model. valid, test: mean nats; ms: milliseconds of a step, the median epoch."""

    model: str
    parameters: int
    valid: float
    test: float
    epochs: int
    best_epoch: int
    seconds: float
    ms: float
    stopped: str


def main() -> None:
    """Train, print line by line and in a table at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="*", help="names; all of the tables that are found")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each model, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--decay", choices=("sum", "mean", "both"), default="both", help="of the baseline"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    output = Output(options, f"pccore bench hyperspn --minutes {options.minutes:g}")
    rows: list[list[str]] = []
    found: dict[str, list[dict[str, object]]] = {}
    for name in options.datasets or PUBLISHED:
        try:
            data = load(name)
        except NotFoundError:
            if options.datasets:
                raise
            continue
        outcomes = compare(data, name, options, output)
        found[name] = [asdict(one) for one in outcomes.values()]
        rows += table_rows(name, outcomes)
    head = ["dataset", "model", "parameters", "test", "paper", "gap", "valid", "best epoch",
            "ms a step", "reference", "s", "ended by"]  # fmt: skip
    output.table(head, rows)
    wins = [w for w in (winner(one) for one in found.values()) if w is not None]
    output.say(f"HyperSPN ahead of weight decay on {sum(wins)} of {len(wins)} datasets")
    output.result["results"] = found
    output.finish()


def compare(
    data: Dataset, name: str, options: argparse.Namespace, output: Output
) -> dict[str, Outcome]:
    """The models of one dataset, by title; of the baselines the one that validates best."""
    shape = shape_of(data)
    facts = Facts(shape.num_variables)
    network = "hyperspn-baby" if name.startswith("amzn") else "hyperspn-paper"
    batch = 50 if shape.num_variables > WIDE else 500
    seed = {"seed": options.seed}

    def fit(title: str, circuit: Circuit, method: str, settings: dict[str, float]) -> Outcome:
        found = train(title, circuit, data, method, settings, batch, options)
        output.say(
            f"{name}: {title} {settings}: test {found.test:.4f}, valid {found.valid:.4f}, epoch "
            f"{found.best_epoch} of {found.epochs}, {found.seconds:.0f} s, {found.ms:.1f} ms a step"
        )
        return found

    hyper = build_structure("hyperspn", shape, preset_options("hyperspn", network, facts) | seed)
    plain = preset_options("rat", "hyperspn-paper", facts) | seed
    models = {"HyperSPN": fit("HyperSPN", hyper, "hyper", {"learning_rate": 5e-3})}
    sizes = {"weight decay": plain}
    if name == TREE:
        sizes = {"SPN-Large": plain, "SPN-Small": plain | {"units": 2}}
    for title, chosen in sizes.items():
        circuit = build_structure("rat", shape, chosen)
        tried = [
            fit(title, circuit, "adam", {"learning_rate": 2e-2, "weight_decay": decay})
            for name_of, decay in (("sum", 1e-3 / batch), ("mean", 1e-3))
            if options.decay in (name_of, "both")
        ]
        models[title] = max(tried, key=lambda one: one.valid)
    return models


def train(
    title: str,
    circuit: Circuit,
    data: Dataset,
    method: str,
    settings: dict[str, float],
    batch: int,
    options: argparse.Namespace,
) -> Outcome:
    """Train within the time; score the test rows with what validated best."""
    steps = math.ceil(len(data.train) / batch)
    chosen = method_named(method)
    trainer = Trainer(
        compile_circuit(circuit),
        data.train,
        data.valid,
        method,
        chosen.options(**settings),
        TrainOptions(
            epochs=100_000,
            batch_size=batch,
            patience=max(3, math.ceil(PATIENCE / steps)),
            seed=options.seed,
        ),
    )
    start = time.perf_counter()
    per_step: list[float] = []
    stopped = "validation"
    for event in trainer.events():
        if isinstance(event, Epoch) and event.epoch:
            per_step.append(1e3 * event.seconds / steps)
        late = time.perf_counter() - start > 60 * options.minutes
        if late and isinstance(event, Epoch | Step) and trainer.progress.epoch > 0:
            stopped = "time"
            break
    seconds = time.perf_counter() - start
    best = compile_circuit(circuit.with_params(trainer.best_params))
    test = float(log_likelihood(best, torch.tensor(data.test)).double().mean())
    progress = trainer.progress
    return Outcome(
        title, circuit.num_parameters, progress.best, test, progress.epoch, progress.best_epoch,
        seconds, statistics.median(per_step), stopped,
    )  # fmt: skip


def table_rows(name: str, models: dict[str, Outcome]) -> list[list[str]]:
    """The lines of the table for one dataset."""
    rows: list[list[str]] = []
    published = PUBLISHED.get(name)
    for number, (title, found) in enumerate(models.items()):
        paper = "" if published is None else f"{published[min(number, 1)]:.2f}"
        wanted = found.parameters if published is None else published[2 + min(number, 1)]
        if title == "SPN-Small":
            paper, wanted = f"{PUBLISHED_SMALL[0]:.2f}", PUBLISHED_SMALL[1]
        if found.parameters != wanted:
            raise SystemExit(f"{name}: {found.parameters} parameters, the paper has {wanted}")
        reference = REFERENCE_MS.get(name)
        times = f" ({reference[min(number, 1)] / found.ms:.1f}x)" if reference else ""
        rows.append([
            name if number == 0 else "", title, f"{found.parameters}", f"{found.test:.3f}", paper,
            f"{100 * (found.test - float(paper)) / abs(float(paper)):+.2f} %" if paper else "",
            f"{found.valid:.3f}", f"{found.best_epoch}", f"{found.ms:.1f}",
            f"{reference[min(number, 1)]:.0f}{times}" if reference else "",
            f"{found.seconds:.0f}", found.stopped,
        ])  # fmt: skip
    return rows


def winner(outcomes: Sequence[dict[str, object]]) -> bool | None:
    """Whether HyperSPN, the first, has the best test score; None for it alone."""
    scores = [float(str(one["test"])) for one in outcomes]
    return scores[0] > max(scores[1:]) if len(scores) > 1 else None


if __name__ == "__main__":
    main()
