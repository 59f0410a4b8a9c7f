"""Speed of random binary tree EiNets on the CPU, against peers with the same model.

    pccore bench einet --peer-python spflow=PATH/bin/python --peer-python cirkit=PATH/bin/python

2000 rows of 512 Gaussian variables, batches of 100. Ours trains by online EM, as it ships; peers
with the fastest training that they have, as they ship and with memory kept on the heap. Before
anything is timed each peer writes the circuit that it has built, pccore computes it, and the
log-likelihoods must agree (exit status 1 if not). Each measurement is a process of its own.
"""

from __future__ import annotations

import argparse

from tests.benchmarks._speed.compare import Comparison
from tests.benchmarks._speed.growth import Sweep, growth_panels, run_sweep, show
from tests.benchmarks._speed.job import Job
from tests.benchmarks._speed.output import Output
from tests.benchmarks._speed.plot import write
from tests.benchmarks._speed.processes import Runner, add_options, chosen_peers, runner

#: K, D, R of the sweep.
SWEEP = ((10, 4, 10), (20, 4, 10), (40, 4, 10), (10, 6, 10), (10, 9, 10), (10, 4, 20), (10, 4, 40))
QUICK = ((4, 3, 3), (40, 3, 3))


def main() -> int:
    """Measure everything; 1 where two engines disagree, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--no-growth", action="store_true", help="only the comparison with peers")
    options = parser.parse_args()
    out = Output(options, "pccore bench einet")
    seconds = options.seconds or (0.3 if options.quick else 6.0)
    base = Job(threads=options.threads, seconds=seconds)
    if options.quick:
        base = base.but(variables=64, rows=400)
    run = runner(options)
    comparison = Comparison(run, chosen_peers(options.peers), out)
    comparison.head()
    for units, depth, replicas in QUICK if options.quick else SWEEP:
        job = base.but(units=units, depth=depth, replicas=replicas)
        if options.only in job.title:
            comparison.row(job, floor=units >= 40)
    comparison.summary()
    sweeps = [] if options.no_growth else growth(base, options.quick, run, out)
    if sweeps:
        show(sweeps, out)
    out.result |= {"rows": comparison.rows, "growth": [sweep.to_json() for sweep in sweeps]}
    if options.plot:
        write(options.plot, [*comparison.panels(), *growth_panels(sweeps)])
    out.finish()
    return int(comparison.failed)


def growth(base: Job, quick: bool, run: Runner, out: Output) -> list[Sweep]:
    """Cost of a training step against batch, K, edges and depth, all else as in the first row."""
    units, depth, replicas = QUICK[0] if quick else SWEEP[0]
    base = base.but(units=units, depth=depth, replicas=replicas, seconds=base.seconds / 2)
    plans = [
        (
            Sweep("batch", "rows", 1),
            [(n, base.but(batch=n, rows=max(base.rows, 2 * n))) for n in (50, 100, 200, 400, 800)],
        ),
        (Sweep("K", "units", 3), [(k, base.but(units=k)) for k in (10, 20, 40, 80)]),
        # Replicas multiply the edges and change nothing else.
        (Sweep("edges", "edges", 1), [(r, base.but(replicas=r)) for r in (5, 10, 20, 40)]),
        (Sweep("depth", "2^depth", 1), [(2**d, base.but(depth=d)) for d in (3, 4, 5, 6, 7)]),
    ]
    if quick:
        plans = [(sweep, points[:2]) for sweep, points in plans]
    return [run_sweep(sweep, points, run.ours, out) for sweep, points in plans]


if __name__ == "__main__":
    raise SystemExit(main())
