"""What the benchmarks of density estimation share: one training, stopped by a budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pccore.compile import Program, compile_circuit
from pccore.datasets import Dataset
from pccore.graph import Circuit
from pccore.learn import Epoch, Trainer, TrainOptions, method_named
from pccore.options import describe, parse_options
from pccore.queries import log_likelihood

METHOD = "online-em"
#: Batches of an epoch at least. With a step of 0.1 an update then remembers half of the rows: less,
#: and training forgets the clusters that it starts from.
BATCHES = 20


@dataclass(frozen=True, eq=False)
class Fit:
    """A trained circuit. valid: mean validation log-likelihood of its best epoch in nats.
    seconds: of processor time, from `start` on."""

    circuit: Circuit
    valid: float
    epochs: int
    best_epoch: int
    seconds: float


def fit(
    circuit: Circuit,
    data: Dataset,
    settings: Mapping[str, object],
    start: float,
    seconds: float,
    seed: int = 0,
    listener: Callable[[Epoch], None] | None = None,
) -> Fit:
    """Train by stochastic EM with early stopping; after `seconds` of processor time no further
    epoch is begun that would not end in time. settings: of the method and of training. listener:
    told of every epoch."""
    options = method_named(METHOD).options
    own = {info.name for info in describe(options)}
    trainer = Trainer(
        compile_circuit(circuit),
        data.train,
        data.valid,
        METHOD,
        parse_options(options, {k: v for k, v in settings.items() if k in own}),
        parse_options(
            TrainOptions, {"seed": seed} | {k: v for k, v in settings.items() if k not in own}
        ),
    )
    events = trainer.events()
    before = time.process_time()
    for event in events:
        if isinstance(event, Epoch):
            if listener is not None:
                listener(event)
            now = time.process_time()
            # Epoch 0 only scores; one that learns takes about three times as long.
            needs = (now - before) * (1.0 if event.epoch else 3.0)
            before = now
            if now + needs - start > seconds:
                events.close()
    p = trainer.progress
    best = circuit.with_params(trainer.best_params)
    return Fit(best, p.best, p.epoch, p.best_epoch, time.process_time() - start)


def batch_rows(rows: int, most: int | None = None) -> int:
    """Rows of a batch, at most `most`, for BATCHES batches or more."""
    size = -(-rows // BATCHES)
    return size if most is None else min(size, most)


def row_scores(model: Circuit | Program, rows: np.ndarray) -> torch.Tensor:
    """Log-likelihood of each row in nats, float64 [N]."""
    return log_likelihood(model, torch.tensor(rows)).double()


def mixture_scores(scores: Sequence[torch.Tensor]) -> torch.Tensor:
    """Those of the even mixture of models, from the rows' scores [N] under each."""
    return torch.logsumexp(torch.stack(list(scores)), 0) - math.log(len(scores))
