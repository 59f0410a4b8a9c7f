"""Speed of mini-batch EM on one GPU, against PyJuice on the same circuits in the same run.

    pccore bench gpu --peer-python pyjuice=PATH/bin/python

60000 synthetic images of 28x28 pixels with 256 grey levels: Poon-Domingos rectangles with step 3
and hidden Chow-Liu trees, at the sizes of PyJuice's own table as nearly as its structures can be
told from it (units and edges are printed). Log-likelihoods under PyJuice's parameters are compared
before anything is timed (exit status 1 if they differ). Without a GPU nothing is measured.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks._speed.compare import TOLERANCE
from tests.benchmarks._speed.job import Job
from tests.benchmarks._speed.output import Output, short
from tests.benchmarks._speed.plot import Chart, Line, write
from tests.benchmarks._speed.processes import Runner, add_options, runner

#: K of each circuit. PyJuice's table: PD of 172K, 344K, 688K, 1.38M and 2.06M units and 15.6M to
#: 2.03G edges; HCLT of 89K, 178K, 355K, 710K and 1.42M units and 2.56M to 633M edges.
UNITS = {"blocks-pd": (32, 64, 128, 256, 384), "blocks-hclt": (64, 128, 256, 512, 1024)}
NAMES = {"blocks-pd": "PD", "blocks-hclt": "HCLT"}
#: Operations for each edge and sample: a multiply-add forward, two for flows and counts.
FLOPS_OF_EDGE = 6
HEAD = ("model", "units", "edges", "engine", "s/epoch", "MiB", "of fp32 rate", "of tf32 rate")
ENGINES = ("pyjuice", "pccore")


class Bench:
    """One run of the command."""

    def __init__(self, options: argparse.Namespace, out: Output) -> None:
        self.out = out
        self.run: Runner = runner(options)
        self.peer = options.peers != "none"
        self.failed = False
        self.rows: list[dict[str, Any]] = []

    def engine(self, name: str, job: Job) -> dict[str, Any]:
        """Run a job."""
        if name == "pccore":
            return self.run.ours(job, "gpu_ours")
        return self.run.peer(name, "peer_pyjuice", job, "as shipped")

    def agrees(self, job: Job) -> bool:
        """Whether pccore computes PyJuice's log-likelihoods from PyJuice's parameters."""
        small = job.but(side=9, variables=81, units=32, rows=128, batch=128, states=16)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "parameters.npz")
            theirs = self.engine("pyjuice", small.but(task="parity", dump=path))
            if "parameters" not in theirs:
                reason = theirs.get("error") or f"not installed ({theirs.get('missing')})"
                self.out.say(f"pyjuice, {NAMES[job.structure]}: {reason}")
                return False
            ours = self.engine("pccore", small.but(task="compare", dump=path))
        same = ours.get("parameters") == theirs["parameters"]
        if not (same and ours["difference"] <= TOLERANCE):
            self.failed = True
            self.out.say(f"PARITY FAILED on {NAMES[job.structure]}: {ours} against {theirs}")
            return False
        self.out.say(
            f"{NAMES[job.structure]}: log-likelihoods agree, relative difference "
            f"{ours['difference']:.1e}"
        )
        return True

    def row(self, job: Job, rates: dict[str, Any], peer: bool) -> None:
        """Time both engines on one circuit."""
        row: dict[str, Any] = {"title": f"{NAMES[job.structure]} K={job.units}"}
        for name in ENGINES if peer else ENGINES[1:]:
            found = row[name] = self.engine(name, job)
            if "epoch" not in found:
                self.line((row["title"], "", "", name, str(found.get("error"))))
                continue
            rate = FLOPS_OF_EDGE * found["edges"] * job.rows / found["epoch"]
            found["shares"] = {kind: rate / rates[kind] for kind in ("fp32", "tf32", "bf16")}
            self.line(
                (
                    row["title"],
                    f"{found['units']:,}",
                    f"{found['edges']:,}",
                    name,
                    short(found["epoch"]),
                    f"{found['peak_mib']:,.0f}",
                    f"{found['shares']['fp32']:.1%}",
                    f"{found['shares']['tf32']:.1%}",
                )
            )
        counts = {row[name]["parameters"] for name in ENGINES if "epoch" in row.get(name, {})}
        if len(counts) > 1:
            self.failed = True
            self.out.say(f"PARITY FAILED: {sorted(counts)} parameters for one model")
        self.rows.append(row)

    def line(self, cells: tuple[str, ...]) -> None:
        """Print the cells of a row."""
        if self.out.markdown:
            self.out.say("| " + " | ".join([*cells, *[""] * (len(HEAD) - len(cells))]) + " |")
        else:
            self.out.say("  ".join(text.rjust(13) for text in cells))

    def summary(self) -> None:
        """Print the ratios."""
        rows: list[list[str]] = []
        for row in self.rows:
            ours, theirs = row["pccore"], row.get("pyjuice", {})
            if "epoch" in ours and "epoch" in theirs:
                row["ratio"] = theirs["epoch"] / ours["epoch"]
                row["memory_ratio"] = ours["peak_mib"] / theirs["peak_mib"]
                rows.append([row["title"], f"{row['ratio']:.2f}", f"{row['memory_ratio']:.2f}"])
        if rows:
            head = ("model", "times faster than PyJuice", "memory, of PyJuice's")
            self.out.table(head, rows)

    def panels(self) -> list[Chart]:
        """Seconds and memory against edges."""
        charts: list[Chart] = []
        for title, key, label in (("epoch", "epoch", "s"), ("peak memory", "peak_mib", "MiB")):
            lines = [
                Line(
                    f"{name}, {kind}",
                    [
                        (row[name]["edges"], row[name][key])
                        for row in self.rows
                        if row["title"].startswith(kind) and "epoch" in row.get(name, {})
                    ],
                )
                for name in ENGINES
                for kind in NAMES.values()
            ]
            shown = [line for line in lines if line.points]
            charts.append(Chart(f"{title} of mini-batch EM", "edges", label, shown))
        return charts


def main() -> int:
    """Measure everything; 1 where two engines disagree, else 0, also without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--batch", type=int, default=512)
    options = parser.parse_args()
    out = Output(options, "pccore bench gpu")
    if not torch.cuda.is_available():
        line = "no CUDA device here: nothing is measured; run this where torch sees a GPU"
        out.say(line)
        out.result["skipped"] = line
        out.finish()
        return 0
    bench = Bench(options, out)
    rates = bench.run.ours(Job(task="floor"), "gpu_ours")
    if "fp32" not in rates:
        raise SystemExit(f"the rate of matrix products could not be measured: {rates}")
    out.result["product_rates"] = rates
    out.say(
        f"{rates['card']}: matrix products at {rates['fp32'] / 1e12:.0f} TFLOP/s in fp32, "
        f"{rates['tf32'] / 1e12:.0f} in TF32, {rates['bf16'] / 1e12:.0f} in bf16"
    )
    base = Job(
        leaf="categorical",
        variables=784,
        delta=(3,),
        rows=6000 if options.quick else 60_000,
        batch=options.batch,
        seconds=options.seconds or (3.0 if options.quick else 20.0),
    )
    ready = {
        structure: bench.peer and bench.agrees(base.but(structure=structure)) for structure in UNITS
    }
    bench.line(HEAD)
    if out.markdown:
        out.say("|" + "---|" * len(HEAD))
    for structure, units in UNITS.items():
        for k in units[:1] if options.quick else units:
            job = base.but(structure=structure, units=k)
            if options.only in f"{NAMES[structure]} K={k}":
                bench.row(job, rates, ready[structure])
    bench.summary()
    out.result["rows"] = bench.rows
    if options.plot:
        write(options.plot, bench.panels())
    out.finish()
    return int(bench.failed)


if __name__ == "__main__":
    raise SystemExit(main())
