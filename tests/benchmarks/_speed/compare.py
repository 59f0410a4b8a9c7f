"""Rows of engines on the same model: parity first, then times, then ratios."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .circuits import structure_parameters
from .job import Job
from .output import Output, short
from .plot import Bars
from .processes import ALLOCATORS, Peer, Runner

#: Largest |ours - theirs| / |theirs| of a log-likelihood.
TOLERANCE = 1e-4
#: Circuits of up to so many parameters are compared value by value at full size, too.
LARGEST_FILE = 2 * 10**7

#: What a row is asked for: times faster than the fastest peer, by (what, allocator).
GOALS = {
    ("epoch", "as shipped"): 5.0,
    ("epoch", "best"): 3.0,
    ("inference_us", "as shipped"): 4.0,
    ("inference_us", "best"): 3.0,
}
HEAD = ("model", "engine", "training", "allocator", "epoch s", "best s", "infer us/row", "peak MiB")
RATIO_HEAD = (
    "model",
    "parameters",
    "epoch x (goal 5)",
    "best alloc. x (3)",
    "infer x (4)",
    "best alloc. x (3)",
    "MiB, of least peer",
    "x floor (3)",
)


@dataclass
class Comparison:
    """The rows of one command. failed: whether two engines disagreed on a log-likelihood."""

    runner: Runner
    peers: Sequence[tuple[Peer, str]]
    out: Output
    failed: bool = False

    def __post_init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._small: dict[tuple[str, ...], str] = {}

    def head(self) -> None:
        """Print the head of the table."""
        self._line(HEAD)
        if self.out.markdown:
            self.out.say("|" + "---|" * len(HEAD))

    def row(self, job: Job, floor: bool = False) -> None:
        """Check, time and print one model; floor: also the time that its products alone need."""
        parameters = structure_parameters(job)
        row: dict[str, Any] = {"title": job.title, "parameters": parameters, "peers": []}
        self.rows.append(row)
        ready = [
            (peer, training)
            for peer, training in self.peers
            if peer.has(job) and self._agrees(peer, job.but(training=training), row)
        ]
        rate = self.runner.ours(job.but(task="floor")).get("flops") if floor else None
        row["ours"] = self.runner.ours(job)
        self._show(job, "pccore", row["ours"], "em", "as shipped")
        for peer, training in ready:
            for allocator in ALLOCATORS:
                found = self.runner.peer(
                    peer.name, peer.module, job.but(training=training), allocator
                )
                found |= {"name": peer.name, "training": training, "allocator": allocator}
                row["peers"].append(found)
                self._show(job, peer.name, found, training, allocator)
        row["ratios"] = ratios(row["ours"], row["peers"])
        if rate and "epoch" in row["ours"]:
            row["product_rate"] = rate
            row["floor"] = job.rows * flops(job) / rate
            row["ratios"]["floor"] = row["ours"]["epoch"] / row["floor"]

    # -- parity --------------------------------------------------------------------------------

    def _agrees(self, peer: Peer, job: Job, row: dict[str, Any]) -> bool:
        """Whether a peer computes what pccore computes: small, and as large as will be timed."""
        key = (peer.name, job.training, job.structure, job.leaf, str(len(job.delta)))
        name = f"{peer.name} ({job.training})"
        if key not in self._small:
            self._small[key] = self._check(peer, small(job), None, row)
            if self._small[key]:
                self.out.say(f"{name}: {self._small[key]}")
        if self._small[key]:
            return False
        problem = self._check(peer, job, row["parameters"], row)
        if problem:
            self.out.say(f"{name} on {job.title}: {problem}")
        return not problem

    def _check(self, peer: Peer, job: Job, count: int | None, row: dict[str, Any]) -> str:
        """Why a peer's circuit cannot be timed, or nothing; disagreement fails the command."""
        if count is not None and count > LARGEST_FILE:
            return ""  # the small circuit agreed; the number of parameters is checked when timed
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "circuit.npz")
            theirs = self.runner.peer(
                peer.name, peer.module, job.but(task="parity", dump=path), "as shipped"
            )
            if "missing" in theirs:
                return f"not installed ({theirs['missing']})"
            if "error" in theirs:
                return f"not compared: {theirs['error']}"
            ours = self.runner.ours(job.but(task="compare", dump=path))
        if "error" in ours:
            self.failed = True
            return f"PARITY FAILED: {ours['error']}"
        found = {"name": peer.name, "training": job.training, "title": job.title, **ours}
        row.setdefault("parity", []).append(found)
        counts = {ours["parameters"], theirs["parameters"], count or ours["parameters"]}
        if len(counts) > 1:
            self.failed = True
            return f"PARITY FAILED: {sorted(counts)} parameters for one model"
        # Written so that NaN fails.
        if not ours["difference"] <= TOLERANCE:
            self.failed = True
            return f"PARITY FAILED: log-likelihoods differ by {ours['difference']:.1e}"
        return ""

    # -- lines ---------------------------------------------------------------------------------

    def _show(
        self, job: Job, engine: str, found: dict[str, Any], training: str, allocator: str
    ) -> None:
        named = (job.title, engine, training, allocator)
        if "epoch" not in found:
            self._line((*named, found.get("error") or found.get("missing", "?")))
            return
        if found["parameters"] != structure_parameters(job):
            self.failed = True
            self._line((*named, f"PARITY FAILED: {found['parameters']} parameters"))
            return
        self._line(
            (
                *named,
                short(found["epoch"]),
                short(found["epoch_best"]),
                short(found["inference_us"]),
                f"{found['peak_mib']:.0f}",
            )
        )

    def _line(self, cells: Sequence[str]) -> None:
        if self.out.markdown:
            self.out.say("| " + " | ".join([*cells, *[""] * (len(HEAD) - len(cells))]) + " |")
            return
        widths = (36, 14, 8, 10, 9, 9, 12, 9)
        texts = [text.ljust(w) for text, w in zip(cells[:4], widths, strict=False)]
        texts += [text.rjust(w) for text, w in zip(cells[4:], widths[4:], strict=False)]
        self.out.say(" ".join(texts).rstrip())

    def summary(self) -> None:
        """Print how many times faster each row is than the fastest peer."""
        rows: list[list[str]] = []
        for row in self.rows:
            found = row["ratios"]
            cells = [row["title"], f"{row['parameters']:,}"]
            for what, mode in GOALS:
                by_best = _times(found.get(f"{what}_best {mode}"))
                cells.append(_times(found.get(f"{what} {mode}")) + (by_best and f" ({by_best})"))
            memory = row["ours"].get("peak_mib")
            least = found.get("least_peer_mib")
            cells.append(f"{memory:.0f} of {least:.0f}" if memory and least else "")
            cells.append(_times(found.get("floor")))
            rows.append(cells)
        title = "Times faster than the fastest peer with the same model (by the best steps)"
        self.out.table(RATIO_HEAD, rows, title)
        checks = [check for row in self.rows for check in row.get("parity", [])]
        if checks:
            worst = max(check["difference"] for check in checks)
            self.out.say()
            self.out.say(
                f"{len(checks)} comparisons of log-likelihoods with peers, largest relative "
                f"difference {worst:.1e}" + ("; SOME FAILED" if self.failed else "")
            )

    def panels(self) -> list[Bars]:
        """Bars of the ratios to the fastest peer."""
        panels: list[Bars] = []
        for (what, mode), goal in GOALS.items():
            name = "EM epoch" if what == "epoch" else "inference"
            bars = [
                (row["title"], row["ratios"][f"{what} {mode}"], goal)
                for row in self.rows
                if f"{what} {mode}" in row["ratios"]
            ]
            panels.append(Bars(f"{name}: peers' allocator {mode}", bars))
        return panels


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def small(job: Job) -> Job:
    """A circuit of the same kind with a few hundred parameters."""
    if job.structure == "rat":
        return job.but(variables=16, depth=2, replicas=2, units=3)
    several = len(job.delta) > 1
    return job.but(side=8, delta=(4, 3) if several else (2,), units=3, states=5)


