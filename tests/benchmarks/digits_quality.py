"""Density estimation on the bundled digits, every structure with its defaults, in one run.

    pccore bench digits_quality            mean test log-likelihood in nats per image

The default EiNets against a fully factorised model and a mixture of
64 factorised categoricals, all trained by the same EM with early stopping on validation.
"""

from __future__ import annotations

import argparse
import time

import torch

from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.learn import Trainer, TrainOptions
from pccore.learn.base import method_named
from pccore.queries import log_likelihood
from pccore.structures import build_structure, shape_of

MODELS = (
    ("fully factorised", "factorized", {}),
    ("mixture of 64", "naive_bayes", {"components": 64}),
    ("RAT EiNet (default)", "rat", {}),
    ("PD EiNet (default)", "pd", {}),
)


def main() -> None:
    """Train, print, and fail if the default of images does not beat both baselines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="online-em,em", help="comma-separated")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = load("digits")
    scores: dict[str, float] = {}
    print(
        f"{'model':22}{'method':11}{'parameters':>11}{'epochs':>8}{'valid':>9}{'test':>9}{'s':>7}"
    )
    for method in arguments.methods.split(","):
        for title, structure, options in MODELS:
            circuit = build_structure(
                structure, shape_of(data), {**options, "seed": arguments.seed}
            )
            trainer = Trainer(
                compile_circuit(circuit),
                data.train,
                data.valid,
                method,
                method_named(method).options(),
                TrainOptions(epochs=arguments.epochs, seed=arguments.seed),
            )
            start = time.perf_counter()
            epochs = len([event for event in trainer.events() if hasattr(event, "best")]) - 1
            seconds = time.perf_counter() - start
            best = compile_circuit(circuit.with_params(trainer.best_params))
            test = float(log_likelihood(best, torch.tensor(data.test)).mean())
            scores[title] = max(test, scores.get(title, -float("inf")))
            print(
                f"{title:22}{method:11}{circuit.num_parameters:11d}{epochs:8d}"
                f"{trainer.progress.best:9.2f}{test:9.2f}{seconds:7.1f}",
                flush=True,
            )
    floor = max(scores["fully factorised"], scores["mixture of 64"])
    for title in ("RAT EiNet (default)", "PD EiNet (default)"):
        print(f"{title}: {scores[title] - floor:+.2f} nats against the best baseline")
    if scores["PD EiNet (default)"] <= floor:
        raise SystemExit("the default model of images does not beat the baselines")


if __name__ == "__main__":
    main()
