"""Doing a run: from a run directory to a trained model, resumable at any time."""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from pccore.compile import compile_circuit
from pccore.datasets import Dataset, ImageShape, load
from pccore.datasets.labels import only
from pccore.errors import FileError, NotFoundError, PCError, RunError
from pccore.graph import Circuit
from pccore.learn.base import method_named
from pccore.learn.conduct import Conduct
from pccore.learn.directory import BEST, INITIAL, RunDirectory
from pccore.learn.distributed import ALONE, Peers
from pccore.learn.events import (
    Epoch,
    Event,
    Finished,
    Mark,
    Paused,
    Repaired,
    Resumed,
    Step,
    to_dict,
)
from pccore.learn.look import ROWS, Looks, look
from pccore.learn.status import Command, State
from pccore.learn.storage import Checkpoint, finite
from pccore.learn.trainer import Snapshot, Trainer, TrainOptions
from pccore.options import parse_options

#: Seconds between checkpoints.
CHECKPOINT_EVERY = 5.0
#: A checkpoint waits until training took so many times as long as the last one did.
CHECKPOINT_SHARE = 20.0
#: A state in memory, for an error amid an epoch, so many times as long as taking the last one.
KEEP_SHARE = 200.0
#: As numbers, which processes can tell each other.
COMMANDS: tuple[Command, ...] = ("run", "pause", "stop")


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
    uninterrupted run bit for bit. A stop keeps every finished batch, a killed process loses
    the last CHECKPOINT_EVERY seconds. Files that a resumed run finds damaged it does without, and
    says so among the metrics. listener sees every event. Errors of the
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
    trainer = _ready(run, resume, data, peers).trainer
    for event in trainer.events():
        if listener is not None:
            listener(event)
        word = COMMANDS[peers.leaders(0)]
        while word == "pause":
            word = COMMANDS[peers.leaders(0)]
        if word == "stop":
            return "stopped"
    return "finished"


@dataclass(frozen=True)
class _Ready:
    """A trainer that can begin or go on. dataset: all of it. damage: a sentence each."""

    trainer: Trainer
    checkpoint: Checkpoint | None
    dataset: Dataset
    damage: tuple[str, ...]


def _ready(run: RunDirectory, resume: bool, data: Dataset | None, peers: Peers) -> _Ready:
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
    circuit, damage = _structure(run, checkpoint)
    trainer = Trainer(
        compile_circuit(circuit, device, memory=config.memory, frozen=frozenset(config.frozen)),
        seen.rows("train"),
        seen.rows("valid"),
        config.method,
        parse_options(method_named(config.method).options, config.method_options),
        parse_options(TrainOptions, config.train_options),
        peers,
    )
    if checkpoint is not None:
        try:
            trainer.restore(checkpoint.tensors, checkpoint.numbers)
        except KeyError as error:
            raise RunError(f"the checkpoint has no {error}", where=str(run.path)) from None
        if checkpoint.damage:
            why = "; ".join(checkpoint.damage)
            damage.append(f"{why}: went on from the checkpoint before")
    peers.assembled()
    return _Ready(trainer, checkpoint, dataset, tuple(damage))


def _structure(run: RunDirectory, checkpoint: Checkpoint | None) -> tuple[Circuit, list[str]]:
    """The circuit to train, and what is wrong with its file."""
    try:
        return run.initial(), []
    except (FileError, NotFoundError):
        # A checkpoint has the parameters, and the best circuit the same structure.
        best = run.best() if checkpoint is not None else None
        if best is None:
            raise
        return best, [f"{INITIAL} is damaged: took the structure of {BEST}"]


