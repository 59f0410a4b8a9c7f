"""Rows of data in clusters: k-means of scikit-learn, or EM of a naive Bayes mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pccore.leaves.base import Support
from pccore.structures.independence import Codes, one_hot

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Table = npt.NDArray[np.float32]

#: k-means looks at so many rows at most; the others go to the nearest centre.
MOST_ROWS = 20_000
#: Rounds of EM.
ROUNDS = 20


def cluster_rows(
    data: npt.NDArray[np.floating],
    supports: Sequence[Support],
    clusters: int,
    seed: int,
    *,
    method: Literal["kmeans", "em"] = "kmeans",
    bins: int = 8,
    restarts: int = 1,
) -> IntArray:
    """The cluster of each row, int64 [N], 0 to at most clusters - 1; none of them is empty.

    data [N, V] with NaN for missing values: k-means takes the mean of the column for them, EM
    leaves them out. Fewer clusters where the rows do not differ enough. restarts: of k-means.
    """
    features = _features(data, supports, bins)
    generator = np.random.default_rng(seed)
    # Different rows have different shadows; scikit-learn warns where there are too few.
    shadows = np.unique(features @ generator.standard_normal(features.shape[1]).astype(np.float32))
    count = min(clusters, len(shadows))
    if count < 2:
        return np.zeros(len(data), dtype=np.int64)
    labels = _k_means(features, count, generator, restarts)
    if method == "em":
        codes = Codes.of(data, supports, bins)
        labels = _mixture(one_hot(codes.values, codes.states), codes.states, labels, count)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _features(data: npt.NDArray[np.floating], supports: Sequence[Support], bins: int) -> Table:
    """Columns fit for distances: two states as they are, few states one-hot, others with variance
    1; all with mean 0, so that a missing value, 0, has no say."""
    parts: list[Table] = []
    several = [v for v, s in enumerate(supports) if s.states is not None and 2 < s.states <= bins]
    rest = [v for v in range(data.shape[1]) if v not in set(several)]
    if rest:
        plain = data[:, rest].astype(np.float32)
        scaled = [supports[v].states != 2 for v in rest]
        spread = np.sqrt(_centred(plain, None).var(0))
        parts.append(_centred(plain, np.where(np.array(scaled) & (spread > 0), spread, 1.0)))
    if several:
        codes = Codes.of(data[:, several], [supports[v] for v in several], bins)
        hot = one_hot(codes.values, codes.states)
        hot[np.repeat(codes.values < 0, codes.states, axis=1)] = np.nan
        parts.append(_centred(hot, None))
    return np.concatenate(parts, axis=1)


def _centred(columns: Table, scale: npt.NDArray[Any] | None) -> Table:
    """The columns less their means, 0 where missing, divided by the scale [V]."""
    missing = np.isnan(columns)
    count = np.maximum((~missing).sum(0), 1)
    mean = np.where(missing, 0.0, columns).sum(0, dtype=np.float64) / count
    moved = np.where(missing, 0.0, columns - mean)
    return (moved if scale is None else moved / scale).astype(np.float32)


def _k_means(
    features: Table, clusters: int, generator: np.random.Generator, restarts: int
) -> IntArray:
    from sklearn.cluster import KMeans  # slow to import: only when asked for

    sample = features
    if len(features) > MOST_ROWS:
        sample = features[generator.choice(len(features), MOST_ROWS, replace=False)]
    state = int(generator.integers(2**31 - 1))
    model = KMeans(clusters, n_init=restarts, random_state=state).fit(sample)
    labels: Any = model.labels_ if sample is features else model.predict(features)
    return labels.astype(np.int64)


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
