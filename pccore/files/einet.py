"""Einsum networks as arrays (.einet.npz), as `user_side/export_einet.py` writes them.

The arrays of an .npz file, those of the code of the EiNet paper (EinsumNetworks) layer by layer:

    einet     a JSON text: {"version": 1, "variables": V or names, "dimensions": D,
              "family": "normal" | "binomial" | "categorical", "trials" or "states": N,
              "leaves": [{"scope": [v, ...], "replica": r}, ...],
              "layers": [{"products": [[left, right], ...]} or {"mixing": [[p, ...], ...]}, ...]}
    leaves    [V, K, replicas, S]: expectation parameters of K leaves of each variable, where S is
              D means and D second moments (normal), D expected counts (binomial), or D times N
              probabilities (categorical)
    layer_1   of a layer of products [K_left, K_right, K, products]: weights of the K sums over all
    ...       pairs of the children's units; of a mixing layer [K, nodes, most children]: weights of
              its sums over the products (of the layer before) that it names, then zeros

A child is [layer, index], layer 0 being the leaves; the root is the first node of the last layer. A
variable of D > 1 dimensions becomes D columns.

Source: Peharz et al. 2020, "Einsum networks", eq. 4 (einsum layer), sec. 3.3 (mixing layer) and
sec. 3.4 (leaves in expectation parameters).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pccore import npy
from pccore.errors import FileError
from pccore.files import checks, strict_json
from pccore.files.base import Limits, Source
from pccore.files.importing.formats import reading
from pccore.files.validation import validate_params
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup
from pccore.leaves.base import LeafFamily
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian

Array = NDArray[Any]

_NAME = "the arrays"
_MOST_STATES = 2**20
#: The forward pass of EinsumNetworks keeps probabilities away from 0 by this much.
_BINOMIAL_MARGIN, _CATEGORICAL_FLOOR = 1e-6, 1e-12


@dataclass(frozen=True, slots=True)
class _Head:
    """What the text says. variables: names of the columns, `dimensions` of them a variable."""

    variables: list[str]
    dimensions: int
    family: str
    number: int
    leaves: list[tuple[list[int], int]]
    layers: list[dict[str, object]]


# -- the text ----------------------------------------------------------------------------------


def _head(text: str, limits: Limits) -> _Head:
    document = checks.fields(
        strict_json.parse(text, limits),
        "the text",
        ("version", "variables", "family", "leaves", "layers"),
        ("dimensions", "trials", "states"),
    )
    checks.integer(document["version"], "version", 1, 1)
    dimensions = checks.integer(document.get("dimensions", 1), "dimensions", 1, 2**16)
    names = _names(document["variables"], dimensions, limits)
    family = document["family"]
    if family not in _FAMILIES:
        raise FileError(
            f"there is no family {checks.shown(family)}", hint=f"known are {', '.join(_FAMILIES)}"
        )
    key = {"binomial": "trials", "categorical": "states"}.get(cast("str", family))
    number = 0 if key is None else checks.integer(document.get(key), key, 1, _MOST_STATES)
    layers = [
        checks.fields(layer, "a layer", (), ("products", "mixing"), f"layer {k}")
        for k, layer in enumerate(checks.items(document["layers"], "layers"), 1)
    ]
    if not layers:
        raise FileError("there are no layers above the leaves")
    leaves: list[tuple[list[int], int]] = []
    for k, entry in enumerate(checks.items(document["leaves"], "leaves")):
        where = f"leaf {k}"
        leaf = checks.fields(entry, "a leaf", ("scope",), ("replica",), where)
        most = len(names) // dimensions - 1
        scope = [
            checks.integer(v, "a variable", 0, most, where)
            for v in checks.items(leaf["scope"], "scope", where)
        ]
        replica = checks.integer(leaf.get("replica", 0), "replica", 0, 2**20, where)
        leaves.append((scope, replica))
    return _Head(names, dimensions, cast("str", family), number, leaves, layers)


def _names(value: object, dimensions: int, limits: Limits) -> list[str]:
    count = len(cast("list[object]", value)) if isinstance(value, list) else value
    most = limits.max_variables // dimensions
    variables = checks.integer(count, "the number of variables", 1, most)
    if isinstance(value, list):
        entries = cast("list[object]", value)
        names = [checks.name(name, "the variable name", limits) for name in entries]
    else:
        names = [f"X{v}" for v in range(variables)]
    if dimensions > 1:
        names = [f"{name}.{d}" for name in names for d in range(dimensions)]
    if len(set(names)) != len(names):
        raise FileError("two variables have the same name")
    return names


# -- leaves ------------------------------------------------------------------------------------


def _normal(phi: Array, head: _Head) -> Array:
    mean = phi[..., : head.dimensions]
    return np.stack((mean, phi[..., head.dimensions :] - mean**2), -1)


def _binomial(phi: Array, head: _Head) -> Array:
    return np.clip(phi / head.number, _BINOMIAL_MARGIN, 1 - _BINOMIAL_MARGIN)


def _categorical(phi: Array, head: _Head) -> Array:
    p = phi.reshape(*phi.shape[:-1], head.dimensions, head.number)
    p = np.clip(p, _CATEGORICAL_FLOOR, 1)
    return p / p.sum(-1, keepdims=True)


#: For each family: from [..., S] to parameters [..., D, those of the family].
_FAMILIES: Mapping[str, Callable[[Array, _Head], Array]] = MappingProxyType(
    {"normal": _normal, "binomial": _binomial, "categorical": _categorical}
)


def _family(values: Array, head: _Head) -> LeafFamily:
    """The family of all leaves. Raises FileError for a variance that is not positive."""
    if head.family == "binomial":
        return Bernoulli() if head.number == 1 else Binomial(head.number)
    if head.family == "categorical":
        return Categorical(head.number)
    # A variable at a time, to hold little of it twice.
    smallest = min(float(_normal(phi.astype(np.float64), head)[..., 1].min()) for phi in values)
    if not smallest > 0:
        raise FileError(
            f"the moments of a leaf give the variance {smallest:g}",
            where="leaves",
            hint="the last axis holds E[x] and E[x^2]",
        )
    return Gaussian(min_variance=min(1e-4, smallest))


# -- groups ------------------------------------------------------------------------------------


class _Builder:
    """Groups and parameters; places[layer][index] is the group of a node."""

    def __init__(self, head: _Head, dtype: np.dtype[Any], limits: Limits) -> None:
        self.head = head
        self.dtype = dtype
        self.limits = limits
        self.groups: list[Group] = []
        self.params: dict[str, Tensor] = {}
        self.places: list[list[int]] = []
        self._units = self._numbers = 0

    def count(self, group: Group, numbers: int = 0) -> None:
        """Raises FileError where with this group there are too many units or parameters."""
        self._units += group.size
        self._numbers += numbers
        for name, count in (
            ("max_groups", len(self.groups) + 1),
            ("max_units", self._units),
            # Leaves that share variables and replica have their numbers again and again.
            ("max_bytes", self._numbers * self.dtype.itemsize),
        ):
            most: int = getattr(self.limits, name)
            if count > most:
                raise FileError(
                    f"more than {most} {name[4:]} are not supported",
                    hint=self.limits.way_out(name),
                )

    def add(self, group: Group, values: Array | None = None) -> int:
        """The position of a group that was counted, and its parameters."""
        if values is not None:
            own = np.require(values, self.dtype, ["C", "W"])
            self.params[group.name] = torch.from_numpy(own)
        self.groups.append(group)
        return len(self.groups) - 1

    def leaves(self, values: Array) -> None:
        """The leaf regions, K factorised leaves each."""
        head = self.head
        numbers = {"normal": 2, "binomial": 1, "categorical": head.number}[head.family]
        shape = (len(head.variables) // head.dimensions, numbers * head.dimensions)
        if values.ndim != 4 or (values.shape[0], values.shape[3]) != shape or 0 in values.shape:
            raise FileError(
                f"the array has the shape {list(values.shape)}, not "
                f"[{shape[0]}, K, replicas, {shape[1]}]",
                where="leaves",
            )
        family, dimensions = _family(values, head), head.dimensions
        self.places.append([])
        for k, (scope, replica) in enumerate(head.leaves):
            if not scope or len(set(scope)) != len(scope):
                raise FileError("the scope is empty or has a variable twice", where=f"leaf {k}")
            if replica >= values.shape[2]:
                raise FileError(f"there is no replica {replica}", where=f"leaf {k}")
            columns = [v * dimensions + d for v in scope for d in range(dimensions)]
            group = LeafGroup(f"L{k}", values.shape[1], family, tuple(columns), f"L{k}")
            self.count(group, len(columns) * group.size * math.prod(family.parameter_shape))
            own = np.empty((len(columns), group.size, *family.parameter_shape), self.dtype)
            for place, v in enumerate(scope):  # one by one, to hold little of it twice
                phi = _FAMILIES[head.family](values[v, :, replica].astype(np.float64), head)
                rows = own[place * dimensions : (place + 1) * dimensions]
                rows[...] = np.moveaxis(phi, 1, 0).reshape(rows.shape)  # [K, D, ...] to [D, K, ...]
            self.places[0].append(self.add(group, own))

    def child(self, value: object, where: str) -> int:
        """The group of [layer, index]."""
        pair = checks.items(value, "a child", where)
        if len(pair) != 2:
            raise FileError("a child is [layer, index]", where=where)
        layer = checks.integer(pair[0], "the layer", 0, len(self.places) - 1, where)
        below = self.places[layer]
        return below[checks.integer(pair[1], "the index", 0, len(below) - 1, where)]

    def products(self, entries: Sequence[object], weights: Array, where: str) -> None:
        """An einsum layer: for each product the pairs of its children's units, and K sums."""
        if weights.ndim != 4 or weights.shape[3] != len(entries) or 0 in weights.shape:
            raise FileError(
                f"the array has the shape {list(weights.shape)}, not "
                f"[K_left, K_right, K, {len(entries)}]",
                where=where,
            )
        layer, (left, right, size, _) = len(self.places), weights.shape
        places: list[int] = []
        for p, entry in enumerate(entries):
            here = f"{where}, product {p}"
            pair = checks.items(entry, "a product", here)
            if len(pair) != 2:
                raise FileError(f"a product has two children, not {len(pair)}", where=here)
            inputs = (self.child(pair[0], here), self.child(pair[1], here))
            sizes = tuple(self.groups[i].size for i in inputs)
            if sizes != (left, right):
                raise FileError(
                    f"the children have {sizes[0]} and {sizes[1]} units, the weights are for "
                    f"{left} and {right}",
                    where=here,
                )
            product = ProductGroup(f"P{layer}_{p}", left * right, inputs, "kronecker")
            self.count(product)
            name = f"S{layer}_{p}"
            group = SumGroup(name, size, (self.add(product),), name)
            self.count(group, size * left * right)
            own = weights[:, :, :, p].reshape(left * right, size).T
            places.append(self.add(group, own))
        self.places.append(places)

    def mixing(self, entries: Sequence[object], weights: Array, where: str) -> None:
        """A mixing layer: unit k of a node weighs the units k of products of the layer before."""
        layer, below = len(self.places), self.places[-1]
        if weights.ndim != 3 or weights.shape[1] != len(entries) or 0 in weights.shape:
            raise FileError(
                f"the array has the shape {list(weights.shape)}, not "
                f"[K, {len(entries)}, most children]",
                where=where,
            )
        places: list[int] = []
        for n, entry in enumerate(entries):
            here = f"{where}, node {n}"
            children = [
                checks.integer(child, "a product", 0, len(below) - 1, here)
                for child in checks.items(entry, "a node", here)
            ]
            if not 1 <= len(children) <= weights.shape[2]:
                raise FileError(
                    f"{len(children)} children do not fit {weights.shape[2]} weights", where=here
                )
            if np.any(weights[:, n, len(children) :]):
                raise FileError("a child that is not there has a weight", where=here)
            inputs = tuple(below[child] for child in children)
            sizes = {self.groups[i].size for i in inputs}
            if sizes != {weights.shape[0]}:
                raise FileError(
                    f"the weights are for {weights.shape[0]} units, the children have "
                    f"{', '.join(map(str, sorted(sizes)))}",
                    where=here,
                )
            name = f"M{layer}_{n}"
            group = SumGroup(name, weights.shape[0], inputs, name, "elementwise")
            self.count(group, weights.shape[0] * len(children))
            places.append(self.add(group, weights[:, n, : len(children)]))
        self.places.append(places)


