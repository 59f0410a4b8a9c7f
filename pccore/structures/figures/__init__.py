"""Small circuits with a story: figures of the SPN paper, classic models, and broken ones.

Each function makes one circuit by `pccore.build`; its meta has "title" and "story". `figures`
lists those that become sample models, `groups` sorts them. Leaves of the paper's figures are its
indicators: x1 is [X1 = 1] and ¬x1 is [X1 = 0].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pccore.graph import Circuit
from pccore.structures.figures.broken import (
    buried_mistake,
    consistent_not_decomposable,
    dead_parts,
    forgotten_day,
    incomplete,
    inconsistent,
    squared_gaussian,
    two_paths,
    unnormalised,
    valid_though_broken,
)
from pccore.structures.figures.classics import (
    chow_liu_tree,
    course_psdd,
    naive_bayes_spam,
    old_geyser,
    weather_hmm,
)
from pccore.structures.figures.families import build_family, families
from pccore.structures.figures.paper import (
    figure1_junction_tree,
    figure1_naive_bayes,
    figure2_hidden_variable,
    figure3_mixture,
    figure3_parity,
)

__all__ = [
    "build_family",
    "buried_mistake",
    "chow_liu_tree",
    "consistent_not_decomposable",
    "course_psdd",
    "dead_parts",
    "families",
    "figure1_junction_tree",
    "figure1_naive_bayes",
    "figure2_hidden_variable",
    "figure3_mixture",
    "figure3_parity",
    "figures",
    "forgotten_day",
    "groups",
    "incomplete",
    "inconsistent",
    "naive_bayes_spam",
    "old_geyser",
    "squared_gaussian",
    "two_paths",
    "unnormalised",
    "valid_though_broken",
    "weather_hmm",
]

Maker = Callable[[], Circuit]


def groups() -> Mapping[str, tuple[Maker, ...]]:
    """The makers of the sample models, sorted: "figures", "classics", "broken"."""
    return MappingProxyType(
        {
            "figures": (
                figure1_naive_bayes,
                figure1_junction_tree,
                figure2_hidden_variable,
                figure3_parity,
                figure3_mixture,
            ),
            "classics": (
                naive_bayes_spam,
                weather_hmm,
                chow_liu_tree,
                old_geyser,
                course_psdd,
            ),
            "broken": (
                incomplete,
                inconsistent,
                two_paths,
                forgotten_day,
                buried_mistake,
                squared_gaussian,
                valid_though_broken,
                consistent_not_decomposable,
                dead_parts,
                unnormalised,
            ),
        }
    )


def figures() -> Mapping[str, Maker]:
    """The makers of the sample models, by name."""
    return MappingProxyType(
        {maker.__name__: maker for makers in groups().values() for maker in makers}
    )
