"""Speed of irregular scalar circuits on the CPU: linear in edges, against node-by-node evaluation.

    pccore bench irregular --peer-python spflow=PATH/bin/python

Random smooth and decomposable circuits over 64 binary variables, of 10^5 to 10^6 edges, batches of
100. pccore gets each as groups with arrays of edges ("grouped") and as groups of one unit
("scalar"). The baselines evaluate the same circuit unit by unit: plain numpy at full size, SPFlow
1.1 at the size that it can do within --peer-seconds, from which its time is extrapolated linearly.
Log-likelihoods are compared before anything is timed (exit status 1 if they differ).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks._speed.compare import TOLERANCE
from tests.benchmarks._speed.growth import Sweep, show
from tests.benchmarks._speed.job import Job
from tests.benchmarks._speed.output import Output, short
from tests.benchmarks._speed.plot import Bars, Chart, Line, write
from tests.benchmarks._speed.processes import Runner, add_options, runner
from tests.benchmarks._speed.scalars import random_graph

EDGES = (100_000, 215_000, 464_000, 1_000_000)
QUICK = (2_000, 4_000, 8_000, 16_000)
GOAL = 20.0
KINDS = ("grouped", "scalar")
HEAD = ("edges", "engine", "EM step ms", "inference ms", "peak MiB", "build s")


class Bench:
    """One run of the command."""

    def __init__(self, options: argparse.Namespace, out: Output, folder: Path) -> None:
        self.out = out
        self.run: Runner = runner(options)
        self.spflow = options.peers in ("", "spflow")
        self.peer_seconds: float = options.peer_seconds
        self.folder = folder
        self.variables = 16 if options.quick else 64
        seconds = options.seconds or (0.3 if options.quick else 6.0)
        self.job = Job(
            leaf="bernoulli", variables=self.variables, threads=options.threads, seconds=seconds
        )
        self.failed = False
        self.rows: list[dict[str, Any]] = []

    def graph(self, edges: int) -> tuple[str, int]:
        """The file of a circuit with about so many edges, and how many it has."""
        size = max(1, round(edges / (9 * (self.variables - 1))))
        path = self.folder / f"{size}.npz"
        graph = random_graph(size, self.variables)
        graph.save(str(path))
        return str(path), graph.num_edges

    def engine(self, name: str, job: Job) -> dict[str, Any]:
        """Run a job: pccore in one of its two forms, numpy, or SPFlow."""
        if name in KINDS:
            structure = "scalar" if name == "scalar" else "scalar-grouped"
            return self.run.ours(job.but(structure=structure))
        if name == "numpy":
            return self.run.ours(job.but(structure="scalar"), "scalar_numpy")
        return self.run.peer(name, "scalar_spflow", job.but(structure="scalar"), "as shipped")

    def agree(self, names: tuple[str, ...], path: str, edges: int) -> bool:
        """Whether the engines compute the same log-likelihoods; the first is the measure."""
        values: list[np.ndarray] = []
        for name in names:
            found = self.engine(name, self.job.but(task="values", graph=path))
            if "values" not in found:
                reason = found.get("error") or f"not installed ({found.get('missing')})"
                self.out.say(f"{name}, {edges:,} edges: {reason}")
                return False
            values.append(np.array(found["values"]))
        worst = max(float(np.max(np.abs(v / values[0] - 1))) for v in values)
        if not worst <= TOLERANCE:
            self.failed = True
            self.out.say(
                f"PARITY FAILED at {edges:,} edges: {', '.join(names)} differ by {worst:g}"
            )
            return False
        self.out.result.setdefault("parity", []).append(
            {"engines": names, "edges": edges, "difference": worst}
        )
        return True

    def size(self, edges: int) -> None:
        """Both forms of pccore and the numpy baseline on one circuit."""
        path, exact = self.graph(edges)
        row: dict[str, Any] = {"edges": exact}
        names = ("numpy", *KINDS)
        if self.agree(names, path, exact):
            for name in names:
                row[name] = self.engine(name, self.job.but(graph=path))
                self.show(name, row[name], exact)
        self.rows.append(row)

    def largest_spflow(self, full: int) -> dict[str, Any] | None:
        """SPFlow at the size it can do in the time given, of `full` edges at most."""
        path, few = self.graph(1_000)
        if not self.agree(("numpy", "spflow"), path, few):
            return None
        probe = self.engine("spflow", self.job.but(graph=path, seconds=0.1))
        if "step" not in probe:
            self.out.say(f"spflow: {probe.get('error')}")
            return None
        # Building, and about twelve steps and evaluations of warming up and measuring.
        whole = probe["build"] + 12 * probe["step_best"]
        edges = min(full, int(few * self.peer_seconds / whole))
        path, exact = self.graph(edges)
        if not self.agree(("numpy", "spflow"), path, exact):
            return None
        found = self.engine("spflow", self.job.but(graph=path, seconds=1.0))
        self.show("spflow", found, exact)
        return {"edges": exact, **found} if "step" in found else None

    def show(self, name: str, found: dict[str, Any], edges: int) -> None:
        """Print a line."""
        if "step" not in found:
            self.line((f"{edges:,}", name, str(found.get("error"))))
            return
        batch = self.job.batch
        self.line(
            (
                f"{edges:,}",
                name if name not in KINDS else f"pccore, {name}",
                short(1000 * found["step"]),
                short(found["inference_us"] * batch / 1000),
                f"{found['peak_mib']:.0f}",
                short(found["build"]),
            )
        )

    def line(self, cells: tuple[str, ...]) -> None:
        """Print the cells of a row."""
        if self.out.markdown:
            self.out.say("| " + " | ".join([*cells, *[""] * (len(HEAD) - len(cells))]) + " |")
        else:
            self.out.say("  ".join(text.rjust(16) for text in cells))

    def ratios(self, row: dict[str, Any], spflow: dict[str, Any] | None) -> dict[str, float]:
        """How many times faster each form of pccore is than each baseline, at one size."""
        found: dict[str, float] = {}
        best: dict[str, float] = {}
        for kind in KINDS:
            ours = row.get(kind, {})
            if "step" not in ours:
                continue
            for name, other in (("numpy", row["numpy"]), ("spflow", spflow)):
                if other is None or "step" not in other:
                    continue
                scale = row["edges"] / other["edges"] if name == "spflow" else 1.0
                for what, key in (("EM step", "step"), ("inference", "inference_us")):
                    title = f"{kind} {what} / {name}"
                    found[title] = scale * other[key] / ours[key]
                    best[title] = scale * other[f"{key}_best"] / ours[f"{key}_best"]
        self.out.result |= {"ratios": found, "ratios_of_best_steps": best}
        return found


def sweeps(rows: list[dict[str, Any]]) -> list[Sweep]:
    """Cost against edges, of both forms, for the EM step and for inference."""
    found: list[Sweep] = []
    for kind in KINDS:
        for what, key in (("EM step", "step_best"), ("inference", "inference_us_best")):
            timed = [row for row in rows if key in row.get(kind, {})]
            unit = 1.0 if key == "step_best" else 1e-4  # seconds for a batch of 100
            times = [row[kind][key] * unit for row in timed]
            edges = [float(row["edges"]) for row in timed]
            found.append(Sweep(f"edges, {kind}, {what}", "edges", 1, edges, times))
    return found


def panel(found: list[Sweep]) -> Chart:
    """Cost against edges, the exponents in the legend."""
    lines = [
        Line(
            f"{sweep.title.removeprefix('edges, ')}: exponent {sweep.exponent:.2f}",
            [(x, 1000 * y) for x, y in zip(sweep.sizes, sweep.seconds, strict=True)],
        )
        for sweep in found
        if len(sweep.sizes) > 1
    ]
    return Chart("Cost of a batch of 100 against edges", "edges", "ms", lines)


def main() -> int:
    """Measure everything; 1 where two engines disagree, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--peer-seconds", type=float, help="for SPFlow in all; default 60")
    options = parser.parse_args()
    options.peer_seconds = options.peer_seconds or (3.0 if options.quick else 60.0)
    out = Output(options, "pccore bench irregular")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, out, Path(folder))
        bench.line(HEAD)
        if out.markdown:
            out.say("|" + "---|" * len(HEAD))
        for edges in QUICK if options.quick else EDGES:
            bench.size(edges)
        last = bench.rows[-1]
        spflow = bench.largest_spflow(last["edges"]) if bench.spflow else None
    ratios = bench.ratios(last, spflow)
    if spflow is not None:
        out.result["spflow"] = spflow
    title = f"Times faster at {last['edges']:,} edges (goal {GOAL:g})"
    if spflow is not None and spflow["edges"] < last["edges"]:
        title += f"; SPFlow extrapolated linearly from {spflow['edges']:,} edges"
    best = out.result["ratios_of_best_steps"]
    lines = [[what, f"{value:.1f}", f"{best[what]:.1f}"] for what, value in ratios.items()]
    out.table(("what", "times", "by best steps"), lines, title)
    found = sweeps(bench.rows)
    show(found, out)
    out.result |= {
        "rows": bench.rows,
        "growth": [sweep.to_json() for sweep in found],
    }
    if options.plot:
        name = f"Irregular circuit of {last['edges']:,} edges"
        bars = Bars(name, [(what, value, GOAL) for what, value in ratios.items()])
        write(options.plot, [bars, panel(found)])
    out.finish()
    return int(bench.failed)


if __name__ == "__main__":
    raise SystemExit(main())