def load(source: Source) -> Circuit:
    """The circuit, a root for each class, with the weights as they are.

    Raises FileError with the array, or the place in the text.
    """
    limits = source.limits
    found = npy.headers(source.stream, _NAME)
    if "einet" not in found:
        raise FileError(
            "there is no array `einet` with the structure",
            hint="pccore/files/user_side/export_einet.py writes checkpoints of EinsumNetworks",
        )
    size = sum(math.prod(header.shape) * header.dtype.itemsize for header in found.values())
    if size > limits.max_bytes:
        raise FileError(
            f"the arrays have {size} bytes, more than the {limits.max_bytes} allowed",
            hint=limits.way_out("max_bytes"),
        )
    if found["einet"].dtype.kind != "U" or found["einet"].shape != ():
        raise FileError("the array is not a text", where="einet")
    text = str(npy.read(source.stream, "einet", _NAME))
    head = _head(text, limits)
    names = ["leaves", *(f"layer_{k}" for k in range(1, len(head.layers) + 1))]
    for name in names:
        if name not in found or found[name].dtype.kind != "f":
            what = "is no array of real numbers" if name in found else "is missing"
            raise FileError(f"the array {what}", where=name)
    single = all(found[name].dtype.itemsize <= 4 for name in names)
    builder = _Builder(head, np.dtype(np.float32 if single else np.float64), limits)
    builder.leaves(npy.read(source.stream, "leaves", _NAME))
    for name, layer in zip(names[1:], head.layers, strict=True):
        if len(layer) != 1:
            raise FileError("a layer has products or mixing", where=name)
        ((kind, value),) = layer.items()
        entries = checks.items(value, kind, name)
        add = builder.products if kind == "products" else builder.mixing
        add(entries, npy.read(source.stream, name, _NAME), name)
    return _circuit(builder)


def _circuit(builder: _Builder) -> Circuit:
    top = builder.places[-1]
    if len(top) != 1:
        raise FileError(f"the last layer has {len(top)} nodes, not the root alone")
    classes = builder.groups[top[0]].size
    meta = {"title": "Einsum network"}
    if classes > 1:
        meta["story"] = f"{classes} roots: root c is the density of class c."
    roots = [(top[0], index) for index in range(classes)]
    circuit = Circuit(builder.groups, roots, builder.head.variables, builder.params, meta)
    validate_params(circuit)
    return circuit


def recognises(start: bytes) -> bool:
    """Whether this is an archive whose first member is the structure."""
    return start.startswith(b"PK\x03\x04") and start[30:39] == b"einet.npy"


EINET = reading("einet", "Einsum network, arrays", (".einet.npz",), load, recognises)
