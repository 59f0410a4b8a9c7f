"""Density estimation on the Twenty Datasets: EiNets beside table 1 of the EiNet paper.

    PCCORE_DATA=... pccore bench twenty                      those of the folder that table 1 has
    PCCORE_DATA=... pccore bench twenty --datasets nltcs,dna these, or any others

Mean test log-likelihood in nats. For every dataset the same search: random binary trees of a few
depths and widths, their parameters from clusters and then stochastic EM with early stopping; then
the best on validation once more from other seeds, as long as the budget lasts, and the even mixture
of the best few if validation prefers it. Nothing is chosen on the test rows. Source of the goals:
Peharz et al. 2020, table 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tests.benchmarks._search import measure, parser_for, report, trees

#: Table 1, EiNet column, by the names that the data sets have in their usual files.
PAPER: Mapping[str, float] = MappingProxyType(
    {
        "nltcs": -6.015, "msnbc": -6.119, "kdd": -2.183, "plants": -13.676, "jester": -52.563,
        "baudio": -39.879, "bnetflix": -56.544, "accidents": -35.594, "tretail": -10.916,
        "pumsb_star": -31.954, "dna": -96.086, "kosarek": -11.029, "msweb": -10.026,
        "book": -34.739, "tmovie": -51.705, "cwebkb": -157.282, "cr52": -87.368,
        "c20ng": -153.938, "bbc": -248.332, "ad": -26.273,
    }
)  # fmt: skip
#: The cheap ones first, for data that leave no time for more.
SETTINGS = (
    trees(1, 20, 1.0),
    trees(1, 20, 10.0),
    trees(1, 60, 2.0),
    trees(2, 20, 1.0),
    trees(1, 100, 5.0),
    trees(2, 40, 3.0),
)


def main() -> None:
    """Measure and print."""
    options = parser_for(__doc__ or "", 300.0).parse_args()
    report(options, PAPER, "table 1", lambda name: measure(name, SETTINGS, PAPER, options))


if __name__ == "__main__":
    main()
