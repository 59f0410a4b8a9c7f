"""The measured processes, seen from the command: where they run, and what comes back."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .job import Job

#: tests/benchmarks, from which `_speed` is imported.
FOLDER = Path(__file__).resolve().parents[1]
ROOT = FOLDER.parents[1]

#: As shipped, and with all memory from the heap, kept: glibc maps blocks above 32 MiB anew for
#: each tensor otherwise, and faulting the pages in is much of what peers do at K >= 20.
ALLOCATORS: Mapping[str, Mapping[str, str]] = {
    "as shipped": {},
    "no mmap": {
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": "68719476736",
        "MALLOC_TOP_PAD_": "268435456",
    },
}


@dataclass(frozen=True)
class Peer:
    """An engine that runs in a process of its own. structures, leaves: what is compared."""

    name: str
    module: str
    trainings: tuple[str, ...]
    structures: tuple[str, ...]
    leaves: tuple[str, ...] = ("gaussian",)

    def has(self, job: Job) -> bool:
        """Whether it can build the circuit of a job."""
        return job.structure in self.structures and job.leaf in self.leaves


BOTH = ("gaussian", "categorical")
PEERS: tuple[Peer, ...] = (
    Peer("spflow", "peer_spflow", ("adam",), ("rat",)),
    Peer("cirkit", "peer_cirkit", ("adam",), ("rat", "pd"), BOTH),
    Peer("simple-einet", "peer_simple_einet", ("adam",), ("rat",)),
    Peer("einsumnetworks", "peer_einsumnetworks", ("em", "adam"), ("rat", "pd"), BOTH),
)


@dataclass(frozen=True)
class Runner:
    """How processes are started; pythons, paths: by peer's name; timeout: seconds of each."""

    pythons: Mapping[str, str]
    paths: Mapping[str, str]
    timeout: float

    def ours(self, job: Job, module: str = "ours") -> dict[str, Any]:
        """Run a job in this interpreter, with this checkout of pccore."""
        paths = [str(FOLDER), str(ROOT), os.environ.get("PYTHONPATH", "")]
        return self._run(sys.executable, module, job, paths, {})

    def peer(self, name: str, module: str, job: Job, allocator: str) -> dict[str, Any]:
        """Run a job in a peer's interpreter."""
        paths = [str(FOLDER), self.paths.get(name, "")]
        python = self.pythons.get(name, sys.executable)
        return self._run(python, module, job, paths, ALLOCATORS[allocator])

    def _run(
        self, python: str, module: str, job: Job, paths: list[str], extra: Mapping[str, str]
    ) -> dict[str, Any]:
        threads = str(job.threads)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
        environment = {
            **kept,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            **extra,
        }
        command = [python, "-P", "-m", f"_speed.{module}", job.to_json()]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=self.timeout
            )
        except subprocess.TimeoutExpired:
            return {"error": f"not finished after {self.timeout:.0f} s"}
        except OSError as error:
            return {"missing": f"{python}: {error.strerror}"}
        try:
            return dict(json.loads(done.stdout.splitlines()[-1]))
        except (IndexError, ValueError):
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return {"error": f"ended with status {done.returncode}: {last[:200]}"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that every benchmark has."""
    parser.add_argument("--quick", action="store_true", help="small sizes, seconds in all")
    parser.add_argument("--json", action="store_true", help="one object at the end")
    parser.add_argument("--markdown", action="store_true", help="the tables as for RESULTS.md")
    parser.add_argument("--plot", type=_svg, metavar="FILE.svg", help="draw ratios and growth")
    parser.add_argument(
        "--peers",
        default="",
        help="comma-separated, as NAME or NAME:TRAINING (spflow, cirkit:em, ...); none for none; "
        "default: all, each with the trainings that work",
    )
    parser.add_argument(
        "--peer-python",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="interpreter of a peer (default: this one)",
    )
    parser.add_argument(
        "--peer-path",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="folder to import a peer from, such as the src of a checkout of EinsumNetworks",
    )
    parser.add_argument("--only", default="", help="rows whose title contains this")
    parser.add_argument("--seconds", type=float, help="of training steps in each process")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds for one process")
    parser.add_argument("--threads", type=int, default=2)


def _svg(name: str) -> Path:
    if not name.endswith(".svg"):
        raise argparse.ArgumentTypeError("plots are SVG: name a .svg file")
    return Path(name)


def runner(options: argparse.Namespace) -> Runner:
    """The runner that the options ask for."""
    return Runner(_pairs(options.peer_python), _pairs(options.peer_path), options.timeout)


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise SystemExit(f"{name!r} is not of the form NAME=VALUE")
    return {name: value for name, _, value in pairs}


def chosen_peers(text: str, peers: tuple[Peer, ...] = PEERS) -> list[tuple[Peer, str]]:
    """Pairs of peer and training. Raises SystemExit for a name that is not known."""
    if text == "none":
        return []
    if not text:
        return [(peer, training) for peer in peers for training in peer.trainings]
    known = {peer.name: peer for peer in peers}
    found: list[tuple[Peer, str]] = []
    for item in text.split(","):
        name, _, training = item.strip().partition(":")
        if name not in known:
            raise SystemExit(f"there is no peer {name!r}; known are {', '.join(known)}")
        trainings = (training,) if training else known[name].trainings
        found += [(known[name], one) for one in trainings]
    return found
