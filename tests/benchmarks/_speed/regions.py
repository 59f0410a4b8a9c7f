"""A region-graph circuit with its parameters, in arrays that any engine can read.

This is how the benchmarks know that two engines compute the same thing: a peer writes the circuit
that it has built, and its log-likelihoods; pccore builds the circuit from the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]


@dataclass
class Region:
    """A leaf region (variables, parameters) or an inner one (ways, mixing).

    parameters: {"mean", "variance"} [d, K] each, or {"probabilities"} [d, K, states].
    ways: (left region, right region, weights [K, K_left * K_right], row-major over left, right).
    mixing: weights [K, ways], none for one way.
    """

    variables: IntArray
    parameters: dict[str, FloatArray] = field(default_factory=dict[str, FloatArray])
    ways: list[tuple[int, int, FloatArray]] = field(
        default_factory=list[tuple[int, int, FloatArray]]
    )
    mixing: FloatArray | None = None

    @property
    def units(self) -> int:
        """K."""
        if self.parameters:
            return next(iter(self.parameters.values())).shape[1]
        return len(self.ways[0][2])


class Regions:
    """Regions in topological order, children first; the last one is the root."""

    def __init__(self) -> None:
        self.items: list[Region] = []

    def leaf(self, variables: Sequence[int] | IntArray, **parameters: FloatArray) -> int:
        """Add a leaf region; its number."""
        self.items.append(Region(np.asarray(variables, dtype=np.int64), parameters))
        return len(self.items) - 1

    def inner(
        self, ways: Sequence[tuple[int, int, FloatArray]], mixing: FloatArray | None = None
    ) -> int:
        """Add an inner region; its number."""
        self.items.append(Region(np.zeros(0, dtype=np.int64), {}, list(ways), mixing))
        return len(self.items) - 1

    @property
    def num_variables(self) -> int:
        """V."""
        return 1 + max(int(r.variables.max()) for r in self.items if r.parameters)

    def save(self, path: str, data: FloatArray, values: FloatArray) -> None:
        """Write the circuit, and the log-likelihoods `values` [B] of `data` [B, V]."""
        kinds = next(r.parameters for r in self.items if r.parameters)
        leaves = [r for r in self.items if r.parameters]
        ways = [(number, way) for number, r in enumerate(self.items) for way in r.ways]
        mixed = [r.mixing.reshape(-1) for r in self.items if r.mixing is not None]
        arrays: dict[str, Any] = {
            "data": data,
            "values": values,
            "units": np.array([r.units for r in self.items]),
            "lengths": np.array([len(r.variables) for r in self.items]),
            "variables": np.concatenate([r.variables for r in leaves]),
            "ways": np.array([(number, way[0], way[1]) for number, way in ways]),
            "weights": np.concatenate([way[2].reshape(-1) for _, way in ways]),
            "mixing": np.concatenate([np.zeros(0, np.float32), *mixed]),
        }
        for kind in kinds:
            arrays[f"leaf_{kind}"] = np.concatenate([r.parameters[kind] for r in leaves])
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: str) -> tuple[Regions, FloatArray, FloatArray]:
        """What `save` wrote: the circuit, data and values."""
        with np.load(path, allow_pickle=False) as file:
            stored = dict(file)
        kinds = [name.removeprefix("leaf_") for name in stored if name.startswith("leaf_")]
        ways: dict[int, list[tuple[int, int]]] = {}
        for parent, left, right in stored["ways"].tolist():
            ways.setdefault(parent, []).append((left, right))
        units: list[int] = stored["units"].tolist()
        result = cls()
        entry = weight = mix = 0
        for number, (k, length) in enumerate(zip(units, stored["lengths"].tolist(), strict=True)):
            if length:
                part = slice(entry, entry + length)
                parameters = {kind: stored[f"leaf_{kind}"][part] for kind in kinds}
                result.leaf(stored["variables"][part], **parameters)
                entry += length
                continue
            found: list[tuple[int, int, FloatArray]] = []
            for left, right in ways[number]:
                size = k * units[left] * units[right]
                found.append(
                    (left, right, stored["weights"][weight : weight + size].reshape(k, -1))
                )
                weight += size
            mixing = None
            if len(found) > 1:
                mixing = stored["mixing"][mix : mix + k * len(found)].reshape(k, -1)
                mix += k * len(found)
            result.inner(found, mixing)
        return result, stored["data"], stored["values"]
