"""How a circuit fills in hidden pixels, and how probable it finds the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch

from pccore.completion.types import Array, Mask
from pccore.datasets import ImageShape
from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.queries import log_partition, log_value, mpe, posterior_mean, require, sample
from pccore.queries.subject import Model, as_program


@dataclass(frozen=True)
class Method:
    """A way of completing. query: the row of `pccore.queries.table` that licenses it."""

    name: str
    title: str
    query: str
    description: str


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        one.name: one
        for one in (
            Method("mpe", "MPE", "mpe", "the most probable completion, by max-product"),
            Method("mean", "Posterior mean", "mean", "the least expected squared error"),
            Method("sample", "Sample", "sample", "one draw from the posterior"),
            Method("tree", "Sums up, max down", "mpe", "the SPN paper's: sums up, maxima down"),
        )
    }
)


def _method(name: str) -> Method:
    found = METHODS.get(name)
    if found is None:
        raise OptionError(f"unknown method {name!r}, known are: {', '.join(METHODS)}")
    return found


def quality_of(model: Model, method: str) -> str:
    """Whether completions are "exact" answers or a "bound".

    Raises PropertyError if refused, OptionError for an unknown method.
    """
    return require(as_program(model), _method(method).query).quality


def complete_rows(
    model: Model,
    rows: Array,
    hidden: Mask,
    method: str = "mpe",
    image: ImageShape | None = None,
    seed: int = 0,
) -> Array:
    """The rows with hidden and missing values filled in, float64 [N, V].

    hidden: bool [V] or [N, V]. method: of `METHODS`: "mpe", the most probable completion; "mean",
    the posterior mean of each pixel (which minimises the expected squared error); "sample", one
    draw; "tree", sums on the way up and maxima on the way down (Poon & Domingos 2011, sec. 5).
    image: clips to its values.

    Raises PropertyError where the circuit does not license the method, EvidenceError where the
    visible part is impossible, OptionError for an unknown method.
    """
    _method(method)
    program = as_program(model)
    visible = np.where(hidden, np.nan, np.asarray(rows, dtype=np.float64))
    if method == "mean":
        found = posterior_mean(program, visible)
    elif method == "sample":
        found = sample(program, 1, visible, seed).reshape(visible.shape)
    else:
        found = mpe(program, visible, up="sum" if method == "tree" else "max").assignment
    return clipped(found.double().cpu().numpy(), image)


def clipped(rows: Array, image: ImageShape | None) -> Array:
    """The rows inside 0 .. maximum: nothing else can be a picture."""
    return rows if image is None else np.clip(rows, 0.0, image.maximum)


def log_probabilities(
    model: Model, rows: Array, hidden: Mask, completions: Mapping[str, Array]
) -> tuple[Array, dict[str, Array]]:
    """log P(visible) [N], and log P(completed | visible) [N] of every completion, in nats.

    completions: rows [N, V] by name; log-densities where pixels are real numbers. NaN where a
    completion is no state of the circuit, as the mean of discrete pixels rarely is. Raises
    PropertyError where the circuit does not license probabilities.
    """
    program = as_program(model)
    visible = np.where(hidden, np.nan, np.asarray(rows, dtype=np.float64))
    log_z = float(log_partition(program))
    below = _value(program, visible)
    found: dict[str, Array] = {}
    for name, completed in completions.items():
        values = np.full(len(completed), np.nan)
        states = is_state(program.circuit, completed)
        # S(completed) / S(visible): the partition function cancels.
        values[states] = _value(program, completed[states]) - below[states]
        found[name] = values
    return below - log_z, found


def _value(model: Model, rows: Array) -> Array:
    return log_value(model, rows).double().numpy() if len(rows) else np.zeros(0)


def is_state(circuit: Circuit, rows: Array) -> Mask:
    """Which rows have values that their variables can take, bool [N]; NaN can be anything."""
    legal = np.ones(len(rows), dtype=np.bool_)
    for v, domain in circuit.domains.items():
        column = torch.from_numpy(np.ascontiguousarray(rows[:, v], dtype=np.float64))
        legal &= (torch.isnan(column) | domain.contains(column)).numpy()
    return legal
