"""The entries of the registry of jobs: who is next, who makes room, who gives its process back.

    in_order(jobs, served)        who waits: everybody's first job before anybody's second, then who
                                  was served longest ago
    had_enough(jobs, served, ...) who has to make room, where others wait for their turn

Nothing here acts: these are functions of the entries, which the registry carries out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pc_workbench.jobs_process import WorkerProcess
from pccore.learn import RunDirectory
from pccore.learn.status import Command

#: A turn is so many times as long as a run takes to be loaded again ...
LOADS = 5.0
#: ... but not more than so many usual turns.
LONGEST = 10.0
#: When each owner was last given a slot, where none has been yet.
NOBODY: Mapping[str, float] = MappingProxyType({})


@dataclass(eq=False)
class Job:
    """An entry of the registry. waiting: is paused with its worker, wants to go on, has no slot.
    parking: its worker stops so that the memory of the paused job is freed. yielding: its worker
    stops because it is the turn of others, or nobody looks; it waits for another then. absent:
    nobody looks, it goes on when somebody does. used: seconds in which
    it had a slot. ordered, began: when it was given its worker, and when training went on there, 0
    until it has. reason: why it is stopped, where nobody asked for that. on_gpu: its process holds
    memory of a GPU."""

    run: RunDirectory
    owner: str
    submitted: float
    beat: float
    wanted: Command = "run"
    worker: WorkerProcess | None = None
    waiting: bool = False
    parking: bool = False
    yielding: bool = False
    absent: bool = False
    paused_at: float = 0.0
    used: float = 0.0
    ordered: float = 0.0
    began: float = 0.0
    reason: str = ""
    on_gpu: bool = False

    @property
    def in_queue(self) -> bool:
        """Whether it waits for a slot."""
        return (self.waiting or self.worker is None) and not self.absent

    @property
    def takes_slot(self) -> bool:
        """Whether it counts among those that train at once."""
        return self.worker is not None and not self.waiting and self.wanted != "pause"

    def heard(self, event: str, now: float) -> None:
        """Its worker says that it is ready, or that training went on."""
        # The next one finds it ready, but on a GPU, where every run has a process of its own.
        if event == "ready" and not self.on_gpu:
            self.ordered = now
        elif event == "began":
            self.began = now

    def turn_over(self, now: float, turn: float) -> bool:
        """Whether it has trained for a turn of so many seconds; for longer where loading takes
        long, so that it is training that the time goes into."""
        if not self.takes_slot or self.wanted != "run" or not self.began or turn <= 0:
            return False
        mine = max(turn, min(LONGEST * turn, LOADS * (self.began - self.ordered)))
        return now - self.began >= mine


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a server is: jobs that train, jobs that wait, and how many may train at once."""

    running: int
    waiting: int
    limit: int


def load_of(jobs: Iterable[Job], limit: int) -> Load:
    """How busy a server with these jobs is."""
    everyone = tuple(jobs)
    return Load(sum(job.takes_slot for job in everyone), len(in_order(everyone)), limit)


def in_order(jobs: Iterable[Job], served: Mapping[str, float] = NOBODY) -> list[Job]:
    """Who waits, in order: everybody's first job comes before anybody's second; among equals whose
    owner was served longest ago. served: when each owner was last given a slot."""
    return [job for _, job in _ranked(jobs, served)]


def had_enough(
    jobs: Iterable[Job], served: Mapping[str, float], now: float, turn: float
) -> list[Job]:
    """The jobs that make room: they have had their turn (0: it has no end), and somebody else waits
    who has no more slots than their owner. The one that began first goes first, one for each who
    waits."""
    everyone = tuple(jobs)
    over = [job for job in everyone if not job.yielding and job.turn_over(now, turn)]
    if not over:
        return []
    slots = Counter(job.owner for job in everyone if not job.in_queue)
    # Those who make room already do so for the first of the queue.
    waiting = _ranked(everyone, served)[sum(job.yielding for job in everyone) :]
    found: list[Job] = []
    for job in sorted(over, key=lambda job: job.began):
        for rank, other in waiting:
            if other.owner != job.owner and rank < slots[job.owner]:
                waiting.remove((rank, other))
                slots[job.owner] -= 1
                found.append(job)
                break
    return found


def to_park(jobs: Iterable[Job], limit: int) -> list[Job]:
    """Of more paused jobs than may run the oldest, which give their process back; those on a GPU
    all do, whose memory others want."""
    paused = [job for job in jobs if job.worker and job.wanted == "pause" and not job.parking]
    paused.sort(key=lambda job: job.paused_at)
    rest = [job for job in paused if not job.on_gpu]
    return [*rest[: max(0, len(rest) - limit)], *(job for job in paused if job.on_gpu)]


def _ranked(jobs: Iterable[Job], served: Mapping[str, float]) -> list[tuple[int, Job]]:
    """(how many of its owner's come before it, job) of those that wait, in order."""
    everyone = tuple(jobs)
    # A paused job counts, too: it had its turn.
    ahead = Counter(job.owner for job in everyone if not job.in_queue)
    ranked: list[tuple[int, Job]] = []
    for job in sorted(everyone, key=lambda job: job.submitted):
        if job.in_queue and not job.parking:
            ranked.append((ahead[job.owner], job))
            ahead[job.owner] += 1
    return sorted(ranked, key=lambda one: (one[0], served.get(one[1].owner, 0.0)))