def ratios(ours: dict[str, Any], peers: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Fastest peer over ours; "best": each peer with the allocator that is best for it.

    By median steps, and under NAME_best by the best steps, which other work disturbs less.
    """
    timed = [peer for peer in peers if "epoch" in peer]
    found: dict[str, float] = {}
    if not timed or "epoch" not in ours:
        return found
    shipped = [peer for peer in timed if peer["allocator"] == "as shipped"]
    for what, mode in GOALS:
        of = shipped if mode == "as shipped" else timed
        if of:
            for key in (what, f"{what}_best"):
                found[f"{key} {mode}"] = min(peer[key] for peer in of) / ours[key]
    if shipped:
        found["least_peer_mib"] = min(peer["peak_mib"] for peer in shipped)
    return found


def flops(job: Job) -> float:
    """Floating-point operations of one sample's EM step on a RAT tree.

    Leaves as a product with the statistics [x, x^2]: 4VKR forward and 4VKR for the expected
    statistics. A partition with K_out sums: K^2 for the products and 2K^2 K_out for the sums
    forward; 4K^2 and 4K^2 K_out for the flows and the expected counts.
    """
    k, r = job.units, job.replicas
    inner, root = r * (2**job.depth - 2), r
    leaves = 8 * job.variables * k * r
    return leaves + inner * (5 * k**2 + 6 * k**3) + root * (5 * k**2 + 6 * k**2)
