"""What the list of variables on the Query page shows and takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A variable in the list.

    id: comes back in what was observed. states: (label, probability or None) of each, None for a
    real variable, which has mean and deviation instead. soften: whether likelihoods are offered.
    """

    id: str
    name: str
    states: tuple[tuple[str, float | None], ...] | None
    note: str = ""
    mean: float | None = None
    deviation: float | None = None
    soften: bool = True


@dataclass(frozen=True, slots=True)
class Observed:
    """What is observed, by id: a state or value each; likelihoods of the states."""

    hard: Mapping[str, float]
    soft: Mapping[str, tuple[float, ...]]
