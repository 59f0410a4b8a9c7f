"""Values for hidden variables: k-means over embeddings of what each of them is behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pccore.datasets import Dataset
from pccore.datasets.base import SPLITS, Split
from pccore.errors import DataError
from pccore.graph import Circuit
from pccore.leaves.base import Support
from pccore.structures.clustering import MOST_ROWS, Features, k_means, nearest
from pccore.transform import hidden_names

Array = npt.NDArray[np.float32]

#: For each split, for each hidden variable, one vector for each row: L arrays [N, D].
Embeddings = Mapping[Split, Sequence[Array]]
#: Rows whose distances to the centres are taken at a time.
_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Assignments:
    """states: for each split int16 [N, L], the state of each hidden variable; -1 is unknown.

    used: how many states of each have some training row, [L].
    """

    states: Mapping[Split, npt.NDArray[np.int16]]
    used: npt.NDArray[np.int64]

    def join(self, dataset: Dataset, circuit: Circuit, groups: Sequence[int]) -> Dataset:
        """The dataset with the hidden variables as further columns; unknown states are missing.

        Raises DataError where rows or hidden variables are not those of the assignments.
        """
        joined: dict[str, Array] = {}
        for split in SPLITS:
            rows, states = dataset.split(split), self.states[split]
            if states.shape != (len(rows), len(groups)):
                raise DataError(
                    f"states {list(states.shape)} for {len(rows)} rows and {len(groups)} hidden "
                    "variables",
                    where=f"{dataset.name}, {split}",
                )
            values = np.where(states < 0, np.nan, states).astype(np.float32)
            joined[split] = np.concatenate([rows, values], axis=1)
        supports = [Support("finite", circuit.groups[g].size) for g in groups]
        return replace(
            dataset,
            name=f"{dataset.name} with {len(groups)} hidden variables",
            variables=(*circuit.variables, *hidden_names(circuit, groups)),
            supports=(*dataset.supports, *supports),
            image=None,
            categories={},
            ordered=(),
            **joined,
        )


def values_of(dataset: Dataset, circuit: Circuit, groups: Sequence[int]) -> Embeddings:
    """The values themselves as embeddings: of each group those of its scope, scaled."""
    found: dict[Split, list[Array]] = {split: [] for split in SPLITS}
    for g in groups:
        columns = list(circuit.scopes[g])
        supports = [dataset.supports[v] for v in columns]
        features = Features.of(dataset.train[:, columns], supports, bins=8)
        for split in SPLITS:
            found[split].append(features(dataset.split(split)[:, columns]))
    return found


def assign(
    circuit: Circuit, groups: Sequence[int], embeddings: Embeddings, seed: int = 0
) -> Assignments:
    """The nearest of the centres of k-means over the training rows, one for each state.

    Groups whose parameters are tied have the same centres: a state of a homogeneous chain means
    the same at every step. Rows with a NaN in their embedding are unknown.

    Raises DataError where there are not as many embeddings as groups.
    """
    for split in SPLITS:
        if len(embeddings[split]) != len(groups):
            raise DataError(
                f"{len(embeddings[split])} embeddings for {len(groups)} hidden variables",
                where=split,
            )
    generator = np.random.default_rng(seed)
    sizes = {split: len(embeddings[split][0]) if groups else 0 for split in SPLITS}
    states: dict[Split, npt.NDArray[np.int16]] = {
        s: np.full((sizes[s], len(groups)), -1, dtype=np.int16) for s in SPLITS
    }
    for members in _tied(circuit, groups):
        rows = np.concatenate([_known(embeddings["train"][i]) for i in members])
        if not len(rows):
            continue
        if len(rows) > MOST_ROWS:
            rows = rows[generator.choice(len(rows), MOST_ROWS, replace=False)]
        centres = k_means(rows, circuit.groups[groups[members[0]]].size, generator)
        for split in SPLITS:
            for i in members:
                points = embeddings[split][i]
                for first in range(0, len(points), _ROWS):
                    part = points[first : first + _ROWS]
                    found = nearest(np.nan_to_num(part), centres.astype(np.float32))
                    found[np.isnan(part).any(1)] = -1
                    states[split][first : first + _ROWS, i] = found
    known = [np.unique(column[column >= 0]) for column in states["train"].T]
    return Assignments(states, np.array([len(k) for k in known], dtype=np.int64))


def _known(points: Array) -> Array:
    return points[~np.isnan(points).any(1)]


def _tied(circuit: Circuit, groups: Sequence[int]) -> list[list[int]]:
    """The hidden variables whose distributions share parameters, together."""
    together: dict[object, list[int]] = {}
    for i, g in enumerate(groups):
        group = circuit.groups[g]
        own = None if group.kind == "product" else group.parameter
        together.setdefault(g if own is None else own, []).append(i)
    return list(together.values())
