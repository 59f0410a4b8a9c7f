"""Small Einsum networks as arrays, and their densities by the formulas of the EiNet paper."""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Scope = tuple[int, ...]
#: For each region that is split, the pairs of regions that it is split into.
Splits = dict[Scope, list[tuple[Scope, Scope]]]


def trees(variables: int, repetitions: int, generator: np.random.Generator) -> Splits:
    """Random binary trees of depth two below one root (RAT)."""
    splits: Splits = {}
    for _ in range(repetitions):
        waiting = [(tuple(range(variables)), 2)]
        while waiting:
            scope, depth = waiting.pop()
            if depth == 0 or len(scope) == 1:
                continue
            order = generator.permutation(scope).tolist()
            half = len(order) // 2
            pair = (tuple(sorted(order[:half])), tuple(sorted(order[half:])))
            splits.setdefault(scope, []).append(pair)
            waiting += [(part, depth - 1) for part in pair]
    return splits


def rectangles(height: int, width: int) -> Splits:
    """Every cut of every rectangle (Poon-Domingos with steps of 1)."""
    splits: Splits = {}
    corners = itertools.product(range(height), range(width), range(height), range(width))
    for top, left, bottom, right in corners:
        if bottom < top or right < left:
            continue

        def scope(rows: Sequence[int], columns: Sequence[int]) -> Scope:
            return tuple(y * width + x for y in rows for x in columns)

        rows, columns = range(top, bottom + 1), range(left, right + 1)
        pairs = [(scope(rows[:k], columns), scope(rows[k:], columns)) for k in range(1, len(rows))]
        pairs += [
            (scope(rows, columns[:k]), scope(rows, columns[k:])) for k in range(1, len(columns))
        ]
        if pairs:
            splits[scope(rows, columns)] = pairs
    return splits


def levels(splits: Splits) -> list[list[Scope]]:
    """Inner regions from the bottom up, each as high as the partitions above it let it be
    (EiNet paper, algorithm 1)."""
    parents: dict[Scope, set[Scope]] = {scope: set() for scope in splits}
    for scope, pairs in splits.items():
        for part in itertools.chain.from_iterable(pairs):
            if part in parents:
                parents[part].add(scope)
    found: list[list[Scope]] = []
    done: set[Scope] = set()
    while len(done) < len(splits):
        level = sorted(s for s in splits if s not in done and parents[s] <= done)
        done.update(level)
        found.insert(0, level)
    return found


def einet(
    splits: Splits,
    family: str,
    *,
    number: int = 0,
    dimensions: int = 1,
    sums: int = 3,
    classes: int = 1,
    seed: int = 0,
) -> dict[str, Array]:
    """The arrays of a network with random parameters, 2 distributions in each leaf region."""
    generator = np.random.default_rng(seed)
    parts = {part for pairs in splits.values() for pair in pairs for part in pair}
    leaves = sorted(parts - set(splits))
    variables = 1 + max(v for scope in leaves for v in scope)
    # Leaves that share a variable get replicas of their own.
    replicas = [sum(set(a) & set(b) != set() for b in leaves[:k]) for k, a in enumerate(leaves)]
    shape = (variables, 2, max(replicas) + 1, dimensions)
    if family == "normal":
        mean, variance = generator.normal(size=shape), generator.uniform(0.5, 2, shape)
        phi = np.concatenate([mean, variance + mean**2], -1)
    elif family == "binomial":
        phi = generator.uniform(0.1, number - 0.1, shape)
    else:
        phi = generator.uniform(0.1, 1, (*shape, number))
        phi = (phi / phi.sum(-1, keepdims=True)).reshape(*shape[:3], -1)
    arrays, layers = {"leaves": phi}, list[dict[str, Any]]()
    place: dict[Scope, list[int]] = {scope: [0, k] for k, scope in enumerate(leaves)}
    top = tuple(range(variables))
    for level in levels(splits):
        owners = [(scope, pair) for scope in level for pair in splits[scope]]
        out = classes if level == [top] else sums
        widths = {tuple(sums if place[p][0] else 2 for p in pair) for _, pair in owners}
        (width,) = widths  # one array has one number of units on each side
        weights = generator.uniform(0.01, 1, (*width, out, len(owners)))
        layers.append({"products": [[place[a], place[b]] for _, (a, b) in owners]})
        arrays[f"layer_{len(layers)}"] = weights / weights.sum((0, 1), keepdims=True)
        numbers = {s: [p for p, (own, _) in enumerate(owners) if own == s] for s in level}
        for scope, own in numbers.items():
            place[scope] = [len(layers), own[0]]
        mixed = [scope for scope in level if len(numbers[scope]) > 1]
        if mixed:
            most = max(len(numbers[scope]) for scope in mixed)
            shares = np.zeros((out, len(mixed), most))
            for n, scope in enumerate(mixed):
                drawn = generator.uniform(0.01, 1, (out, len(numbers[scope])))
                shares[:, n, : drawn.shape[1]] = drawn / drawn.sum(1, keepdims=True)
            layers.append({"mixing": [numbers[scope] for scope in mixed]})
            arrays[f"layer_{len(layers)}"] = shares
            for n, scope in enumerate(mixed):
                place[scope] = [len(layers), n]
    text = {
        "version": 1,
        "variables": variables,
        "dimensions": dimensions,
        "family": family,
        "leaves": [
            {"scope": scope, "replica": replica}
            for scope, replica in zip(leaves, replicas, strict=True)
        ],
        "layers": layers,
    }
    if number:
        text["trials" if family == "binomial" else "states"] = number
    return {"einet": np.array(json.dumps(text)), **arrays}


