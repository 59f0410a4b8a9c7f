"""Rows of data in clusters: k-means of scikit-learn, or EM of a naive Bayes mixture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pccore.leaves.base import Support
from pccore.structures.independence import Codes, one_hot

IntArray = npt.NDArray[np.int64]
Table = npt.NDArray[np.float32]
Points = npt.NDArray[np.floating]

#: k-means looks at so many rows at most; the others go to the nearest centre.
MOST_ROWS = 20_000
#: Numbers in the distances that are held at a time.
_CHUNK = 2**22
#: Rounds of EM.
ROUNDS = 20


@dataclass(frozen=True, eq=False)
class Features:
    """Columns made fit for distances.

    plain: the columns that stay one each; real ones and those of many states are scaled to
    variance 1, two states are not. coded: the columns of few states, one-hot, of at most `states`.
    All have mean 0, so that a missing value, which becomes 0, has no say.
    """

    plain: IntArray
    coded: IntArray
    states: int
    mean: Table
    scale: Table

    @classmethod
    def of(cls, data: npt.NDArray[np.floating], supports: Sequence[Support], bins: int) -> Features:
        """As these rows [N, V] want it; columns of more than `bins` states count as real."""
        own = np.array([s.states or bins + 1 for s in supports], dtype=np.int64)
        few = (own > 2) & (own <= bins)
        states = int(own[few].max(initial=1))
        width = int((~few).sum()) + int(few.sum()) * states
        neutral = np.zeros(width, dtype=np.float32)
        made = cls(np.flatnonzero(~few), np.flatnonzero(few), states, neutral, neutral + 1)
        raw = made._raw(data)
        missing = np.isnan(raw)
        count = np.maximum((~missing).sum(0), 1)
        mean = np.where(missing, 0.0, raw).sum(0, dtype=np.float64) / count
        # Over all rows, where a missing value is at the mean: what the distances will see.
        spread = np.where(missing, 0.0, raw - mean).std(0)
        scaled = np.zeros(width, dtype=np.bool_)
        scaled[: len(made.plain)] = own[made.plain] > 2
        scale = np.where(scaled & (spread > 0), spread, 1.0)
        mean, scale = mean.astype(np.float32), scale.astype(np.float32)
        return cls(made.plain, made.coded, states, mean, scale)

    def __call__(self, data: npt.NDArray[np.floating]) -> Table:
        """float32 [N, F]."""
        return np.nan_to_num((self._raw(data) - self.mean) / self.scale, copy=False, nan=0.0)

    def _raw(self, data: npt.NDArray[np.floating]) -> Table:
        """The columns with NaN where a value is missing."""
        plain = data[:, self.plain].astype(np.float32)
        if not len(self.coded):
            return plain
        codes = np.nan_to_num(data[:, self.coded], nan=-1.0).astype(np.int8)
        hot = one_hot(codes, self.states)
        hot[np.repeat(codes < 0, self.states, axis=1)] = np.nan
        return np.concatenate([plain, hot], axis=1)


@dataclass(frozen=True, eq=False)
class Clusters:
    """Centres [K, F] among features; where rows do not differ, K may be 1."""

    features: Features
    centres: Table

    @classmethod
    def fit(
        cls,
        data: npt.NDArray[np.floating],
        supports: Sequence[Support],
        clusters: int,
        seed: int,
        bins: int = 8,
        restarts: int = 1,
    ) -> Clusters:
        """At most `clusters` centres for the rows [N, V], NaN for missing values, by k-means."""
        features = Features.of(data, supports, bins)
        generator = np.random.default_rng(seed)
        rows = data
        if len(data) > MOST_ROWS:
            rows = data[generator.choice(len(data), MOST_ROWS, replace=False)]
        centres = k_means(features(rows), clusters, generator, restarts=restarts)
        return cls(features, centres.astype(np.float32))

    def assign(self, data: npt.NDArray[np.floating]) -> IntArray:
        """The nearest centre of each row, int64 [N]."""
        found = np.zeros(len(data), dtype=np.int64)
        step = max(1, _CHUNK // self.centres.size)
        for first in range(0, len(data), step):
            part = self.features(data[first : first + step])
            found[first : first + step] = nearest(part, self.centres)
        return found


def k_means(
    points: Points,
    clusters: int,
    generator: np.random.Generator,
    *,
    state: int | None = None,
    restarts: int = 1,
    quick: bool = False,
) -> Points:
    """At most `clusters` centres [K, F] of points [N, F]; fewer where these do not differ.

    state: the seed of k-means, drawn where it is not given. quick: one attempt from centres drawn
    by their distance, with no greedy choice among several draws, which takes most of the time
    where clusters are small.
    """
    count = min(clusters, different(points, generator))  # scikit-learn warns where it is less
    if count < 2:
        return points.mean(0, keepdims=True)
    from sklearn.cluster import KMeans  # slow to import: only when asked for

    seed = int(generator.integers(2**31 - 1)) if state is None else state
    settings: dict[str, Any] = {"n_init": restarts, "random_state": seed}
    if quick:
        settings |= {"n_init": 1, "init": _drawn(points, count, generator)}
    return np.asarray(KMeans(count, **settings).fit(points).cluster_centers_)


def _drawn(points: Points, clusters: int, generator: np.random.Generator) -> Points:
    """So many of the points, each drawn with the squared distance to those before it as weight.

    Source: k-means++, Arthur and Vassilvitskii 2007.
    """
    chosen = [int(generator.integers(len(points)))]
    distance = np.full(len(points), np.inf)
    while len(chosen) < clusters:
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(1))
        total = distance.sum()
        weights = distance / total if total > 0 else None
        chosen.append(int(generator.choice(len(points), p=weights)))
    return points[chosen]


def different(points: Points, generator: np.random.Generator) -> int:
    """How many different rows there are: these have different shadows in a random direction."""
    # In double precision, and rounded: products of equal rows differ in the last digits.
    shadows = points.astype(np.float64) @ generator.standard_normal(points.shape[1])
    scale = np.abs(shadows).max(initial=0.0) or 1.0
    return len(np.unique(np.round(shadows / scale, 10)))


def nearest(points: Points, centres: Points) -> IntArray:
    """The nearest centre of each point, int64 [N]."""
    return ((centres**2).sum(1) - 2 * points @ centres.T).argmin(1)


def cluster_rows(
    data: npt.NDArray[np.floating],
    supports: Sequence[Support],
    clusters: int,
    seed: int,
    *,
    method: Literal["kmeans", "em"] = "kmeans",
    bins: int = 8,
) -> IntArray:
    """The cluster of each row, int64 [N], 0 to at most clusters - 1; none of them is empty.

    data [N, V] with NaN for missing values: k-means takes the mean of the column for them, EM
    leaves them out. Fewer clusters where the rows do not differ enough.
    """
    found = Clusters.fit(data, supports, clusters, seed, bins)
    labels = found.assign(data)
    if method == "em" and len(found.centres) > 1:
        codes = Codes.of(data, supports, bins)
        hot = one_hot(codes.values, codes.states)
        labels = _mixture(hot, codes.states, labels, len(found.centres))
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _mixture(hot: Table, states: int, labels: IntArray, clusters: int) -> IntArray:
    """The most probable component of each row, after EM from these labels.

    Components are products of categorical distributions; every state has half an observation
    more than were counted.
    """
    shares = np.eye(clusters, dtype=np.float32)[labels]
    for _ in range(ROUNDS):
        weights = (shares.sum(0) + 1.0) / (len(hot) + clusters)
        counts = (shares.T @ hot + 0.5).reshape(clusters, -1, states)
        tables = np.log(counts / counts.sum(2, keepdims=True)).reshape(clusters, -1)
        scores = hot @ tables.T.astype(np.float32) + np.log(weights)
        shares = np.exp(scores - scores.max(1, keepdims=True))
        shares = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    return shares.argmax(1).astype(np.int64)
