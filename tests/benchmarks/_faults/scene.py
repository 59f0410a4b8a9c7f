"""Small runs to break, how they end when nothing breaks, and commands in forked processes."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pccore.cli import main
from pccore.datasets import load
from pccore.errors import PCError
from pccore.files import save_model
from pccore.learn import RunDirectory, find_runs
from pccore.learn import run as run_module
from pccore.learn.overview import summarise, to_csv
from pccore.structures import build_structure, shape_of
from tests.benchmarks._faults.disk import Disk

#: Methods of which the runs are, and their epochs: the checkpoints of each hold other things.
METHODS = ("online-em", "em", "adam", "hard-em", "hyper")
EPOCHS = 6
PATIENCE = 120.0  # seconds until a process that should have ended counts as hung


@dataclass(frozen=True)
class Ended:
    """How a forked command ended. status: as of a shell; said: on standard error."""

    status: int
    said: str

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


@dataclass(frozen=True)
class Reference:
    """The same run without a fault. seconds: that it takes; written: bytes, syncs and renames."""

    story: list[Any]
    tensors: dict[str, torch.Tensor]
    best: dict[str, torch.Tensor]
    seconds: float
    written: int


@dataclass
class Verdict:
    """What became of one fault. lost: finished epochs that were computed again; problems: what
    broke a promise, a sentence each; said: the sentence in which a failure was reported."""

    lost: int = 0
    problems: list[str] | None = None
    said: str = ""

    def complain(self, problem: str) -> None:
        self.problems = [*(self.problems or []), problem]


class Scene:
    """A folder with models and reference runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        data = load("parity")
        options = {"depth": 2, "replicas": 1, "units": 3}
        save_model(build_structure("rat", shape_of(data), options), folder / "rat.pc.safetensors")
        hyper = build_structure("hyperspn", shape_of(data), {"units": 2})
        save_model(hyper, folder / "hyper.pc.safetensors")
        self._references: dict[str, Reference] = {}
        # What is imported here need not be imported in every forked process.
        quiet = io.StringIO()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            for method in METHODS:
                main(self.begin(method, folder / f"warm-{method}"))

    def begin(self, method: str, run: Path) -> list[str]:
        """The command that trains."""
        model = self.folder / f"{'hyper' if method == 'hyper' else 'rat'}.pc.safetensors"
        settings = (f"epochs={EPOCHS}", "patience=0", "batch_size=300")
        return ["train", str(model), "--data", "parity", "--method", method, "--threads", "1",
                "--run", str(run), *(word for s in settings for word in ("--set", s))]  # fmt: skip

    def reference(self, method: str) -> Reference:
        """Of the run that nothing disturbs."""
        if method not in self._references:
            run = self.folder / f"whole-{method}"
            disk = Disk(0, "count")
            counted = self.folder / "counted"

            def train() -> int:
                disk.install()
                status = main(self.begin(method, run))
                counted.write_text(str(disk.used))
                return status

            start = time.perf_counter()
            ended = self.fork(train)
            seconds = time.perf_counter() - start
            if ended.status:
                raise SystemExit(f"even without a fault: {ended.said}")
            self._references[method] = Reference(
                *outcome(run), seconds=seconds, written=int(counted.read_text())
            )
        return self._references[method]

    def fork(
        self, work: Callable[[], int], *, kill_after: float | None = None, every: float = 0.0
    ) -> Ended:
        """Do something in a process of its own, killed after so many seconds if it still runs."""
        said = self.folder / "said"
        child = os.fork()
        if not child:
            status = 70
            try:
                run_module.CHECKPOINT_EVERY, run_module.CHECKPOINT_SHARE = every, 0.0
                stream = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(stream, 1)
                os.dup2(stream, 2)
                status = work()
            except BaseException as error:  # the traceback that no user may see
                print(f"Traceback: {type(error).__name__}: {error}", flush=True)
            finally:
                os._exit(status)
        end = time.monotonic() + (PATIENCE if kill_after is None else kill_after)
        while True:
            found, code = os.waitpid(child, os.WNOHANG)
            if found:
                break
            if time.monotonic() >= end:
                os.kill(child, signal.SIGKILL)
                _, code = os.waitpid(child, 0)
                break
            time.sleep(0.002)
        return Ended(os.waitstatus_to_exitcode(code), said.read_text(errors="replace"))

    def command(self, *words: str, every: float = 0.0) -> Ended:
        """`pccore WORDS` in a process of its own."""
        return self.fork(lambda: main([*words]), every=every)

    def half(self, method: str, run: Path, share: float) -> None:
        """A run that was killed when it had written a share of what it writes."""
        limit = int(self.reference(method).written * share)

        def train() -> int:
            Disk(limit, "kill").install()
            return main(self.begin(method, run))

        ended = self.fork(train)
        if not ended.killed:
            raise SystemExit(f"the run was not killed: {ended}")

    @contextlib.contextmanager
    def fresh(self, name: str):
        """A path for a run, removed afterwards."""
        path = self.runs / name
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(exist_ok=True)
        yield path
        shutil.rmtree(path, ignore_errors=True)

    # -- judging ---------------------------------------------------------------------------

    def must_be_readable(self, path: Path, verdict: Verdict) -> None:
        """Whatever lists and shows runs can do so with this one."""
        run = RunDirectory(path)
        try:
            if run.name not in [found.name for found in find_runs(path.parent)]:
                verdict.complain("the run is not listed")
            run.config(), run.status(), run.metrics(), run.requested()
            to_csv([summarise(run)])
        except Exception as error:
            verdict.complain(f"the run is unreadable: {type(error).__name__}: {error}")
        for part in (run.best, run.look, run.initial):
            try:
                part()
            except PCError:
                continue  # one file is damaged, and the error says which
            except Exception as error:
                verdict.complain(f"a damaged file raises {type(error).__name__}: {error}")

    def must_continue(
        self, method: str, path: Path, verdict: Verdict, excused: int, interval: float = 0.0
    ) -> None:
        """Resumed, the run loses no more epochs than excused and ends as if nothing had been.

        interval: seconds between its checkpoints, whose epochs may be lost as well.
        """
        run = RunDirectory(path)
        before = run.metrics()[0]
        known = {e["epoch"]: e for e in before if _is_epoch(e)}
        start = begins_at(run)
        ended = self.command(*self.begin(method, path), "--resume")
        must_be_sentences(ended, verdict)
        if ended.status:
            verdict.complain(f"not resumed: {ended.said.strip()[-300:]}")
            return
        lost = sorted(n for n in known if n > start)
        verdict.lost = len(lost)
        spent = sum(known[n].get("seconds") or 0.0 for n in lost[: -excused or None])
        if len(lost) > excused and spent >= interval:
            verdict.complain(f"{len(lost)} finished epochs are lost, {excused} excused")
        self.must_be_whole(method, path, verdict)

    def must_be_whole(self, method: str, path: Path, verdict: Verdict) -> None:
        """A finished run is, bit for bit, what it is without a fault."""
        reference = self.reference(method)
        story, tensors, best = outcome(path)
        if story != reference.story:
            verdict.complain("the metrics are not those of an undisturbed run")
        for what, found, wanted in (
            ("checkpoint", tensors, reference.tensors),
            ("best model", best, reference.best),
        ):
            if found.keys() != wanted.keys() or not all(
                torch.equal(t, wanted[n]) for n, t in found.items()
            ):
                verdict.complain(f"the {what} is not that of an undisturbed run")
        # One of the control file may be of somebody who asks for something just now.
        left = [p.name for p in path.glob(".*.tmp") if not p.name.startswith(".control")]
        if leftovers := sorted(left):
            verdict.complain(f"left behind: {leftovers}")


