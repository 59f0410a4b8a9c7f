"""A training run is a directory; everything about it can be read back after a crash.

config.json               what was asked for (see RunConfig)
initial.pc.safetensors    the circuit that training started from
metrics.jsonl             one event a line, appended
checkpoint.safetensors    parameters, learner state and progress; replaced by rename
best.pc.safetensors       the best circuit so far, an ordinary model file
look.safetensors          samples, the mean and the health of a recent model (see `look`)
status.json               state, heartbeat, process, last progress
control.json              what the user wants: run, pause or stop
lock                      held by the process that runs it
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pccore.errors import RunError
from pccore.files import load_model, save_model
from pccore.files.atomic import write_atomically
from pccore.graph import Circuit
from pccore.learn.look import Look, restored

State = Literal["queued", "running", "paused", "stopped", "finished", "failed"]
Command = Literal["run", "pause", "stop"]

#: States after which nothing more happens unless the run is resumed.
ENDED: tuple[State, ...] = ("stopped", "finished", "failed")

CONFIG = "config.json"
INITIAL = "initial.pc.safetensors"
METRICS = "metrics.jsonl"
CHECKPOINT = "checkpoint.safetensors"
BEST = "best.pc.safetensors"
LOOK = "look.safetensors"
STATUS = "status.json"
CONTROL = "control.json"
LOCK = "lock"

#: Seconds that a run which is just ending may take to let go of its directory.
LOCK_PATIENCE = 2.0


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
class Status:
    """Where a run stands. heartbeat: seconds since the epoch of the last sign of life."""

    state: State
    heartbeat: float
    process: int = 0
    message: str = ""
    epoch: int = 0
    epochs: int = 0
    rate: float = 0.0
    seconds_left: float | None = None


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
        """Make the directory. Raises RunError if it already holds a run."""
        run = cls(path)
        if (run.path / CONFIG).exists():
            raise RunError("already holds a run", where=str(path), hint="resume it or name another")
        try:
            run.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot be made: {error.strerror}", where=str(path)) from None
        save_model(circuit, run.path / INITIAL)
        run.write_status(Status("queued", time.time()))
        # Last, because a directory with a config is a run.
        run._write_json(CONFIG, asdict(config))
        return run

    @property
    def name(self) -> str:
        """The folder's name, the id of the run."""
        return self.path.name

    def exists(self) -> bool:
        """Whether the directory holds a run."""
        return (self.path / CONFIG).is_file()

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
        """Raises RunError if it is missing or malformed."""
        fields = self._read_json(CONFIG)
        if fields is None:
            raise RunError("holds no run", where=str(self.path))
        try:
            if fields.get("origin") is not None:
                fields["origin"] = Origin(**fields["origin"])
            return RunConfig(**fields)
        except TypeError:
            raise RunError(f"{CONFIG} is not a run configuration", where=str(self.path)) from None

    def write_config(self, config: RunConfig) -> None:
        """Replace the configuration: a resumed run may stop later than was planned."""
        self._write_json(CONFIG, asdict(config))

    def initial(self) -> Circuit:
        """The circuit that training started from."""
        return load_model(self.path / INITIAL)

    def best(self) -> Circuit | None:
        """The best circuit so far, None before the first epoch."""
        path = self.path / BEST
        return load_model(path) if path.exists() else None

    def write_best(self, circuit: Circuit) -> None:
        """Replace the best circuit."""
        save_model(circuit, self.path / BEST)

    # -- metrics -------------------------------------------------------------------------

    def append(self, event: Mapping[str, Any]) -> None:
        """Add one line to the metrics. Raises RunError if that cannot be written."""
        try:
            with (self.path / METRICS).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(_finite(event)) + "\n")
        except OSError as error:
            raise self._unwritable(METRICS, error) from None

    def metrics(self, start: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Complete events from byte `start` on, and the byte to continue from.

        A last line still being written, or cut by a crash, is left for later.
        """
        try:
            with (self.path / METRICS).open("rb") as stream:
                stream.seek(start)
                data = stream.read()
        except FileNotFoundError:
            return [], start
        end = data.rfind(b"\n") + 1
        events: list[dict[str, Any]] = []
        for line in data[:end].splitlines():
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                events.append(cast(dict[str, Any], event))
        return events, start + end

    def keep_metrics_until(self, epoch: int) -> None:
        """Drop events after `epoch`: they are about to happen again."""
        events, _ = self.metrics()
        kept = [e for e in events if isinstance(e.get("epoch"), int) and e["epoch"] <= epoch]
        text = "".join(json.dumps(e) + "\n" for e in kept)
        self._write(METRICS, text.encode())

    # -- checkpoints ---------------------------------------------------------------------

    def write_checkpoint(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Replace the checkpoint in one step: a crash leaves the old or the new one."""
        self._write_tensors(CHECKPOINT, tensors, numbers)

    def read_checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """(tensors, numbers), or None if there is none. Raises RunError if it is damaged."""
        return self._read_tensors(CHECKPOINT)

    # -- looks ---------------------------------------------------------------------------

    def write_look(self, look: Look) -> None:
        """Replace the last look."""
        self._write_tensors(LOOK, look.tensors(), look.facts())

    def look(self) -> Look | None:
        """The last look, None where there is none. Raises RunError if it is damaged."""
        found = self._read_tensors(LOOK)
        if found is None:
            return None
        try:
            return restored(*found)
        except (TypeError, ValueError):  # DataError is a ValueError
            raise RunError(f"{LOOK} is damaged", where=str(self.path)) from None

    # -- status and control --------------------------------------------------------------

    def write_status(self, status: Status) -> None:
        """Replace the status."""
        self._write_json(STATUS, asdict(status))

    def status(self) -> Status:
        """The last status; "failed" with a message where it cannot be read."""
        fields = self._read_json(STATUS)
        try:
            return Status(**(fields or {}))
        except TypeError:
            return Status("failed", 0.0, message=f"{STATUS} is missing or damaged")

    def request(self, command: Command) -> None:
        """Ask the process that runs it to run, pause or stop."""
        self._write_json(CONTROL, {"command": command})

    def requested(self) -> Command:
        """The last command, "run" if there is none."""
        fields = self._read_json(CONTROL) or {}
        command = fields.get("command")
        return command if command in ("run", "pause", "stop") else "run"

    # -- one process at a time -----------------------------------------------------------

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Keeps others from running here; the system lets go when the process dies.

        Raises RunError if somebody else is at work, or if the directory cannot be written.
        """
        try:
            stream = (self.path / LOCK).open("a")
        except OSError as error:
            raise self._unwritable(LOCK, error) from None
        with stream:
            deadline = time.monotonic() + LOCK_PATIENCE
            while not _try_lock(stream.fileno()):
                if time.monotonic() > deadline:
                    process = self.status().process
                    raise RunError(
                        f"is being run by another process ({process})",
                        where=str(self.path),
                        hint="stop that one first",
                    )
                time.sleep(0.05)
            yield

    def _unwritable(self, name: str, error: OSError) -> RunError:
        reason = error.strerror or type(error).__name__
        return RunError(f"{name} cannot be written: {reason}", where=str(self.path))

    # -- files ---------------------------------------------------------------------------

    def _write(self, name: str, data: bytes) -> None:
        def write(stream: BinaryIO) -> None:
            stream.write(data)

        write_atomically(self.path / name, write)

    def _write_tensors(
        self, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> None:
        contiguous = {key: tensor.contiguous() for key, tensor in tensors.items()}
        self._write(name, save(contiguous, {"progress": json.dumps(dict(facts))}))

    def _read_tensors(self, name: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        path = self.path / name
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})["progress"])
                return {key: file.get_tensor(key) for key in file.keys()}, facts  # noqa: SIM118
        except (SafetensorError, KeyError, ValueError, OSError) as error:
            raise RunError(f"{name} cannot be read: {error}", where=str(self.path)) from None

    def _write_json(self, name: str, fields: Mapping[str, Any]) -> None:
        self._write(name, json.dumps(_finite(fields), indent=1).encode())

    def _read_json(self, name: str) -> dict[str, Any] | None:
        try:
            fields = json.loads((self.path / name).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError):
            raise RunError(f"{name} is damaged", where=str(self.path)) from None
        if not isinstance(fields, dict):
            raise RunError(f"{name} is damaged", where=str(self.path))
        return cast(dict[str, Any], fields)


def _try_lock(descriptor: int) -> bool:
    """Lock an open file unless somebody else holds it; True where locks are not supported."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return True
    return True


def _finite(fields: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no infinities: they become None."""
    return {
        k: None if isinstance(v, float) and (v != v or abs(v) == float("inf")) else v
        for k, v in fields.items()
    }


def find_runs(folder: str | Path) -> list[RunDirectory]:
    """The runs directly inside `folder`, newest first."""
    try:
        entries: Iterable[os.DirEntry[str]] = list(os.scandir(folder))
    except OSError:
        return []
    runs = [RunDirectory(entry.path) for entry in entries if entry.is_dir()]
    dated = [
        (run.path.joinpath(CONFIG).stat().st_mtime, run.name, run) for run in runs if run.exists()
    ]
    return [run for _, _, run in sorted(dated, key=lambda item: item[:2], reverse=True)]


__all__ = ["ENDED", "Origin", "RunConfig", "RunDirectory", "Status", "find_runs"]
