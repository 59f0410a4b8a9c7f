"""A whole distillation as one run directory, so that it can be watched, paused and resumed as any
other run: the stages are run directories inside it, what they tell is repeated outside.

Epochs are numbered through all stages. The epochs of "parts" score rows together with their hidden
states, which is no likelihood of the rows; they say so by their "stage", and none of them is best.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from pccore.compile import compile_circuit
from pccore.datasets import Dataset, load
from pccore.distillation.assign import Assignments
from pccore.distillation.pipeline import DistilOptions, clustered, distil
from pccore.distillation.sources import obtain
from pccore.errors import RunError
from pccore.graph import Circuit
from pccore.learn.base import Learner, Method, method_named, methods
from pccore.learn.conduct import Conduct
from pccore.learn.directory import RunConfig, RunDirectory
from pccore.learn.distributed import ALONE, Peers
from pccore.learn.events import Epoch, Event, Paused, Resumed, Step, to_dict
from pccore.learn.look import ROWS, look
from pccore.learn.prepare import check_trainable, environment
from pccore.learn.run import execute
from pccore.learn.status import Command, State
from pccore.options import option, parse_options
from pccore.options import to_dict as options_to_dict
from pccore.transform import hidden_groups, with_states

NAME = "distil"
#: The stages, in order; the first has no run directory of its own.
STAGES = ("embeddings", "parts", "latents", "tune")
#: Seconds between copies of the best model.
_BEST_EVERY = 5.0


@dataclass(frozen=True)
class DistilRunOptions(DistilOptions):
    """How the stages learn, and what is clustered."""

    embeddings: Literal["values", "autoencoder", "tokens"] = option(
        "values",
        help="what is clustered; values: what is behind each hidden variable; autoencoder: a small "
        "network trained on the patches of the images; tokens: one trained on the sequences",
    )


def _no_learner(program: object, rows: int, options: object) -> Learner:
    raise RunError("a distillation is no single learner", hint="use `pccore distil`")


DISTIL = Method(
    NAME,
    "Latent variable distillation",
    "Clusters tell the hidden variables of a hidden tree, hidden Markov model or patches first: "
    "each p(x | z) learns from its own rows, then p(z), then everything by EM.",
    DistilRunOptions,
    _no_learner,
)


def run_methods() -> Mapping[str, Method]:
    """Everything that a run can do, by name: the learning methods, and distillation."""
    return {**methods(), NAME: DISTIL}


def run_method(name: str) -> Method:
    """Raises NotFoundError for an unknown name."""
    return DISTIL if name == NAME else method_named(name)


def prepare_distillation(
    path: str | Path,
    circuit: Circuit,
    dataset: Dataset,
    *,
    model: str,
    data: str,
    options: DistilRunOptions | None = None,
    threads: int | None = None,
    title: str = "",
) -> RunDirectory:
    """Check everything that can be wrong, then make the run directory.

    Raises OptionError for a circuit that has noted no hidden variables, and what
    `pccore.learn.prepare_run` raises; nothing is written then.
    """
    with_states(circuit, hidden_groups(circuit))
    check_trainable(circuit, dataset)
    config = RunConfig(
        model=model,
        data=data,
        method=NAME,
        method_options=options_to_dict(options or DistilRunOptions()),
        threads=threads,
        title=title,
        data_fingerprint=dataset.fingerprint(),
        environment=environment(),
    )
    return RunDirectory.create(path, config, circuit)


def execute_run(
    run: RunDirectory,
    *,
    resume: bool = False,
    listener: Callable[[Event], None] | None = None,
    data: Dataset | None = None,
    peers: Peers = ALONE,
) -> State:
    """Do a run of any kind, as `pccore.learn.execute` does those of one learner.

    Raises RunError for a distillation by several processes, and what `execute` raises.
    """
    if run.config().method != NAME:
        return execute(run, resume=resume, listener=listener, data=data, peers=peers)
    if peers.size > 1:
        raise RunError("is a distillation, which one process does", where=str(run.path))
    with run.locked():
        return _Distillation(run, listener).execute(resume, data)


class _StopError(Exception):
    """The user wants it to end."""


class _Distillation:
    def __init__(self, run: RunDirectory, listener: Callable[[Event], None] | None) -> None:
        self.run = run
        self.listener = listener
        self.config = run.config()
        self.options = parse_options(DistilRunOptions, self.config.method_options)
        self.conduct = Conduct(run)
        self.last_best = 0.0
        self.stage = ""
        self.offset = 0
        planned = {
            "parts": self.options.parts_epochs,
            "latents": self.options.latents_epochs,
            "tune": self.options.tune_epochs,
        }
        self.planned = {name: count for name, count in planned.items() if count}

    def execute(self, resume: bool, data: Dataset | None) -> State:
        self.run.request("run")
        with self.conduct.reports_failure():
            self.conduct.report("running", epochs=self._epochs, message="")
            try:
                self._stages(resume, data or load(self.config.data))
            except _StopError:
                self.conduct.report("stopped")
                return "stopped"
            self.conduct.report("finished", seconds_left=0.0)
            return "finished"

    @property
    def _epochs(self) -> int:
        """Of all stages, each of which begins with an epoch 0, as far as can be known."""
        return sum(self.planned.values()) + len(self.planned) - 1

    def _stages(self, resume: bool, dataset: Dataset) -> None:
        if self.config.data_fingerprint not in ("", dataset.fingerprint()):
            raise RunError(f"the data {self.config.data} has changed since the run began")
        if self.config.threads:
            torch.set_num_threads(self.config.threads)
        circuit, folder, options = self.run.initial(), self.run.path, self.options
        resume = resume and (folder / "1-parts").exists()
        found = None
        if not clustered(folder, resume):
            self._tell_stage("embeddings", 0)
            groups = hidden_groups(circuit)
            found = obtain(
                options.embeddings, dataset, circuit, groups, None, options.seed, self._embedded
            )
        given = isinstance(found, Assignments)
        try:
            result = distil(
                folder,
                circuit,
                dataset,
                None if given else found,
                options,
                assignments=found if given else None,
                model=self.config.model,
                data=self.config.data,
                resume=resume,
                listener=self._hear,
            )
        except RunError:
            # A stage that was stopped is an error there.
            if self.run.requested() == "stop":
                raise _StopError from None
            raise
        self.run.write_best(result.circuit)
        shown = torch.tensor((dataset.valid if len(dataset.valid) else dataset.train)[:ROWS])
        epoch = self.run.scores().best_epoch or 0
        self.run.write_look(look(compile_circuit(result.circuit), shown, epoch, dataset.image))

    # -- what is heard -----------------------------------------------------------------------

    def _embedded(self, epoch: int, loss: float) -> None:
        self._tell_stage("embeddings", epoch)
        if self._obey() == "stop":
            raise _StopError

    def _hear(self, stage: str, event: Event) -> None:
        if stage != self.stage:
            self._begin(stage)
        if isinstance(event, Step):
            # What is left of the stage says little about the rest.
            done = self.offset + event.epoch
            self.conduct.report("running", throttle=True, epoch=done, rate=event.rate)
        elif isinstance(event, Epoch):
            best = event.best and stage != "parts"
            told = replace(event, epoch=self.offset + event.epoch, best=best)
            self.run.append({**to_dict(told), "stage": stage})
            if best and time.monotonic() - self.last_best > _BEST_EVERY:
                self._keep_best(stage)
        if self.listener is not None:
            self.listener(event)
        if self._obey() == "stop":
            self._own(stage).request("stop")

    def _begin(self, stage: str) -> None:
        """A new stage: its epochs are counted on from those of the ones before."""
        if self.stage in ("latents", "tune"):
            self._keep_best(self.stage)
        self.stage, self.offset = stage, 0
        for name in self.planned:
            if name == stage:
                break
            own = self._own(name)
            if own.exists():
                # A closed form takes one, and some stop early.
                self.planned[name] = own.scores().epoch or 0
                self.offset += self.planned[name] + 1
        self.conduct.report("running", epochs=self._epochs)
        self._tell_stage(stage, 0)

    def _own(self, stage: str) -> RunDirectory:
        found = sorted(self.run.path.glob(f"[0-9]-{stage}"))
        return RunDirectory(found[0] if found else self.run.path / stage)

    def _keep_best(self, stage: str) -> None:
        best = self._own(stage).best()
        if best is not None:
            self.run.write_best(best)
            self.last_best = time.monotonic()

    def _tell_stage(self, stage: str, done: int) -> None:
        of = self.planned.get(stage)
        self.run.append({"event": "stage", "stage": stage, "done": done, "of": of})

    def _obey(self) -> Command:
        """What the user wants; waits here while that is a pause."""
        command = self.conduct.command()
        if command == "pause":
            epoch = self.conduct.status.epoch
            self.run.append(to_dict(Paused(epoch)))
            command = self.conduct.wait(self.conduct.command)
            if command == "run":
                self.run.append(to_dict(Resumed(epoch)))
        return command


__all__ = [
    "DISTIL",
    "DistilRunOptions",
    "execute_run",
    "prepare_distillation",
    "run_method",
    "run_methods",
]
