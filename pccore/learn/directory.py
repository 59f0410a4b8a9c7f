"""A training run is a directory; everything about it can be read back after a crash.

config.json               what was asked for (see RunConfig)
config.copy.json          the same
initial.pc.safetensors    the circuit that training started from
metrics.jsonl             one event a line, appended (see `lines`)
checkpoint.safetensors    parameters, learner state, position in the epoch, and the metrics so far
checkpoint.previous.safetensors    the one before
best.pc.safetensors       the best circuit so far, an ordinary model file
look.safetensors          samples, the mean and the health of a recent model (see `look`)
status.json               state, heartbeat, process, last progress
control.json              what the user wants: run, pause or stop
lock                      held by the process that runs it

A run survives the loss of any one of these files. All but the metrics are replaced by rename, so
that a process killed at any byte leaves the old or the new one; where a disk damages one, checksums
tell. The two newest checkpoints are kept: an older one goes when a newer is safely on the disk.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from pccore.errors import FileError, RunError
from pccore.files import load_model, save_model
from pccore.files.atomic import append_line, remove_leftovers
from pccore.graph import Circuit
from pccore.learn import storage
from pccore.learn.lines import event_of, line_of
from pccore.learn.look import Look, restored
from pccore.learn.status import Command, Status, makes_sense
from pccore.learn.storage import Checkpoint

CONFIG = "config.json"
CONFIG_COPY = "config.copy.json"
INITIAL = "initial.pc.safetensors"
METRICS = "metrics.jsonl"
CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"
BEST = "best.pc.safetensors"
LOOK = "look.safetensors"
STATUS = "status.json"
CONTROL = "control.json"
LOCK = "lock"

#: Written by nobody but the process that holds the lock, while there is one.
_OWN = (CHECKPOINT, BEST, LOOK, METRICS, INITIAL, STATUS, CONFIG, CONFIG_COPY)


@dataclass(frozen=True)
class Origin:
    """Where a run goes on from: the best model of another run, changed.

    run: its folder's name, beside this one's. epoch: of that model. change: what was done to it,
    in words.
    """

    run: str
    epoch: int
    change: str


@dataclass(frozen=True)
class RunConfig:
    """What a run was asked to do; written once.

    model, data: as the user named them (the circuit itself is in the directory).
    method_options, train_options: as `pccore.options.to_dict` gives them.
    environment: versions and machine, for the record. memory: bytes for the buffers of a pass.
    label: of the class whose rows alone are learned from, None for all rows. frozen: ids of
    parameters that stay as they are. origin: of a run that goes on from another.
    """

    model: str
    data: str
    method: str = "em"
    method_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    train_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    device: str = "cpu"
    threads: int | None = None
    memory: int | None = None
    title: str = ""
    data_fingerprint: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    label: int | None = None
    frozen: Sequence[str] = ()
    origin: Origin | None = None
    version: int = 1


@dataclass(frozen=True)
class Scores:
    """How far a run has come; None where there is no such number (yet).

    epoch: the last. train, valid: its mean log-likelihoods in nats. best_epoch, best: the best and
    its score, on the validation rows where there are any. seconds: of training, in all.
    """

    epoch: int | None
    train: float | None
    valid: float | None
    best_epoch: int | None
    best: float | None
    seconds: float


class RunDirectory:
    """Reads and writes one run directory; holds nothing but its path."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | Path, config: RunConfig, circuit: Circuit) -> RunDirectory:
        """Make the directory. Raises RunError if it already holds a run, FileError where it cannot
        be written; nothing is left behind then."""
        run = cls(path)
        if run.exists():
            raise RunError("already holds a run", where=str(path), hint="resume it or name another")
        fresh = not run.path.exists()
        try:
            run.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot be made: {error.strerror}", where=str(path)) from None
        try:
            save_model(circuit, run.path / INITIAL)
            run.write_status(Status("queued", time.time()))
            # Last, because a directory with a config is a run.
            run.write_config(config)
        except BaseException:
            if fresh:
                shutil.rmtree(run.path, ignore_errors=True)
            raise
        return run

    @property
    def name(self) -> str:
        """The folder's name, the id of the run."""
        return self.path.name

    def exists(self) -> bool:
        """Whether the directory holds a run."""
        return any((self.path / name).is_file() for name in (CONFIG, CONFIG_COPY))

    def created(self) -> float:
        """When it was made, in seconds since the epoch; 0 where there is no telling."""
        for name in (CONFIG, CONFIG_COPY):
            with contextlib.suppress(OSError):
                return (self.path / name).stat().st_mtime
        return 0.0

    def scores(self) -> Scores:
        """What the metrics say. Raises RunError where they cannot be read."""
        epochs = [event for event in self.metrics()[0] if event.get("event") == "epoch"]
        last: Mapping[str, Any] = epochs[-1] if epochs else {}
        best: Mapping[str, Any] = next((e for e in reversed(epochs) if e.get("best")), {})
        valid = best.get("valid_log_likelihood")
        return Scores(
            epoch=last.get("epoch"),
            train=last.get("train_log_likelihood"),
            valid=last.get("valid_log_likelihood"),
            best_epoch=best.get("epoch"),
            best=best.get("train_log_likelihood") if valid is None else valid,
            seconds=sum(e["seconds"] for e in epochs if isinstance(e.get("seconds"), int | float)),
        )

    # -- configuration and models --------------------------------------------------------

    def config(self) -> RunConfig:
        """From the copy where the file itself is damaged. Raises RunError if both are, or if there
        is no run."""
        if not self.exists():
            raise RunError("holds no run", where=str(self.path))
        found = self._config(CONFIG) or self._config(CONFIG_COPY)
        if found is None:
            raise RunError(f"{CONFIG} and its copy are damaged", where=str(self.path))
        return found

    def restore_config(self) -> list[str]:
        """Write the configuration and its copy again where one is damaged; says so."""
        names = (CONFIG, CONFIG_COPY)
        damaged = [name for name in names if self._config(name) is None]
        if damaged:
            self.write_config(self.config())
        return [f"{name} is missing or damaged: wrote it again" for name in damaged]

    def _config(self, name: str) -> RunConfig | None:
        """None where the file is missing or damaged."""
        try:
            fields = storage.read_json(self.path / name)
            if fields is None:
                return None
            if fields.get("origin") is not None:
                fields["origin"] = Origin(**fields["origin"])
            return RunConfig(**fields)
        except (RunError, TypeError):
            return None

    def write_config(self, config: RunConfig) -> None:
        """Replace the configuration: a resumed run may stop later than was planned."""
        for name in (CONFIG_COPY, CONFIG):
            storage.write_json(self.path / name, asdict(config), check=True)

    def initial(self) -> Circuit:
        """The circuit that training started from."""
        return load_model(self.path / INITIAL)

    def best(self) -> Circuit | None:
        """The best circuit so far, None before the first epoch. Raises FileError where it is
        damaged."""
        path = self.path / BEST
        try:
            return load_model(path) if path.exists() else None
        except FileError as error:
            again = f"`pccore train --resume --run {self.path}` writes it again"
            raise FileError(error.message, where=error.where, hint=again) from None

    def write_best(self, circuit: Circuit) -> None:
        """Replace the best circuit."""
        save_model(circuit, self.path / BEST)

    # -- metrics -------------------------------------------------------------------------

    def append(self, event: Mapping[str, Any]) -> None:
        """Add one line to the metrics. Raises RunError if that cannot be written."""
        try:
            append_line(self.path / METRICS, line_of(event))
        except FileError as error:
            raise RunError(f"{METRICS} {error.message}", where=str(self.path)) from None

    def metrics(self, start: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Complete events from byte `start` on, and the byte to continue from.

        A last line still being written, or cut by a crash, is left for later. A line that was
        changed after it was written is the event "damaged"; a resumed run writes it again.
        """
        try:
            with (self.path / METRICS).open("rb") as stream:
                stream.seek(start)
                data = stream.read()
        except OSError:
            return [], start
        end = data.rfind(b"\n") + 1
        return [event_of(line) for line in data[:end].splitlines()], start + end

    def repairs(self) -> list[str]:
        """What was damaged when the run was last resumed, a sentence each."""
        told = [e for e in self.metrics()[0] if e.get("event") in ("epoch", "repaired")]
        latest = itertools.takewhile(lambda e: e.get("event") == "repaired", reversed(told))
        return [str(event.get("message")) for event in latest][::-1]

    def write_metrics(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Replace the metrics: what came after a checkpoint is about to happen again."""
        text = "".join(line_of(event) + "\n" for event in events)
        storage.write_bytes(self.path / METRICS, text.encode())

    # -- checkpoints ---------------------------------------------------------------------

    def write_checkpoint(
        self,
        tensors: Mapping[str, Tensor],
        numbers: Mapping[str, Any],
        events: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Add a checkpoint; of those before, the newest is kept. events: the metrics so far."""
        facts = {"numbers": dict(numbers), "events": list(events)}
        path, previous = self.path / CHECKPOINT, self.path / PREVIOUS
        storage.write_tensors(path, tensors, facts, previous)

    def read_checkpoint(self) -> Checkpoint | None:
        """The newest one that is whole, None if there is none. Raises RunError if all are
        damaged."""
        damage: list[str] = []
        for name in (CHECKPOINT, PREVIOUS):
            try:
                found = storage.read_tensors(self.path / name)
                if found is not None:
                    tensors, facts = found
                    # Before there were events, the numbers stood alone.
                    numbers = facts.get("numbers", facts)
                    return Checkpoint(tensors, numbers, facts.get("events"), damage)
            except RunError as error:
                damage.append(error.message)
        if damage:
            raise RunError("; ".join(damage), where=str(self.path), hint="start the run anew")
        return None

    def drop_damaged_checkpoint(self) -> None:
        """Remove the newest one: the next would otherwise take the place of the one before."""
        (self.path / CHECKPOINT).unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove what a killed process has half written; only for the holder of the lock."""
        remove_leftovers(self.path, _OWN)

    # -- looks ---------------------------------------------------------------------------

    def write_look(self, look: Look) -> None:
        """Replace the last look."""
        storage.write_tensors(self.path / LOOK, look.tensors(), look.facts())

    def look(self) -> Look | None:
        """The last look, None where there is none. Raises RunError if it is damaged."""
        found = storage.read_tensors(self.path / LOOK)
        if found is None:
            return None
        try:
            return restored(*found)
        except (TypeError, ValueError, KeyError):  # DataError is a ValueError
            raise RunError(f"{LOOK} is damaged", where=str(self.path)) from None

    # -- status and control --------------------------------------------------------------

    def write_status(self, status: Status) -> None:
        """Replace the status."""
        storage.write_json(self.path / STATUS, asdict(status), check=True)

    def status(self) -> Status:
        """The last status; "failed" with a message where it cannot be read."""
        try:
            found = Status(**(storage.read_json(self.path / STATUS) or {}))
        except (RunError, TypeError):
            found = None
        if found is None or not makes_sense(asdict(found)):
            return Status("failed", 0.0, message=f"{STATUS} is missing or damaged")
        return found

    def request(self, command: Command) -> None:
        """Ask the process that runs it to run, pause or stop."""
        storage.write_json(self.path / CONTROL, {"command": command})

    def requested(self) -> Command:
        """The last command, "run" if there is none or the file is damaged."""
        try:
            command = (storage.read_json(self.path / CONTROL) or {}).get("command")
        except RunError:
            return "run"
        return command if command in ("run", "pause", "stop") else "run"

    def control_stamp(self) -> tuple[int, ...]:
        """What every `request` changes, cheaper to look at than the command; () without one."""
        try:
            found = (self.path / CONTROL).stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_ino, found.st_size

    # -- one process at a time -----------------------------------------------------------

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Keeps others from running here; the system lets go when the process dies.

        Raises RunError if somebody else is at work, or if the directory cannot be written.
        """
        with contextlib.ExitStack() as stack:
            try:
                held = stack.enter_context(storage.locked(self.path / LOCK))
            except OSError as error:
                reason = error.strerror or type(error).__name__
                message = f"{LOCK} cannot be written: {reason}"
                raise RunError(message, where=str(self.path)) from None
            if not held:
                process = self.status().process
                raise RunError(
                    f"is being run by another process ({process})",
                    where=str(self.path),
                    hint="stop that one first",
                )
            yield


def find_runs(folder: str | Path) -> list[RunDirectory]:
    """The runs directly inside `folder`, newest first."""
    try:
        entries: Iterable[os.DirEntry[str]] = list(os.scandir(folder))
    except OSError:
        return []
    runs = [RunDirectory(entry.path) for entry in entries if entry.is_dir()]
    dated = [(run.created(), run.name, run) for run in runs if run.exists()]
    return [run for _, _, run in sorted(dated, key=lambda item: item[:2], reverse=True)]


__all__ = ["Origin", "RunConfig", "RunDirectory", "find_runs"]
