"""Evaluation that keeps few values: groups in post-order, weights made when they are needed.

On a tree of regions over n variables with k units each, O(k log n) values are alive at a time
(Shih et al. 2021, sec. 3.1, proposition 1), where the compiled program keeps those of all units;
and of generated parameters only those of one group exist at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pccore.generated import Generated
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup


@dataclass(frozen=True)
class PostOrder:
    """log_values: of the root, [B]. alive: most numbers for each sample that existed at a time.
    weights: most parameters of sums that did."""

    log_values: Tensor
    alive: int
    weights: int


@dataclass(eq=False)
class _Frame:
    """A group under way: how many inputs are done, what they came to, its log-weights."""

    group: int
    done: int = 0
    first: int = 0  # position of the next input's units among all of them
    value: Tensor | None = None
    log_weights: Tensor | None = None


@torch.no_grad()
def evaluate_in_post_order(
    circuit: Circuit, x: Tensor | np.ndarray, root: int = 0, dtype: torch.dtype = torch.float32
) -> PostOrder:
    """log S(x) of the root for rows x [B, V], NaN = missing, with few values alive.

    A group with several users is kept until the last has had it; leaves are computed for each
    user again. Slower than a compiled program, which computes many groups at once. Raises
    NotFoundError for a root that does not exist, ParameterError for illegal parameters.
    """
    circuit.validate_params()
    return _Walk(circuit, torch.as_tensor(x).to(dtype)).run(circuit.root_unit(root))


class _Walk:
    def __init__(self, circuit: Circuit, x: Tensor) -> None:
        self.circuit = circuit
        self.x = x
        self.kept: dict[int, Tensor] = {}
        self.users: dict[int, int] = {}
        self.alive = self.weights = 0

    def run(self, root: tuple[int, int]) -> PostOrder:
        top, index = root
        self._count_users(top)
        stack = [_Frame(top)]
        result: Tensor | None = None
        while stack:
            frame = stack[-1]
            group = self.circuit.groups[frame.group]
            if frame.done < len(group.inputs):
                below = group.inputs[frame.done]
                value = self._ready(below)
                if value is None:
                    stack.append(_Frame(below))
                    continue
                self._take(frame, group, value)
                self._watch(stack, value)
                continue
            stack.pop()
            result = self._finished(frame, group)
            if self.users.get(frame.group, 0):
                self.kept[frame.group] = result
        assert result is not None
        return PostOrder(result[:, index].clone(), self.alive, self.weights)

    def _count_users(self, top: int) -> None:
        seen, waiting = {top}, [top]
        while waiting:
            for i in self.circuit.groups[waiting.pop()].inputs:
                self.users[i] = self.users.get(i, 0) + 1
                if i not in seen:
                    seen.add(i)
                    waiting.append(i)

    def _ready(self, g: int) -> Tensor | None:
        """The value of an input, if it is there; the last user takes it away."""
        group = self.circuit.groups[g]
        if isinstance(group, LeafGroup):
            return self._leaf(group)
        if g not in self.kept:
            return None
        self.users[g] -= 1
        return self.kept[g] if self.users[g] else self.kept.pop(g)

    def _finished(self, frame: _Frame, group: Group) -> Tensor:
        if isinstance(group, LeafGroup):  # the root itself
            return self._leaf(group)
        assert frame.value is not None
        return frame.value

    def _watch(self, stack: list[_Frame], value: Tensor) -> None:
        """Note what exists now: values of frames and kept groups, and the one just taken."""
        frames = sum(0 if f.value is None else f.value.shape[1] for f in stack)
        kept = sum(v.shape[1] for v in self.kept.values())
        self.alive = max(self.alive, frames + kept + value.shape[1])
        weights = sum(0 if f.log_weights is None else f.log_weights.numel() for f in stack)
        self.weights = max(self.weights, weights)
        frame = stack[-1]
        if frame.done == len(self.circuit.groups[frame.group].inputs):
            frame.log_weights = None

    def _parameter(self, name: str) -> Tensor:
        params = self.circuit.params
        found = params.one(name) if isinstance(params, Generated) else params[name]
        return found.to(self.x.dtype)

    def _leaf(self, group: LeafGroup) -> Tensor:
        """Log-densities [B, size]; a missing variable counts 0."""
        params = self._parameter(group.parameter)
        total = self.x.new_zeros(len(self.x), group.size)
        for j, v in enumerate(group.variables):
            column = self.x[:, v, None]
            missing = torch.isnan(column)
            density = group.family.log_prob(torch.where(missing, 0.0, column), params[j])
            total += torch.where(missing, 0.0, density)
        return total

    def _take(self, frame: _Frame, group: Group, child: Tensor) -> None:
        """One more input, child [B, units]."""
        if isinstance(group, SumGroup):
            if frame.log_weights is None:
                frame.log_weights = torch.log(self._parameter(group.parameter))
            term = self._term(frame, group, child)
            frame.value = term if frame.value is None else torch.logaddexp(frame.value, term)
        elif isinstance(group, ProductGroup):
            frame.value = self._product(frame, group, child)
        frame.done += 1
        frame.first += child.shape[1]

    def _term(self, frame: _Frame, group: SumGroup, child: Tensor) -> Tensor:
        """What an input adds to the sums, [B, size], in the log domain."""
        weights = frame.log_weights
        assert weights is not None
        if isinstance(group.edges, SparseEdges):
            rows, columns, edges = _edges(group.edges, frame.first, child.shape[1])
            term = child.new_full((len(child), group.size), -torch.inf)
            for row in np.unique(rows):
                own = rows == row
                scores = child[:, columns[own]] + weights[edges[own]]
                term[:, int(row)] = torch.logsumexp(scores, 1)
            return term
        if group.edges == "elementwise":
            return child + weights[:, frame.done]
        own = weights[:, frame.first : frame.first + child.shape[1]]
        top = child.amax(1, keepdim=True).clamp_min(torch.finfo(child.dtype).min)
        return torch.log(torch.exp(child - top) @ torch.exp(own).mT) + top

    def _product(self, frame: _Frame, group: ProductGroup, child: Tensor) -> Tensor:
        value = frame.value
        if isinstance(group.edges, SparseEdges):
            rows, columns, _ = _edges(group.edges, frame.first, child.shape[1])
            if value is None:
                value = child.new_zeros(len(child), group.size)
            return value.index_add(1, torch.as_tensor(rows), child[:, columns])
        if value is None:
            return child
        if group.edges == "kronecker":
            return (value[:, :, None] + child[:, None, :]).flatten(1)
        return value + child


def _edges(edges: SparseEdges, first: int, units: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(unit, child among `units`, edge number) of the edges into the inputs' units from `first`."""
    rows = np.repeat(np.arange(len(edges.offsets) - 1), np.diff(edges.offsets))
    own = np.flatnonzero((edges.children >= first) & (edges.children < first + units))
    return rows[own], edges.children[own] - first, own
