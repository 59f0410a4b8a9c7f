"""Density estimation on the Twenty Datasets, any learner, beside the best numbers at hand.

    PCCORE_DATA=... pccore bench debd                       those of the folder
    PCCORE_DATA=... pccore bench debd --datasets nltcs,dna  these, or any others

Mean test log-likelihood in nats. For every dataset the same search within `--budget` seconds of
processor time: hidden Chow-Liu trees and random binary trees of a few sizes and priors, parameters
from clusters and then stochastic EM with early stopping; then the best on validation once more
from other seeds, as long as the budget lasts, and the even mixture of the best few if validation
prefers it. Nothing is chosen on the test rows.

Goals: for each dataset the best of a hidden Chow-Liu tree with regularisation (the run logs of
Liu and Van den Broeck 2021), deterministic circuits by Strudel (the same authors' notebook) and
LearnPSDD (circuits of the Circuit Model Zoo, evaluated here).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tests.benchmarks._search import hidden_tree, measure, parser_for, report, trees

#: By the names that the data sets have in their usual files.
BEST: Mapping[str, float] = MappingProxyType(
    {
        "nltcs": -5.9993, "msnbc": -6.0447, "kdd": -2.1409, "plants": -13.3542,
        "jester": -52.3764, "baudio": -39.7680, "bnetflix": -56.2481, "accidents": -26.7362,
        "tretail": -10.8554, "pumsb_star": -23.6481, "dna": -79.0507, "kosarek": -10.5977,
        "msweb": -9.9060, "book": -33.5340, "tmovie": -50.5377, "cwebkb": -150.8377,
        "cr52": -85.9492, "c20ng": -153.4016, "bbc": -249.0487, "ad": -16.0643,
    }
)  # fmt: skip
#: The cheap ones first, for data that leave no time for more.
SETTINGS = (
    trees(1, 20, 1.0),
    hidden_tree(8, 1.0),
    hidden_tree(16, 5.0),
    hidden_tree(32, 1.0),
    trees(1, 60, 2.0),
    hidden_tree(64, 3.0),
    trees(1, 100, 5.0),
)


def main() -> None:
    """Measure and print."""
    options = parser_for(__doc__ or "", 500.0).parse_args()
    report(options, BEST, "best known", lambda name: measure(name, SETTINGS, BEST, options))


if __name__ == "__main__":
    main()