def outcome(path: Path) -> tuple[list[Any], dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """What a finished run has come to: its story without times, checkpoint, best model."""
    run = RunDirectory(path)
    marks = ("resumed", "paused", "repaired")
    told = [e for e in run.metrics()[0] if e.get("event") not in marks]
    story = [{k: v for k, v in event.items() if k != "seconds"} for event in told]
    checkpoint, best = run.read_checkpoint(), run.best()
    assert checkpoint is not None and best is not None
    return story, checkpoint.tensors, dict(best.params)


def begins_at(run: RunDirectory) -> int:
    """The last epoch that a resumed run need not compute again, -1 where there is none."""
    try:
        checkpoint = run.read_checkpoint()
    except PCError:
        return -1
    return -1 if checkpoint is None else int(checkpoint.numbers["epoch"])


def must_be_sentences(ended: Ended, verdict: Verdict) -> None:
    """A command that failed has said why: a line that starts like an error, no traceback."""
    if "Traceback" in ended.said or "a fault of the program" in ended.said:
        verdict.complain(f"no sentence: {ended.said.strip()[-300:]}")
    elif ended.status not in (0, -signal.SIGKILL):
        last = (ended.said.strip().splitlines() or [""])[-1]
        verdict.said = last
        if ended.status != 2 or not last.startswith("pccore: error: "):
            verdict.complain(f"status {ended.status}, said {last!r}")


def _is_epoch(event: dict[str, Any]) -> bool:
    return event.get("event") == "epoch" and isinstance(event.get("epoch"), int)