class _Execution:
    def __init__(
        self, run: RunDirectory, listener: Callable[[Event], None] | None, peers: Peers
    ) -> None:
        self.run = run
        self.listener = listener
        self.peers = peers
        self.conduct = Conduct(run)
        self.last_checkpoint = time.monotonic()
        self.checkpoint_seconds = 0.0
        #: What the metrics say, for the next checkpoint.
        self.told: list[dict[str, Any]] = []
        #: A state that is not written yet, and how many of the events it has seen.
        self.unsaved: tuple[Snapshot, int] | None = None
        self.last_kept = self.keep_seconds = 0.0
        #: The best circuit so far, until it is written.
        self.best: Circuit | None = None
        self.looks = Looks()
        #: How rows are images, of which people want to see samples.
        self.image: ImageShape | None = None

    def execute(self, resume: bool, data: Dataset | None) -> State:
        with self.conduct.reports_failure():
            trainer = self._begin(resume, data)
            self.conduct.report("running", epochs=trainer.options.epochs, message="")
            return self._pull(trainer)

    def _begin(self, resume: bool, data: Dataset | None) -> Trainer:
        self.run.remove_leftovers()
        found = _ready(self.run, resume, data, self.peers)
        trainer, checkpoint = found.trainer, found.checkpoint
        self.image = found.dataset.image
        # Without a checkpoint the run starts over, and so do its metrics.
        if checkpoint is not None:
            self.told = self._told_until(checkpoint)
        self.run.write_metrics(self.told)
        if checkpoint is not None:
            self._restore_files(trainer, found)
            if trainer.stop_reason() is None:
                self._tell(Resumed(trainer.progress.epoch))
        self.run.request("run")
        return trainer

    def _told_until(self, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        """The metrics up to a checkpoint: later epochs are about to happen again."""
        told = checkpoint.events
        if told is None:  # of an older version
            last = int(checkpoint.numbers["epoch"])
            told = [e for e in self.run.metrics()[0] if e.get("epoch", last + 1) <= last]
        return [event for event in told if event.get("event") != "finished"]

    def _restore_files(self, trainer: Trainer, found: _Ready) -> None:
        """Make whole what was damaged, or is newer than the checkpoint."""
        damage = [*found.damage, *self.run.restore_config()]
        if found.checkpoint is not None and found.checkpoint.damage:
            self.run.drop_damaged_checkpoint()
        try:
            self.run.best()
        except FileError:
            damage.append(f"{BEST} is damaged: wrote it again")
        if trainer.progress.best > -float("inf"):
            self.run.write_best(trainer.program.circuit.with_params(trainer.best_params))
        for message in damage:
            self._tell(Repaired(trainer.progress.epoch, message))

    def _tell(self, event: Event | Mark) -> None:
        """A line of the metrics."""
        line = to_dict(event)
        self.run.append(line)
        self.told.append(finite(line))

    def _pull(self, trainer: Trainer) -> State:
        events, event = trainer.events(), None
        try:
            for event in events:
                # First, or an epoch that the listener ends with SystemExit would be lost.
                self._record(trainer, event)
                if self.listener is not None:
                    self.listener(event)
                if self._obey(trainer, event) == "stop":
                    events.close()
                    self._keep(trainer, event)
                    self._save()
                    self.conduct.report("stopped")
                    return "stopped"
            self.conduct.report("finished", seconds_left=0.0)
            return "finished"
        except BaseException:
            with contextlib.suppress(PCError):
                # Not amid an update: the parameters are those after the event.
                if event is not None and inspect.getgeneratorstate(events) == inspect.GEN_SUSPENDED:
                    self._keep(trainer, event)
                self._save()
            raise

    def _record(self, trainer: Trainer, event: Event) -> None:
        if isinstance(event, Step):
            self.conduct.report("running", event, throttle=True)
            if self._due:
                self._keep(trainer, event)
                self._save()
            return
        if isinstance(event, Epoch):
            self.conduct.report("running", epoch=event.epoch, throttle=True)
            if event.best:
                self.best = trainer.program.circuit.with_params(trainer.best_params)
        # Metrics before the checkpoint: a resumed run drops the events that come after its
        # checkpoint, but could not make up for a missing one.
        self._tell(event)
        save = self._due or isinstance(event, Finished) or event.epoch == 0
        waited = time.monotonic() - self.last_kept
        if save or not trainer.divisible or waited >= KEEP_SHARE * self.keep_seconds:
            self._keep(trainer, event)
        if save:
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

    @property
    def _due(self) -> bool:
        """Whether a checkpoint is; where it takes long there are fewer."""
        waited = time.monotonic() - self.last_checkpoint
        return waited >= max(CHECKPOINT_EVERY, CHECKPOINT_SHARE * self.checkpoint_seconds)

    def _keep(self, trainer: Trainer, event: Event) -> None:
        """Remember the state after an event, to be saved."""
        if not isinstance(event, Step) or trainer.divisible:
            start = time.monotonic()
            self.unsaved = trainer.state(), len(self.told)
            self.last_kept = time.monotonic()
            self.keep_seconds = self.last_kept - start

    def _save(self) -> None:
        """Write the state that was kept, unless that has been done."""
        if self.unsaved is not None:
            start = time.monotonic()
            state, told = self.unsaved
            self.run.write_checkpoint(*state, self.told[:told])
            if self.best is not None:
                self.run.write_best(self.best)
            self.unsaved = self.best = None
            self.last_checkpoint = time.monotonic()
            self.checkpoint_seconds = self.last_checkpoint - start

    def _obey(self, trainer: Trainer, event: Event) -> str:
        """Read the control file, waiting here while the run is paused after this event."""
        command = self._command()
        if command == "pause":
            epoch = trainer.progress.epoch
            self._tell(Paused(epoch))
            self._keep(trainer, event)
            self._save()
            command = self.conduct.wait(self._command)
            if command == "run":
                self._tell(Resumed(epoch))
        return command

    def _command(self) -> Command:
        """What the user wants now; the peers hear it, too."""
        return COMMANDS[self.peers.leaders(COMMANDS.index(self.conduct.command()))]