def packed(arrays: Mapping[str, Array]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


# -- densities, in the linear domain ---------------------------------------------------------


def _normal(phi: Array, x: float, _: int) -> Array:
    """h(x) exp(T(x) theta - A(theta)) with theta = (mean / variance, -1 / (2 variance))."""
    mean, variance = phi[..., 0], phi[..., 1] - phi[..., 0] ** 2
    theta = (mean / variance, -1 / (2 * variance))
    log_a = -(theta[0] ** 2) / (4 * theta[1]) - 0.5 * np.log(-2 * theta[1])
    return np.exp(x * theta[0] + x * x * theta[1] - log_a) / math.sqrt(2 * math.pi)


def _binomial(phi: Array, x: float, trials: int) -> Array:
    p = phi[..., 0] / trials
    return math.comb(trials, int(x)) * p**x * (1 - p) ** (trials - x)


def _categorical(phi: Array, x: float, _: int) -> Array:
    return phi[..., int(x)]


_DENSITIES: Mapping[str, Callable[[Array, float, int], Array]] = {
    "normal": _normal,
    "binomial": _binomial,
    "categorical": _categorical,
}


def densities(arrays: Mapping[str, Array], row: Sequence[float]) -> Array:
    """[classes]: the density of each class at a row of V * D values, NaN where one is missing."""
    text = json.loads(str(arrays["einet"]))
    dimensions, number = text["dimensions"], text.get("trials") or text.get("states") or 0
    density, phi = _DENSITIES[text["family"]], arrays["leaves"]
    # The numbers of one dimension: [mean, second moment], [count] or [states].
    parts = phi.shape[-1] // dimensions
    split = phi.reshape(*phi.shape[:-1], -1, dimensions)
    if text["family"] == "categorical":
        split = np.swapaxes(phi.reshape(*phi.shape[:-1], dimensions, parts), -1, -2)
    values: list[list[Array]] = [[]]
    for leaf in text["leaves"]:
        value = np.ones(phi.shape[1])
        for v, d in itertools.product(leaf["scope"], range(dimensions)):
            x = row[v * dimensions + d]
            if not math.isnan(x):
                value = value * density(split[v, :, leaf["replica"], :, d], x, number)
        values[0].append(value)
    for k, layer in enumerate(text["layers"], 1):
        weights = arrays[f"layer_{k}"]
        if "products" in layer:
            pairs = [[values[i][j] for i, j in pair] for pair in layer["products"]]
            values.append(
                [
                    np.einsum("i,j,ijk->k", left, right, weights[..., p])
                    for p, (left, right) in enumerate(pairs)
                ]
            )
        else:
            values.append(
                [
                    sum(
                        (weights[:, n, c] * values[-1][p] for c, p in enumerate(children)),
                        np.zeros(weights.shape[0]),
                    )
                    for n, children in enumerate(layer["mixing"])
                ]
            )
    return values[-1][0]


def networks() -> dict[str, dict[str, Array]]:
    """One of each structure and family."""
    rat, pd = trees(8, 3, np.random.default_rng(4)), rectangles(2, 3)
    return {
        "rat-normal": einet(rat, "normal"),
        "rat-classes": einet(rat, "categorical", number=3, dimensions=2, classes=3),
        "rat-counts": einet(rat, "binomial", number=4, sums=2),
        "pd-binary": einet(pd, "binomial", number=1, sums=2),
        "pd-states": einet(pd, "categorical", number=3, sums=2),
        "pd-colours": einet(pd, "normal", dimensions=3, sums=2),
    }
