"""The layout that spflow and simple-einet give to random binary trees, as regions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from .regions import FloatArray, Regions


def tree_regions(
    scopes: Tensor, mean: Tensor, variance: Tensor, layers: Sequence[Tensor], mixing: Tensor
) -> Regions:
    """Replicas of a balanced tree whose features 2f and 2f + 1 become feature f of the next layer.

    scopes [V, 2^D, R]: which variables a leaf region has. mean, variance [V, K, R].
    layers, leaves first: weights [2^d, K_out, R, K_left, K_right]. mixing [R].
    """
    regions = Regions()
    owner = _array(scopes) > 0
    means, variances = _array(mean), _array(variance)
    weights = [_array(layer) for layer in layers]
    ways: list[tuple[int, int, FloatArray]] = []
    for r in range(owner.shape[2]):
        row: list[int] = []
        for leaf in range(owner.shape[1]):
            variables = np.flatnonzero(owner[:, leaf, r])
            row.append(
                regions.leaf(
                    variables, mean=means[variables, :, r], variance=variances[variables, :, r]
                )
            )
        for layer in weights:
            pairs = [
                (row[2 * f], row[2 * f + 1], layer[f, :, r].reshape(layer.shape[1], -1))
                for f in range(len(row) // 2)
            ]
            if len(pairs) == 1:
                ways.append(pairs[0])
                break
            row = [regions.inner([pair]) for pair in pairs]
    regions.inner(ways, _array(mixing).reshape(1, -1) if len(ways) > 1 else None)
    return regions


def _array(tensor: Tensor) -> FloatArray:
    return tensor.detach().float().numpy()
