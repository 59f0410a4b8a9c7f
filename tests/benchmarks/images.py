"""Speed of Poon-Domingos EiNets on 28x28 images on the CPU, against peers with the same model.

    pccore bench images --peer-python cirkit=PATH/bin/python

2000 synthetic images, batches of 100, Gaussian leaves and categorical ones of 256 states; steps of
7 pixels, and of 4 and then 7. Otherwise as `pccore bench einet`.
"""

from __future__ import annotations

import argparse
import itertools

from tests.benchmarks._speed.compare import Comparison
from tests.benchmarks._speed.job import Job
from tests.benchmarks._speed.output import Output
from tests.benchmarks._speed.plot import write
from tests.benchmarks._speed.processes import add_options, chosen_peers, runner

STEPS = ((7,), (4, 7))
UNITS = (10, 32)
LEAVES = ("gaussian", "categorical")


def main() -> int:
    """Measure everything; 1 where two engines disagree, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    options = parser.parse_args()
    out = Output(options, "pccore bench images")
    seconds = options.seconds or (0.3 if options.quick else 6.0)
    base = Job(structure="pd", threads=options.threads, seconds=seconds)
    if options.quick:
        base = base.but(side=12, rows=400, states=16)
    comparison = Comparison(runner(options), chosen_peers(options.peers), out)
    comparison.head()
    plan = itertools.product(STEPS, (4,) if options.quick else UNITS, LEAVES)
    for delta, units, leaf in plan:
        job = base.but(delta=delta, units=units, leaf=leaf)
        if options.only in job.title:
            comparison.row(job)
    comparison.summary()
    out.result["rows"] = comparison.rows
    if options.plot:
        write(options.plot, comparison.panels())
    out.finish()
    return int(comparison.failed)


if __name__ == "__main__":
    raise SystemExit(main())
