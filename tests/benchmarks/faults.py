"""Faults injected into runs, model files, workers and servers: what is lost, and what is said.

    pccore bench faults [--seed 0] [--quick] [--only KIND[:NUMBER]]

Small runs of every kind of learner are killed at random moments and at random bytes of what they
write, put on full disks, and have their files cut, zeroed, deleted or a bit of them flipped; model
files likewise; workers of the app end, servers restart, one of two peers is lost or hangs. After
each fault the run has to be listed and readable, to go on from its newest whole checkpoint, and to
end bit for bit as if nothing had been; every failure has to be one sentence. --quick: a few of each
that need no process of their own. Exit status 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import torch

from tests.benchmarks._faults import models, processes, training
from tests.benchmarks._faults.scene import Scene, Verdict
from tests.benchmarks._speed.output import Output

Fault = Callable[[Scene, random.Random], Verdict]
#: By name: the fault, how many of it, how many with --quick.
KINDS: Mapping[str, tuple[Fault, int, int]] = MappingProxyType(
    {
        "kill": (training.killed_training, 45, 2),
        "kill-saving": (training.killed_saving, 60, 4),
        "full-disk": (training.full_disk, 50, 3),
        "full-file-system": (training.small_file_system, 10, 0),
        "damage": (training.damaged_file, 70, 6),
        "damage-queued": (training.damaged_queued, 15, 1),
        "damage-live": (training.damaged_live, 15, 1),
        "model": (models.damaged_model, 80, 8),
        "worker": (processes.lost_worker, 6, 0),
        "server": (processes.server_restart, 4, 0),
        "peer": (processes.lost_peer, 6, 0),
    }
)


@dataclass
class Tally:
    """What came of the faults of one kind. lost: epochs that were computed again, at most."""

    faults: int = 0
    lost: int = 0
    said: Counter[str] = field(default_factory=Counter[str])
    problems: list[str] = field(default_factory=list[str])


def inject(scene: Scene, kind: str, number: int, seed: int, tally: Tally) -> None:
    """One fault, the same for the same seed."""
    try:
        verdict = KINDS[kind][0](scene, random.Random(f"{seed}:{kind}:{number}"))
    except Exception as error:
        traceback.print_exc()
        verdict = Verdict(problems=[f"{type(error).__name__}: {error}"])
    tally.faults += 1
    tally.lost = max(tally.lost, verdict.lost)
    if verdict.said:
        tally.said[verdict.said] += 1
    tally.problems += [f"{kind}:{number}: {problem}" for problem in verdict.problems or ()]


def main() -> int:
    """Inject, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", metavar="KIND[:NUMBER]", help=", ".join(KINDS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    options.threads = 1  # processes are forked, which torch's threads would not survive
    torch.set_num_threads(1)
    chosen, _, number = str(options.only).partition(":")
    if chosen and chosen not in KINDS:
        parser.error(f"there is no kind {chosen!r}, known are: {', '.join(KINDS)}")
    output = Output(options, f"pccore bench faults --seed {options.seed}")
    start = time.monotonic()
    tallies: dict[str, Tally] = {}
    # A kill does not ask what lies below, and this is quick.
    memory = Path("/dev/shm")  # noqa: S108 - holds a folder of our own
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        scene = Scene(Path(folder))
        models.write_models(scene)
        for kind in [chosen] if chosen else KINDS:
            _, many, few = KINDS[kind]
            numbers = [int(number)] if number else range(few if options.quick else many)
            tally = tallies[kind] = Tally()
            for one in numbers:
                inject(scene, kind, one, options.seed, tally)
            if tally.faults:
                output.say(f"{kind}: {tally.faults}, {time.monotonic() - start:.0f} s")
            for problem in tally.problems:
                output.say(f"  BROKEN {problem}")
    return report(output, {kind: tally for kind, tally in tallies.items() if tally.faults})


def report(output: Output, tallies: Mapping[str, Tally]) -> int:
    """The table; 1 where a promise is broken."""
    rows = [
        [str(KINDS[kind][0].__doc__), str(t.faults), str(t.lost), str(sum(t.said.values())),
         str(len(t.problems))]
        for kind, t in tallies.items()
    ]  # fmt: skip
    total = sum(t.faults for t in tallies.values())
    problems = [problem for t in tallies.values() for problem in t.problems]
    head = ["fault", "injected", "epochs computed again, at most", "told in a sentence",
            "promises broken"]  # fmt: skip
    output.table(head, rows)
    output.say(f"\n{total} faults, {len(problems)} promises broken")
    output.result |= {
        "faults": total,
        "problems": problems,
        "kinds": {
            kind: {"faults": t.faults, "lost": t.lost, "said": dict(t.said.most_common(8))}
            for kind, t in tallies.items()
        },
    }
    output.finish()
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
