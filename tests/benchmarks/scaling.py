"""Two processes that train as one: speed-up, bytes and cost of the all-reduce, and a projection.

    pccore bench scaling [--pairs 9] [--gpu 100]

Two gloo processes on this machine. Measurements of one process (the other waits) and of both
alternate, batch by batch, within one run. An update of mini-batch EM adds up the expected counts of
all processes: as many bytes as there are parameters that learn, once an update (full-batch EM: once
an epoch). The projection is computed, not measured: the processor time of one process on its share
of the batch, the best that was measured, plus a ring all-reduce of the measured bytes, 2(n-1)/n of
them over a link and 2(n-1) times its latency. Links are assumptions, stated in the table; so is
that a GPU is --gpu times as fast as one core here.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import torch.distributed as dist

from pccore.compile import compile_circuit
from pccore.learn import Trainer, TrainOptions
from pccore.learn.distributed import ALONE, Peers, joined
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure
from tests.benchmarks._speed.output import Output, short

#: Circuits over 256 binary variables, by units K; rows of a batch.
UNITS, BATCH = (8, 16, 32), 512
#: Shares of a batch that one process is timed on, for the projection.
PROCESSES = (1, 2, 8, 16, 32)
#: Bytes of all-reduces that are timed alone.
MESSAGES = (8, 40_000, 400_000, 4_000_000, 40_000_000)


@dataclass(frozen=True)
class Link:
    """bandwidth: bytes a second that a process sends and receives; latency: seconds a message."""

    bandwidth: float
    latency: float

    def all_reduce(self, size: float, processes: int) -> float:
        """Seconds of a ring all-reduce."""
        steps = 2 * (processes - 1)
        return steps * (self.latency + size / processes / self.bandwidth)


#: Assumed, not measured here.
LINKS: Mapping[str, Link] = MappingProxyType(
    {
        "8 GPUs, one machine (300 GB/s, 5 us)": Link(300e9, 5e-6),
        "2 x 8 GPUs, 400 Gb/s (40 GB/s, 10 us)": Link(40e9, 10e-6),
        "4 x 8 GPUs, 100 Gb/s (10 GB/s, 20 us)": Link(10e9, 20e-6),
        "8 machines of one core, 10 Gb/s (1 GB/s, 50 us)": Link(1e9, 50e-6),
    }
)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def trainer_of(units: int, peers: Peers) -> Trainer:
    options = {"depth": 4, "replicas": 4, "units": units}
    circuit = build_structure("rat", Shape.of(256, Support("finite", 2)), options)
    x = torch.randint(0, 2, (BATCH, 256), generator=torch.Generator().manual_seed(0)).float()
    train = TrainOptions(batch_size=BATCH)
    return Trainer(compile_circuit(circuit), x, None, "online-em", options=train, peers=peers)


def update(trainer: Trainer, rows: int) -> Callable[[], object]:
    """One update from this process's share of so many rows."""
    return lambda: trainer.learner.batch(trainer.train[trainer.peers.share(torch.arange(rows))])


