"""One training within a budget of processor time; what is done is not done again.

A model that validation has ended is finished; one that the budget has ended goes on in the same
directory when a later call allows more minutes. Beside a run there is what came of it, NAME.json.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from pccore.compile import compile_circuit
from pccore.datasets import Dataset
from pccore.errors import RunError
from pccore.graph import Circuit
from pccore.learn import Epoch, RunDirectory, Step, TrainOptions, execute, prepare_run
from pccore.learn.base import method_named
from pccore.learn.events import Event
from pccore.options import parse_options, to_dict
from pccore.queries import log_likelihood

#: Steps without a better validation score after which a model is finished.
PATIENCE = 1000


@dataclass(frozen=True)
class Job:
    """What to train. name: of the run directory. build: the circuit, if it is needed. settings: of
    the method. batch: rows of a step."""

    name: str
    build: Callable[[], Circuit]
    method: str
    settings: Mapping[str, object]
    batch: int


@dataclass(frozen=True)
class Outcome:
    """One trained model. valid, test: mean nats of the epoch that validated best. seconds: of
    processor time. ms, cpu_ms: milliseconds of a step by the clock and of the processor, medians.
    ended: by validation or by time."""

    parameters: int
    valid: float
    test: float
    epochs: int
    best_epoch: int
    seconds: float
    ms: float
    cpu_ms: float
    ended: str


def trained(folder: Path, job: Job, data: Dataset, minutes: float, seed: int) -> Outcome:
    """Train, or read what an earlier call has done; the test rows are scored at the end.

    minutes: of processor time for training and validation, all calls together; a call that trains
    does an epoch at least. Raises RunError where the directory holds a run with other settings.
    """
    run, notes = RunDirectory(folder / job.name), folder / f"{job.name}.json"
    known = Outcome(**json.loads(notes.read_text())) if notes.exists() else None
    steps = math.ceil(len(data.train) / job.batch)
    method = parse_options(method_named(job.method).options, job.settings)
    patience = max(3, math.ceil(PATIENCE / steps))
    training = TrainOptions(
        epochs=100_000, batch_size=job.batch, patience=patience, seed=seed
    )  # fmt: skip
    if run.exists():
        config = run.config()
        if (config.method_options, config.train_options) != (to_dict(method), to_dict(training)):
            raise RunError("holds a run with other settings", where=str(run.path))
    if known is not None and (known.ended == "validation" or known.seconds >= 60 * minutes):
        return known
    if not run.exists():
        prepare_run(
            run.path, job.build(), data, model=job.name, data=data.name, method=job.method,
            method_options=method, train_options=training, threads=torch.get_num_threads(),
        )  # fmt: skip
    clock = _Clock(run, 60 * minutes, run.scores().seconds if known is None else known.seconds)
    state = execute(run, resume=True, listener=clock, data=data)
    found = _outcome(run, data, steps, clock, "time" if state == "stopped" else "validation")
    notes.write_text(json.dumps(asdict(found)))
    return found


class _Clock:
    """Hears every event and stops the run when its seconds are spent; before: those of earlier
    calls."""

    def __init__(self, run: RunDirectory, seconds: float, before: float) -> None:
        self._run, self._seconds = run, seconds
        self._done = run.scores().epoch or 0
        self._start = time.process_time() - before
        self._last = (-1, 0.0)
        self.cpu: list[float] = []

    @property
    def spent(self) -> float:
        """Seconds of processor time, earlier calls included."""
        return time.process_time() - self._start

    def __call__(self, event: Event) -> None:
        now = time.process_time()
        if isinstance(event, Step):
            if self._last[0] == event.epoch:  # no validation in between
                self.cpu.append(now - self._last[1])
            self._last = (event.epoch, now)
        # A step is of an epoch that has yet to end.
        ahead = event.epoch - self._done if isinstance(event, Step | Epoch) else 0
        if ahead > isinstance(event, Step) and self.spent > self._seconds:
            self._run.request("stop")


def _outcome(run: RunDirectory, data: Dataset, steps: int, clock: _Clock, ended: str) -> Outcome:
    scores, best = run.scores(), run.best()
    assert best is not None
    assert scores.best is not None
    test = float(log_likelihood(compile_circuit(best), torch.tensor(data.test)).double().mean())
    epochs = [e for e in run.metrics()[0] if e.get("event") == "epoch" and e["epoch"]]
    return Outcome(
        parameters=best.num_parameters,
        valid=scores.best,
        test=test,
        epochs=scores.epoch or 0,
        best_epoch=scores.best_epoch or 0,
        seconds=clock.spent,
        ms=statistics.median(1e3 * e["seconds"] / steps for e in epochs),
        cpu_ms=1e3 * statistics.median(clock.cpu) if clock.cpu else math.nan,
        ended=ended,
    )
