"""Doing a run: from a run directory to a trained model, resumable at any time."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pccore import __version__
from pccore.compile import compile_circuit
from pccore.datasets import Dataset, ImageShape, check_columns, check_support, load
from pccore.datasets.labels import only
from pccore.errors import DataError, OptionError, PCError, RunError
from pccore.graph import Circuit
from pccore.learn.base import method_named
from pccore.learn.directory import Command, Origin, RunConfig, RunDirectory, State, Status
from pccore.learn.distributed import ALONE, Peers, launched
from pccore.learn.events import Epoch, Event, Finished, Paused, Resumed, Step, to_dict
from pccore.learn.look import ROWS, Looks, look
from pccore.learn.trainer import Snapshot, Trainer, TrainOptions
from pccore.options import parse_options
from pccore.options import to_dict as options_to_dict
from pccore.queries import require

#: Seconds between checkpoints, status updates and looks at the control file.
CHECKPOINT_EVERY = 5.0
STATUS_EVERY = 0.25
#: As numbers, which processes can tell each other.
COMMANDS: tuple[Command, ...] = ("run", "pause", "stop")


def prepare_run(
    path: str | Path,
    circuit: Circuit,
    dataset: Dataset,
    *,
    model: str,
    data: str,
    method: str = "em",
    method_options: object = None,
    train_options: TrainOptions | None = None,
    device: str = "cpu",
    threads: int | None = None,
    memory: int | None = None,
    title: str = "",
    label: int | None = None,
    frozen: Collection[str] = (),
    origin: Origin | None = None,
) -> RunDirectory:
    """Check everything that can be wrong, then make the run directory.

    label: learn from the rows of this class alone. frozen: ids of parameters that stay as they
    are. origin: the run whose model, changed, the circuit is. Raises PropertyError for a circuit
    that cannot be trained, DataError for data that does not fit it, OptionError, RunError; nothing
    is written then.
    """
    chosen = method_named(method)
    unknown = sorted(set(frozen) - set(circuit.params))
    if unknown:
        raise OptionError(f"the circuit has no parameter {unknown[0]!r} to freeze")
    check_trainable(circuit, dataset if label is None else only(dataset, label))
    config = RunConfig(
        model=model,
        data=data,
        method=method,
        method_options=options_to_dict(method_options or chosen.options()),
        train_options=options_to_dict(train_options or TrainOptions()),
        device=device,
        threads=threads,
        memory=memory,
        title=title,
        data_fingerprint=dataset.fingerprint(),
        label=label,
        frozen=sorted(frozen),
        origin=origin,
        environment=environment(),
    )
    return RunDirectory.create(path, config, circuit)


def environment() -> dict[str, str]:
    """Versions and machine, for the record."""
    return {
        "pccore": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **({"processes": os.environ["WORLD_SIZE"]} if launched() else {}),
    }


def check_trainable(circuit: Circuit, dataset: Dataset) -> None:
    """Raise PropertyError or DataError unless the circuit can learn from the data."""
    circuit.validate_params()
    require(circuit, "sample")
    check_columns(dataset, len(circuit.variables), where=dataset.name)
    unmentioned = [v for v in range(len(circuit.variables)) if v not in circuit.domains]
    if unmentioned:
        name = circuit.variables[unmentioned[0]]
        raise DataError(f"no leaf of the circuit mentions variable {name}", where=dataset.name)
    supports = [circuit.domain(v) for v in range(len(circuit.variables))]
    for split in ("train", "valid"):
        check_support(dataset.rows(split), supports, dataset.variables, f"{dataset.name}:{split}")


def execute(
    run: RunDirectory,
    *,
    resume: bool = False,
    listener: Callable[[Event], None] | None = None,
    data: Dataset | None = None,
    peers: Peers = ALONE,
) -> State:
    """Train until the options, a stop request or an error end it; returns the final state.

    With resume the last checkpoint is continued; on the CPU the result equals the
    uninterrupted run bit for bit. A stop keeps every finished epoch, a killed process loses
    those of the last CHECKPOINT_EVERY seconds. listener sees every event. Errors of the
    package are written to the status and raised again. peers: the processes that train together,
    each of which calls this; one of them writes.

    Raises RunError if another process (or thread) is at work in the directory, if it has
    already run, if it cannot be read or written, or if one of the peers is lost.
    """
    if not peers.leads:
        return _follow(run, resume, listener, data, peers)
    with run.locked():
        return _Execution(run, listener, peers).execute(resume, data)


def _follow(
    run: RunDirectory,
    resume: bool,
    listener: Callable[[Event], None] | None,
    data: Dataset | None,
    peers: Peers,
) -> State:
    """Train beside the process that writes, and do what that one is told."""
    trainer = _trainer(run, resume, data, peers)[0]
    for event in trainer.events():
        if listener is not None:
            listener(event)
        word = COMMANDS[peers.leaders(0)]
        while word == "pause":
            word = COMMANDS[peers.leaders(0)]
        if word == "stop":
            return "stopped"
    return "finished"


def _trainer(
    run: RunDirectory, resume: bool, data: Dataset | None, peers: Peers
) -> tuple[Trainer, bool, Dataset]:
    """The trainer of a run, whether it continues a checkpoint, and all the data."""
    config = run.config()
    if config.threads:
        torch.set_num_threads(config.threads)
    checkpoint = run.read_checkpoint()
    if checkpoint is not None and not resume:
        raise RunError("has already run", where=str(run.path), hint="use --resume")
    dataset = data or load(config.data)
    if config.data_fingerprint and dataset.fingerprint() != config.data_fingerprint:
        raise RunError(
            f"the data {config.data} has changed since the run began", where=str(run.path)
        )
    seen = dataset if config.label is None else only(dataset, config.label)
    device = config.device if peers.size == 1 else peers.device
    trainer = Trainer(
        compile_circuit(
            run.initial(), device, memory=config.memory, frozen=frozenset(config.frozen)
        ),
        seen.rows("train"),
        seen.rows("valid"),
        config.method,
        parse_options(method_named(config.method).options, config.method_options),
        parse_options(TrainOptions, config.train_options),
        peers,
    )
    if checkpoint is not None:
        trainer.restore(*checkpoint)
    return trainer, checkpoint is not None, dataset


class _Execution:
    def __init__(
        self, run: RunDirectory, listener: Callable[[Event], None] | None, peers: Peers
    ) -> None:
        self.run = run
        self.listener = listener
        self.peers = peers
        self.last_status = 0.0
        self.last_checkpoint = time.monotonic()
        #: The state after the last finished epoch, until it is written.
        self.unsaved: Snapshot | None = None
        self.looks = Looks()
        #: How rows are images, of which people want to see samples.
        self.image: ImageShape | None = None
        self.status = Status("running", time.time(), os.getpid())

    def execute(self, resume: bool, data: Dataset | None) -> State:
        try:
            trainer = self._begin(resume, data)
            self._report("running", epochs=trainer.options.epochs, message="")
            return self._pull(trainer)
        except Exception as error:
            known = isinstance(error, PCError)
            message = str(error) if known else f"{type(error).__name__}: {error}"
            with contextlib.suppress(PCError):  # a full disk must not hide what went wrong
                self._report("failed", message=message)
            raise

    def _begin(self, resume: bool, data: Dataset | None) -> Trainer:
        trainer, continues, dataset = _trainer(self.run, resume, data, self.peers)
        self.image = dataset.image
        # Without a checkpoint the run starts over, and so do its metrics.
        self.run.keep_metrics_until(trainer.progress.epoch if continues else -1)
        if continues and trainer.stop_reason() is None:
            self.run.append(to_dict(Resumed(trainer.progress.epoch)))
        self.run.request("run")
        return trainer

    def _pull(self, trainer: Trainer) -> State:
        events = trainer.events()
        try:
            for event in events:
                # First, or an epoch that the listener ends with SystemExit would be lost.
                self._record(trainer, event)
                if self.listener is not None:
                    self.listener(event)
                if self._obey(trainer.progress.epoch) == "stop":
                    events.close()
                    self._save()
                    self._report("stopped")
                    return "stopped"
            self._report("finished", seconds_left=0.0)
            return "finished"
        except BaseException:
            with contextlib.suppress(PCError):
                self._save()
            raise

    def _record(self, trainer: Trainer, event: Event) -> None:
        if isinstance(event, Step):
            self._report("running", event, throttle=True)
            return
        if isinstance(event, Epoch):
            self._report("running", epoch=event.epoch, throttle=True)
            if event.best:
                best = trainer.program.circuit.with_params(trainer.best_params)
                self.run.write_best(best)
        # Metrics before the checkpoint: a resumed run drops the events that come after its
        # checkpoint, but could not make up for a missing one.
        self.run.append(to_dict(event))
        self.unsaved = trainer.state()
        due = time.monotonic() - self.last_checkpoint >= CHECKPOINT_EVERY
        if due or isinstance(event, Finished) or event.epoch == 0:
            self._save()
        if isinstance(event, Finished) or self.looks.due:
            self._look(trainer, event)

    def _look(self, trainer: Trainer, event: Epoch | Finished) -> None:
        """Leave a look at the current parameters, at the end at the best, in the directory."""
        start = time.monotonic()
        rows = trainer.train if trainer.valid is None else trainer.valid
        # A full disk or memory must not end a run for the sake of a picture.
        with contextlib.suppress(OSError, MemoryError, torch.OutOfMemoryError, PCError):
            epoch = trainer.progress.epoch
            if isinstance(event, Finished) and event.best_epoch != epoch:
                # The state is saved: the program is free to show what the run has come to.
                trainer.program.load(trainer.best_params)
                epoch = event.best_epoch
            self.run.write_look(look(trainer.program, rows[:ROWS], epoch, self.image))
        self.looks.took(time.monotonic() - start)

    def _save(self) -> None:
        """Write the state after the last finished epoch, unless that has been done."""
        if self.unsaved is not None:
            self.run.write_checkpoint(*self.unsaved)
            self.unsaved = None
            self.last_checkpoint = time.monotonic()

    def _obey(self, epoch: int) -> str:
        """Read the control file, waiting here while the run is paused after this epoch."""
        command = self._command()
        paused = command == "pause"
        if paused:
            self._save()
            self.run.append(to_dict(Paused(epoch)))
        while command == "pause":
            self._report("paused", throttle=self.status.state == "paused")
            time.sleep(0.05)
            command = self._command()
        if paused and command == "run":
            self.run.append(to_dict(Resumed(epoch)))
        return command

    def _command(self) -> Command:
        """What the user wants now; the peers hear it, too."""
        return COMMANDS[self.peers.leaders(COMMANDS.index(self.run.requested()))]

    def _report(
        self, state: State, step: Step | None = None, throttle: bool = False, **changes: Any
    ) -> None:
        if step is not None:
            changes |= {"epoch": step.epoch, "rate": step.rate, "seconds_left": step.seconds_left}
        now = time.time()
        self.status = replace(self.status, state=state, heartbeat=now, **changes)
        if not throttle or now - self.last_status >= STATUS_EVERY:
            self.run.write_status(self.status)
            self.last_status = now