def measure(units: int, pairs: int, peers: Peers) -> dict[str, Any]:
    """Times of an update, alone and together, alternately; bytes that it exchanges."""
    alone, both = trainer_of(units, ALONE), trainer_of(units, peers)
    for trainer in (alone, both):  # buffers, tables
        for _ in range(2):
            update(trainer, BATCH)()
    sent: list[int] = []  # of the last update
    waited: list[float] = []
    reduce = dist.all_reduce

    def counted(tensor: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        sent.append(tensor.numel() * tensor.element_size())
        return reduce(tensor, *arguments, **options)

    found: dict[str, list[tuple[float, float]]] = {"together": []}
    for _ in range(pairs):
        for count in PROCESSES:
            peers.assembled()
            if peers.leads:
                work = update(alone, BATCH // count)
                found.setdefault(f"1/{count}", []).append(timed(work))
        peers.assembled()
        sent.clear()
        dist.all_reduce = counted
        found["together"].append(timed(update(both, BATCH)))
        dist.all_reduce = reduce
        tensors = [torch.zeros(size // 4) for size in sent]
        peers.assembled()
        waited.append(timed(lambda tensors=tensors: peers.add(tensors))[0])
    cpu = peers.total(*(cpu for _, cpu in found["together"]))
    return {
        "units": units,
        "parameters": alone.program.circuit.num_parameters,
        "bytes": sum(sent),
        "messages": len(sent),
        "seconds": {name: [wall for wall, _ in times] for name, times in found.items()},
        "cpu": {name: [cpu for _, cpu in times] for name, times in found.items()},
        "cpu_of_both": cpu,
        "all_reduce": waited,
    }


def messages(pairs: int, peers: Peers) -> list[dict[str, float]]:
    """Times of all-reduces of several sizes."""
    found: list[dict[str, float]] = []
    for size in MESSAGES:
        tensor = torch.zeros(max(1, size // 4))
        times: list[float] = []
        for _ in range(3 * pairs):
            peers.assembled()
            times.append(timed(lambda tensor=tensor: peers.add([tensor]))[0])
        found.append({"bytes": size, "median": statistics.median(times), "best": min(times)})
    return found


def child(path: str, pairs: int) -> None:
    """One of the two processes."""
    torch.set_num_threads(1)
    with joined(patience=600.0) as peers:
        result = {
            "updates": [measure(units, pairs, peers) for units in UNITS],
            "messages": messages(pairs, peers),
        }
        if peers.leads:
            Path(path).write_text(json.dumps(result))


def run(pairs: int) -> dict[str, Any]:
    """Both processes, and what the first has found."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
                  "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}  # fmt: skip
        command = [sys.executable, __file__, "--child", str(path), "--pairs", str(pairs)]
        both = [
            subprocess.Popen(command, env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
            for rank in range(2)
        ]
        if any([one.wait() for one in both]):
            raise SystemExit("a process has failed")
        return json.loads(path.read_text())


def efficiency(found: Mapping[str, Any], processes: int, link: Link, factor: float) -> float:
    """Computed speed-up over one, divided by the number of processes; factor: how much faster."""
    best = {name: min(times) / factor for name, times in found["cpu"].items()}
    together = best[f"1/{processes}"] + link.all_reduce(found["bytes"], processes)
    return best["1/1"] / together / processes


def weak(found: Mapping[str, Any], processes: int, link: Link, factor: float) -> float:
    """The same where each process keeps the whole batch, so that batches grow with them."""
    alone = min(found["cpu"]["1/1"]) / factor
    return alone / (alone + link.all_reduce(found["bytes"], processes))


def report(found: Mapping[str, Any], output: Output, gpu: float) -> None:
    """The tables."""
    rows: list[list[str]] = []
    for one in found["updates"]:
        alone, both = one["seconds"]["1/1"], one["seconds"]["together"]
        ratios = [a / b for a, b in zip(alone, both, strict=True)]
        work = min(one["cpu_of_both"]) / min(one["cpu"]["1/1"])
        rows.append(
            [str(one["units"]), f"{one['parameters']:,}", f"{one['bytes']:,.0f}",
             short(1e3 * statistics.median(alone)), short(1e3 * statistics.median(both)),
             f"{statistics.median(ratios):.2f}", f"{min(alone) / min(both):.2f}", f"{work:.2f}",
             short(1e3 * statistics.median(one["all_reduce"])),
             short(1e3 * min(one["all_reduce"]))]
        )  # fmt: skip
    head = ["K", "parameters", "bytes an update", "one, ms", "two, ms", "speed-up, median",
            "best to best", "CPU time, two to one", "all-reduce, ms", "best"]  # fmt: skip
    output.table(head, rows, f"an update of mini-batch EM, {BATCH} rows")
    rows = [
        [f"{m['bytes']:,.0f}", short(1e3 * m["median"]), short(1e3 * m["best"]),
         short(m["bytes"] / m["best"] / 1e9)]
        for m in found["messages"]
    ]  # fmt: skip
    output.table(["bytes", "median, ms", "best, ms", "GB/s"], rows, "all-reduce of two processes")
    rows = []
    for name, link in LINKS.items():
        core = "core" in name
        many = 8 * int(name.split(" x ")[0]) if " x " in name else 8
        for kind, computed in (("one batch", efficiency), ("a batch each", weak)):
            shares = [computed(u, many, link, 1 if core else gpu) for u in found["updates"]]
            rows.append([f"{name}: {kind}", str(many), *(f"{many * s:.1f}" for s in shares)])
    head = ["computed speed-up", "processes", *(f"K = {u['units']}" for u in found["updates"])]
    output.table(head, rows, f"projection; a GPU taken as {gpu:g} cores, links as said")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--gpu", type=float, default=100.0, help="cores that a GPU is worth")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    if options.child:
        child(options.child, options.pairs)
        return 0
    options.threads = 1
    output = Output(options, "pccore bench scaling")
    found = run(options.pairs)
    report(found, output, options.gpu)
    output.result |= found
    output.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
