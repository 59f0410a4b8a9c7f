"""Turns: a run that has trained for a while makes room for those of others, and loses nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pc_workbench.jobs import Registry
from pc_workbench.jobs_queue import LOADS, LONGEST, Job, had_enough, in_order, to_park
from pccore import datasets, structures
from pccore.learn import Event, RunDirectory, Step, TrainOptions, execute, prepare_run

PATIENCE = 90.0
DATA = datasets.load("parity")
MODEL = structures.build_structure("naive_bayes", structures.shape_of(DATA), {"components": 3})
FOREVER = TrainOptions(epochs=100_000, patience=0)
WORKER = object()  # who trains; nothing is asked of it here


def job(owner: str, submitted: float, began: float | None = None, ordered: float = 0.0) -> Job:
    """One that waits; with began: one that trains."""
    one = Job(RunDirectory(f"{owner}{submitted}"), owner, submitted, 0.0)
    if began is not None:
        one.worker, one.began, one.ordered = WORKER, began, ordered or began  # type: ignore[assignment]
    return one


def test_who_was_served_longest_ago_is_next():
    greedy = [job("x", 1.0), job("x", 2.0)]
    modest = job("y", 3.0)
    # The first of x has just ended: without what was served x would be next once more.
    assert in_order([*greedy, modest]) == [greedy[0], modest, greedy[1]]
    assert in_order([*greedy, modest], {"x": 0.5}) == [modest, *greedy]
    assert in_order([*greedy, modest], {"x": 0.5, "y": 0.7}) == [greedy[0], modest, greedy[1]]


def test_who_has_had_a_turn_makes_room_for_others():
    mine, other = job("x", 1.0, began=10.0), job("y", 2.0)
    assert had_enough([mine, other], {}, 39.0, 30.0) == []
    assert had_enough([mine, other], {}, 40.0, 30.0) == [mine]
    assert had_enough([mine, other], {}, 40.0, 0.0) == []  # there are no turns
    assert had_enough([mine], {}, 900.0, 30.0) == []  # nobody waits
    assert had_enough([mine, job("x", 2.0)], {}, 900.0, 30.0) == []  # nobody else
    mine.yielding = True
    assert had_enough([mine, other, job("x", 3.0, began=10.0)], {}, 900.0, 30.0) == []


def test_only_for_those_who_have_no_more_slots():
    one, two, third = (job("x", 1.0, 10.0), job("x", 2.0, 11.0), job("y", 3.0, 12.0))
    waits = job("x", 4.0)
    assert had_enough([one, two, third, waits], {}, 900.0, 30.0) == []
    waits = [job("z", 4.0), job("z", 5.0), job("u", 6.0)]
    # A slot for z and one for u; the second of z would be more than y has.
    assert had_enough([one, two, third, *waits], {}, 900.0, 30.0) == [one, two]
    assert had_enough([third, *waits], {}, 900.0, 30.0) == [third]


def test_what_takes_long_to_load_trains_for_longer():
    slow, other = job("x", 1.0, began=20.0, ordered=10.0), job("y", 2.0)
    assert had_enough([slow, other], {}, 20.0 + LOADS * 10.0 - 1, 30.0) == []
    assert had_enough([slow, other], {}, 20.0 + LOADS * 10.0, 30.0) == [slow]
    slow.ordered = -1e6
    assert had_enough([slow, other], {}, 20.0 + LONGEST * 30.0, 30.0) == [slow]


def test_a_process_that_is_started_for_one_is_there_for_the_next():
    first, on_gpu = job("x", 1.0), job("y", 1.0)
    on_gpu.on_gpu = True
    for one in (first, on_gpu):
        one.ordered = 1.0
        one.heard("ready", 11.0)
        one.heard("began", 12.0)
    assert (first.ordered, on_gpu.ordered, first.began) == (11.0, 1.0, 12.0)


def test_who_loads_is_paused_or_stops_makes_no_room():
    loading, other = job("x", 1.0, began=0.0), job("y", 2.0)
    assert had_enough([loading, other], {}, 900.0, 30.0) == []
    for wanted in ("pause", "stop"):
        one = job("x", 1.0, began=1.0)
        one.wanted = wanted
        assert had_enough([one, other], {}, 900.0, 30.0) == []


def test_who_gives_the_process_back():
    jobs = [job("x", float(n), began=1.0) for n in range(4)]
    for n, one in enumerate(jobs[:3]):
        one.wanted, one.paused_at = "pause", float(-n)
    assert to_park(jobs, 2) == [jobs[2]]
    jobs[0].on_gpu = True
    assert to_park(jobs, 2) == [jobs[0]]


def test_who_is_away_waits_in_no_queue():
    away, here = job("x", 1.0), job("y", 2.0)
    away.absent = True
    assert in_order([away, here]) == [here] and not away.takes_slot


# -- in real processes -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    made = Registry(tmp_path_factory.mktemp("home") / "runs", 1, turn=0.2)
    yield made
    made.close()


def started(registry: Registry, owner: str) -> str:
    return registry.start(
        MODEL, DATA, owner=owner, model="m", data="parity", method="online-em",
        train_options=FOREVER,
    )  # fmt: skip


def turns(registry: Registry, run: str) -> int:
    events, _ = registry.directory(run).metrics()
    return sum(event["event"] == "resumed" for event in events)


def reaches(registry: Registry, run: str, state: str) -> None:
    end = time.monotonic() + PATIENCE
    while registry.view(run).state != state:
        assert time.monotonic() < end, registry.view(run)
        time.sleep(0.02)


def test_two_owners_take_turns_and_each_run_is_as_if_it_were_alone(
    registry: Registry, tmp_path: Path
):
    mine, other = started(registry, "one"), started(registry, "two")
    seen: set[tuple[str, int | None]] = set()
    end = time.monotonic() + PATIENCE
    while min(turns(registry, mine), turns(registry, other)) < 2:
        assert time.monotonic() < end
        view = registry.view(mine)
        seen.add((view.state, view.position))
        time.sleep(0.02)
    assert {("running", None), ("queued", 1)} <= seen
    assert not {state for state, _ in seen} & {"stopped", "stopping", "interrupted", "failed"}
    assert len(registry.processes()) == 1  # it is used again, not another started
    registry.stop(other)
    registry.stop(mine)
    reaches(registry, mine, "stopped")
    found = registry.directory(mine).read_checkpoint()
    assert found is not None
    place = found.numbers["epoch"], found.numbers["batches"]
    whole = prepare_run(
        tmp_path / "whole", MODEL, DATA, model="m", data="parity", method="online-em",
        train_options=FOREVER, threads=1,
    )  # fmt: skip

    def stop(event: Event) -> None:
        # As after the batch where the other was stopped, or after the last one of its epoch.
        if isinstance(event, Step):
            last = event.batch == event.batches
            at = (event.epoch, 0) if last else (event.epoch - 1, event.batch)
            if at == place and not last:
                whole.request("stop")
        elif (event.epoch, 0) == place:  # type: ignore[union-attr]
            whole.request("stop")

    assert execute(whole, data=DATA, listener=stop) == "stopped"
    expected = whole.read_checkpoint()
    assert expected is not None and {k: expected.numbers[k] for k in ("epoch", "batches")} == {
        k: found.numbers[k] for k in ("epoch", "batches")
    }
    assert expected.tensors.keys() == found.tensors.keys()
    assert all(torch.equal(t, expected.tensors[name]) for name, t in found.tensors.items())


def test_one_who_waits_for_the_next_turn_can_be_stopped(registry: Registry):
    mine, other = started(registry, "one"), started(registry, "two")
    end = time.monotonic() + PATIENCE
    while not (registry.view(mine).state == "queued" and registry.view(mine).status.epoch):
        assert time.monotonic() < end
        time.sleep(0.02)
    registry.pause(mine)  # it does not train: nothing to pause
    registry.stop(mine)
    assert registry.view(mine).state == "stopped"
    reaches(registry, other, "running")
    registry.resume(mine, "one")
    reaches(registry, mine, "running")
    for run in (mine, other):
        registry.stop(run)
        reaches(registry, run, "stopped")
