"""Training jobs in real processes: pause, stop, crash, queue, restart; none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pc_workbench import jobs, paths, workspaces
from pc_workbench.jobs import Registry
from pc_workbench.jobs_queue import Load
from pc_workbench.jobs_state import state_elsewhere
from pccore import datasets, structures
from pccore.errors import DataError, FileError, NotFoundError, QuotaError, RunError
from pccore.learn import RunDirectory, Status, TrainOptions, prepare_run

PATIENCE = 90.0  # seconds; starting a process takes some on a busy machine

DATA = datasets.load("parity")
MODEL = structures.build_structure("naive_bayes", structures.shape_of(DATA), {"components": 3})
FOREVER = TrainOptions(epochs=100_000, patience=0)


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


def reaches(registry: Registry, run: str, state: str) -> None:
    until(lambda: registry.view(run).state == state, f"{run} {state}, {registry.view(run)}")


def start(registry: Registry, owner: str = "me", options: TrainOptions = FOREVER) -> str:
    return registry.start(
        MODEL, DATA, owner=owner, model="m", data="parity", method="em", train_options=options
    )


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Registry]]:
    made: list[Registry] = []

    def build(limit: int = 1, **options: float) -> Registry:
        made.append(Registry(tmp_path / "runs", limit, **options))
        return made[-1]

    yield build
    pids = [pid for registry in made for pid in registry.processes()]
    for registry in made:
        registry.close()
    assert not [pid for pid in pids if psutil.pid_exists(pid)], "a process was left behind"


def test_a_run_is_trained_and_the_process_is_used_again(make: Callable[..., Registry]):
    registry = make()
    run = start(registry, options=TrainOptions(epochs=5, patience=0))
    assert registry.view(run).state in ("starting", "running", "finished")
    reaches(registry, run, "finished")
    events, _ = registry.directory(run).metrics()
    assert [e["epoch"] for e in events if e["event"] == "epoch"] == list(range(6))
    assert registry.directory(run).best() is not None
    first = registry.processes()
    again = start(registry, options=TrainOptions(epochs=2, patience=0))
    reaches(registry, again, "finished")
    assert registry.processes() == first
    assert registry.owned("me") == ()


def test_pause_resume_and_stop_act_between_batches(make: Callable[..., Registry]):
    registry = make()
    run = start(registry)
    reaches(registry, run, "running")
    registry.pause(run)
    assert registry.view(run).state in ("pausing", "paused")
    reaches(registry, run, "paused")
    events, _ = registry.directory(run).metrics()
    time.sleep(0.3)
    assert len(registry.directory(run).metrics()[0]) - len(events) <= 1
    registry.resume(run)
    reaches(registry, run, "running")
    registry.stop(run)
    assert registry.view(run).state in ("stopping", "stopped")
    reaches(registry, run, "stopped")
    registry.resume(run)  # from its checkpoint
    reaches(registry, run, "running")
    registry.stop(run)
    reaches(registry, run, "stopped")


def test_a_pause_asked_for_before_the_start_is_not_lost(make: Callable[..., Registry]):
    registry = make()
    run = start(registry)
    registry.pause(run)  # the process is still reading torch
    reaches(registry, run, "paused")


def test_a_killed_process_fails_its_run_which_can_go_on(make: Callable[..., Registry]):
    registry = make()
    run = start(registry)
    reaches(registry, run, "running")
    until(lambda: registry.directory(run).best() is not None, "a first model")
    os.kill(registry.processes()[0], signal.SIGKILL)
    reaches(registry, run, "failed")
    assert "SIGKILL" in registry.view(run).message
    assert registry.processes() == ()
    registry.resume(run)
    reaches(registry, run, "running")
    assert registry.view(run).message == ""


def test_the_queue_is_fair_between_sessions(make: Callable[..., Registry]):
    registry = make(limit=1)
    first, second, third = (start(registry, "greedy") for _ in range(3))
    other = start(registry, "modest")
    positions = {run: registry.view(run).position for run in (first, second, third, other)}
    assert positions == {first: None, other: 1, second: 2, third: 3}
    assert registry.view(other).state == "queued"
    registry.stop(second)
    assert registry.view(second).state == "stopped"
    assert registry.view(third).position == 2
    reaches(registry, first, "running")
    registry.pause(first)  # gives its place, not its process
    reaches(registry, other, "running")
    registry.resume(first)
    assert registry.view(first).state == "queued"
    registry.stop(other)
    reaches(registry, first, "running")
    assert len(registry.processes()) == 2


def test_of_many_paused_jobs_the_oldest_gives_its_process_back(make: Callable[..., Registry]):
    registry = make(limit=1)
    first = start(registry)
    reaches(registry, first, "running")
    registry.pause(first)
    second = start(registry)
    reaches(registry, second, "running")
    registry.pause(second)
    until(lambda: first not in registry.owned("me"), "the first is parked")
    assert registry.view(first).state == "paused"
    assert registry.view(second).state in ("pausing", "paused")
    registry.resume(first)
    reaches(registry, first, "running")
    registry.pause(first)
    until(lambda: second not in registry.owned("me"), "the second is parked")
    registry.stop(second)
    assert registry.view(second).state == "stopped"


def test_an_abandoned_job_pauses_comes_back_and_finally_stops(make: Callable[..., Registry]):
    registry = make(abandoned=2.0)
    run = start(registry)
    until(lambda: registry.view(run).state == "running" or _beat(registry), "running")
    registry.beat("me")
    reaches(registry, run, "paused")
    registry.beat("somebody", [run])  # looks at it by its link
    reaches(registry, run, "running")
    reaches(registry, run, "stopped")
    assert registry.directory(run).best() is not None


def _beat(registry: Registry) -> bool:
    registry.beat("me")
    return False


def test_a_server_that_ends_leaves_an_interrupted_run_to_the_next(
    make: Callable[..., Registry],
):
    first = make()
    run = start(first)
    waiting = start(first)
    reaches(first, run, "running")
    pids = first.processes()
    first.close()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    second = make()
    assert second.view(run).state == "interrupted"
    assert second.view(waiting).state == "interrupted"
    assert {view.id for _, view in second.runs()} == {run, waiting}
    second.resume(run)
    reaches(second, run, "running")
    with pytest.raises(RunError):
        first.resume(waiting)  # it is closed


def test_a_worker_leaves_when_its_server_is_killed(tmp_path: Path):
    script = (
        "import sys, time\n"
        "from pc_workbench.jobs_process import WorkerProcess\n"
        "worker = WorkerProcess(lambda w, m: print(w.pid, m['event'], flush=True))\n"
        "time.sleep(600)\n"
    )
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        pid, event = server.stdout.readline().split()
        assert event == "ready"
        server.kill()
        server.wait()
        until(lambda: not psutil.pid_exists(int(pid)) or _is_zombie(int(pid)), "the worker is gone")
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    make: Callable[..., Registry], tmp_path: Path
):
    registry = make()
    with pytest.raises(DataError):
        registry.start(
            MODEL, datasets.load("shapes"), owner="me", model="m", data="shapes", method="em"
        )
    with pytest.raises(NotFoundError):
        registry.start(MODEL, DATA, owner="me", model="m", data="parity", method="magic")
    assert registry.runs() == () and registry.processes() == ()


@pytest.mark.parametrize("run", ["../x", "", ".", "a/b", "/etc"])
def test_bad_ids(make: Callable[..., Registry], run: str):
    registry = make()
    for action in (registry.view, registry.pause, registry.stop, registry.resume):
        with pytest.raises(NotFoundError):
            action(run)


def test_unknown_and_damaged_runs(make: Callable[..., Registry], tmp_path: Path):
    registry = make()
    with pytest.raises(RunError):
        registry.view("r-0000")
    run = start(registry, options=TrainOptions(epochs=1))
    reaches(registry, run, "finished")
    with pytest.raises(RunError):
        registry.resume(run)
    (tmp_path / "runs" / run / "status.json").write_text("{")
    assert registry.view(run).state == "failed"
    (tmp_path / "runs" / run / "config.json").write_text("[")
    assert len(registry.runs()) == 1  # there is a copy
    (tmp_path / "runs" / run / "config.copy.json").write_text("[")
    assert registry.runs() == ()


def test_a_run_belongs_to_its_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    registry = Registry(paths.runs_folder(), 1, open_=False)
    mine, other = workspaces.new_id(), workspaces.new_id()
    secret = f"r-{'0' * 15}1"
    for folder, name in (
        (workspaces.runs_folder(mine), secret),
        (workspaces.runs_folder(mine), "named"),
        (paths.runs_folder(), "of-all"),
    ):
        run = prepare_run(folder / name, MODEL, DATA, model="m", data="parity")
        run.write_status(Status("running", time.time(), os.getpid(), epochs=50))
    assert {view.id for _, view in registry.runs(mine)} == {secret, "named", "of-all"}
    assert {view.id for _, view in registry.runs(other)} == {"of-all"}
    assert registry.view(secret, other).state == "running"  # by an id that nobody guesses
    with pytest.raises(RunError, match="not on this server"):
        registry.view("named", other)
    for run in (secret, "of-all"):
        for act in (registry.pause, registry.resume, registry.stop, registry.remove):
            with pytest.raises(RunError, match="only be looked at"):
                act(run, other)
        assert registry.directory(run, other).requested() == "run"
    with pytest.raises(RunError, match="command line"):
        registry.stop("of-all", mine)
    registry.pause(secret, mine)
    assert registry.directory(secret).requested() == "pause"
    with pytest.raises(RunError, match="stop it first"):
        registry.remove("named", mine)
    registry.directory("named", mine).write_status(Status("finished", time.time()))
    registry.remove("named", mine)
    assert {view.id for _, view in registry.runs(mine)} == {secret, "of-all"}
    # On a server for one person the runs of the command line are that person's.
    Registry(paths.runs_folder(), 1).stop("of-all", mine)
    assert registry.directory("of-all").requested() == "stop"


def test_an_owner_has_so_many_jobs_and_each_so_much_time(
    make: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PC_WORKBENCH_JOB_TIME", "0.01")
    monkeypatch.setenv("PC_WORKBENCH_JOB_COUNT", "1")
    registry = make()
    run = start(registry)
    with pytest.raises(QuotaError, match="stop one"):
        start(registry)
    other = start(registry, "somebody else")
    assert registry.load() == Load(running=1, waiting=1, limit=1)
    registry.stop(other)
    reaches(registry, run, "stopped")
    assert "allows 1 s of training" in registry.view(run).message
    directory = registry.directory(run)
    directory.append({"event": "epoch", "epoch": 9, "seconds": 1.0})  # as if it had had it all
    with pytest.raises(QuotaError, match="has had its 1 s"):
        registry.resume(run, "me")


def test_states_of_runs_elsewhere():
    now, dead = time.time(), 2**22 + 12345
    assert state_elsewhere(Status("finished", 0.0)) == "finished"
    assert state_elsewhere(Status("running", now, dead, machine="another")) == "running"
    assert state_elsewhere(Status("running", now, dead)) == "interrupted"
    assert state_elsewhere(Status("running", now - 60, dead)) == "interrupted"
    assert state_elsewhere(Status("running", now - 60, os.getpid())) == "running"  # a long batch
    assert state_elsewhere(Status("running", now - 6000, os.getpid())) == "interrupted"
    assert state_elsewhere(Status("queued", now)) == "interrupted"
    assert state_elsewhere(Status("paused", 0.0)) == "paused"


def test_runs_of_the_command_line_are_listed_and_asked_by_file(
    make: Callable[..., Registry], tmp_path: Path
):
    registry = make()
    run = prepare_run(tmp_path / "runs" / "mine", MODEL, DATA, model="m", data="parity")
    run.write_status(Status("running", time.time(), os.getpid(), epochs=50))
    assert [view.state for _, view in registry.runs()] == ["running"]
    registry.pause("mine")
    assert RunDirectory(run.path).requested() == "pause"
    registry.stop("mine")
    assert run.requested() == "stop"


def test_the_limit_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PC_WORKBENCH_HOME", str(tmp_path))
    for text, limit in (("3", 3), ("0", os.cpu_count()), ("x", os.cpu_count())):
        monkeypatch.setenv(jobs.LIMIT_VARIABLE, text)
        jobs.registry.cache_clear()
        assert jobs.registry().limit == limit
    jobs.registry.cache_clear()


def test_a_full_disk_takes_no_job_with_it(
    make: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
):
    registry = make()
    run = start(registry)
    reaches(registry, run, "running")
    until(lambda: registry.directory(run).best() is not None, "a first model")

    def full(path: Path, *_: object) -> None:
        raise FileError("cannot be written: No space left on device", where=str(path))

    monkeypatch.setattr("pccore.learn.storage.write_atomically", full)  # in the server
    registry.pause(run)  # cannot be told to the worker
    os.kill(registry.processes()[0], signal.SIGKILL)
    until(lambda: registry.owned("me") == (), "the job is over")
    assert registry.view(run).state == "interrupted"  # as its status says so no more
    monkeypatch.undo()
    registry.resume(run)
    reaches(registry, run, "running")


def test_a_worker_that_used_a_gpu_is_not_used_again(make: Callable[..., Registry]):
    registry = make()
    run = start(registry, options=TrainOptions(epochs=1, patience=0))
    reaches(registry, run, "finished")
    (worker,) = registry._pool.idle  # pyright: ignore[reportPrivateUsage]
    again = start(registry)
    assert registry.processes() == (worker.pid,)
    registry._hear(worker, {"event": "end", "leaving": True})  # pyright: ignore[reportPrivateUsage]
    assert registry.owned("me") == () and worker not in registry._pool.idle  # pyright: ignore[reportPrivateUsage]
    assert registry.processes() == (worker.pid,)  # until it has ended
    assert again


def test_of_jobs_on_a_gpu_none_waits_with_its_process(
    make: Callable[..., Registry], tmp_path: Path
):
    from pccore.learn import prepare_run

    registry = make(limit=2)
    folder = tmp_path / "runs" / "mine"
    prepare_run(folder, MODEL, DATA, model="m", data="parity", method="em",
                train_options=FOREVER)  # fmt: skip
    registry.resume("mine", "me")
    reaches(registry, "mine", "running")
    # As if it were: this machine has none.
    registry._jobs[folder].on_gpu = True  # pyright: ignore[reportPrivateUsage]
    registry.pause("mine")
    until(lambda: registry.owned("me") == (), "it is parked")
    assert registry.view("mine").state == "paused"
