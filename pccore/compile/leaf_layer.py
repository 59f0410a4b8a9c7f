"""Leaves: a region of factorised leaves is one matrix product, or one gather.

log p(x_d; unit k) summed over the d variables of a region is T(x) . c with the statistics
T [B, d * S] and the coefficients c [d * S, K] (leaves/base.py); missing values have T = 0.
Categoricals with many states gather rows of a table instead of multiplying by one-hots.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pccore.compile.banks import IMPOSSIBLE, LeafBank
from pccore.compile.buffers import Banks
from pccore.compile.layers import Choice, Layer, Pass
from pccore.compile.plan import LayerSpec
from pccore.leaves.base import LeafFamily, Support

#: Parameters of active leaves that are gathered at once.
CHOICE_CHUNK = 2**23


class LeafLayer(Layer):
    """Leaf groups of one family, d variables and K units each."""

    def __init__(
        self,
        number: int,
        spec: LayerSpec,
        device: torch.device,
        bank: LeafBank,
        variables: list[tuple[int, ...]],
        domains: Mapping[int, Support],
    ) -> None:
        super().__init__(number, spec, device)
        self.bank = bank
        # Where leaves of several families share a variable, a value may lie outside the
        # support of this one.
        support = bank.family.support
        self._partial = any(domains[v] != support for group in variables for v in group)
        self._has_base = type(bank.family).log_base is not LeafFamily.log_base
        self.variables = torch.tensor(variables, dtype=torch.long, device=device)  # [G, d]
        assert self.rows is not None
        d, states = self.variables.shape[1], bank.family.num_statistics
        numbers = self.rows.numbers(torch.arange(len(variables), device=device))
        pair = numbers[:, None] * d + torch.arange(d, device=device)
        self._table_start = pair * states  # [G, d]: first table row of (group, variable)

    def _columns(self, data: Tensor) -> Tensor:
        """[B, V] -> [G, B, d]."""
        flat = data.index_select(1, self.variables.reshape(-1))
        return flat.reshape(data.shape[0], *self.variables.shape).transpose(0, 1)

    def _data(self, state: Pass) -> tuple[Tensor, Tensor | None]:
        """(x, observed), each [G, B, d]; x is 0 where it is missing or impossible here.

        observed is None where nothing is missing, which saves the passes over it.
        """
        x = self._columns(state.x)
        observed = None if state.complete else self._columns(state.observed)
        if self._partial:
            x = torch.where(self.bank.family.support.contains(x), x, 0.0)
        if self.bank.shift is not None:
            # Squares of larger numbers overflow; the densities are exp(-10^17) anyway.
            limit = torch.finfo(x.dtype).max ** 0.4
            x = x.clamp(-limit, limit)
        return x, observed

    def _table_rows(self, state: Pass) -> Tensor:
        """Gather index [G, B, d]; missing values point to the row of zeros."""
        x, observed = self._data(state)
        index = x.long() + self._table_start.unsqueeze(1)
        last = self.bank.coefficients.shape[0] - 1
        return index if observed is None else torch.where(observed, index, last)

    def _statistics(self, state: Pass) -> Tensor:
        """T(x) as [G, B, d * S], 0 where missing."""
        assert self.rows is not None
        x, observed = self._data(state)
        if self.bank.shift is not None:
            x = x - self.rows.of(self.bank.shift).squeeze(2).unsqueeze(1)
        statistics = self.bank.family.sufficient_statistics(x)
        if observed is not None:
            statistics = statistics * observed.unsqueeze(-1)
        return statistics.flatten(-2)

    def up(self, state: Pass, keep: bool) -> None:
        """Log-densities; a missing variable contributes 0."""
        assert self.rows is not None
        out = self.read(state.values)
        if self.bank.gathers:
            index = self._table_rows(state)
            sums = torch.nn.functional.embedding_bag(
                index.reshape(-1, index.shape[-1]), self.bank.coefficients, mode="sum"
            )
            out.copy_(sums.reshape(out.shape))
            kept = index
        elif self.bank.shifts_each:
            kept = self._up_each(state, out)
        else:
            kept = self._statistics(state)
            torch.bmm(kept, self.rows.of(self.bank.coefficients), out=out)
            if self._has_base:
                x, observed = self._data(state)
                base = self.bank.family.log_base(x)
                out += (base if observed is None else base * observed).sum(-1, keepdim=True)
            if self.bank.shift is None:  # the densities of the others are never 0
                out[out < IMPOSSIBLE / 2] = -torch.inf
        if self._partial:
            x, observed = self._columns(state.x), self._columns(state.observed)
            outside = observed & ~self.bank.family.support.contains(x)
            out.masked_fill_(outside.any(-1, keepdim=True), -torch.inf)
        if keep:
            state.kept[self.number] = (kept,)

    def _moved(self, x: Tensor, j: int) -> Tensor:
        """x [G, B, d] at variable j, less the shift of each unit: [G, B, K]."""
        assert self.rows is not None and self.bank.shift is not None
        return x[..., j, None] - self.rows.of(self.bank.shift)[:, j].unsqueeze(1)

    def _up_each(self, state: Pass, out: Tensor) -> Tensor:
        """Unit by unit, each with its own shift; returns x, NaN where missing."""
        assert self.rows is not None
        x, observed = self._data(state)
        params = self.rows.of(self.bank.parameters)
        out.zero_()
        for j in range(x.shape[-1]):
            values = self.bank.family.log_prob(self._moved(x, j), params[:, j].unsqueeze(1))
            out += values if observed is None else torch.where(observed[..., j, None], values, 0.0)
        return x if observed is None else torch.where(observed, x, torch.nan)

    def _flow_each(self, x: Tensor, incoming: Tensor, statistics: Tensor) -> None:
        """What `flow` does, for units with their own shifts."""
        assert self.rows is not None
        parts: list[Tensor] = []
        for j in range(x.shape[-1]):
            observed = ~torch.isnan(x[..., j, None])
            moved = torch.where(observed, self._moved(x, j), 0.0)
            per_unit = self.bank.family.sufficient_statistics(moved)  # [G, B, K, S]
            flow = torch.where(observed, incoming, 0.0)
            parts.append(torch.einsum("gbk,gbks->gsk", flow, per_unit))
        self.rows.add(statistics, torch.cat(parts, 1))

    def up_max(self, state: Pass) -> None:
        """Missing variables contribute the log-density of their mode."""
        assert self.rows is not None
        self.up(state, keep=False)
        best = self.rows.of(self.bank.best)  # [G, d, K]
        missing = (~self._columns(state.observed)).to(best.dtype)
        self.read(state.values).add_(torch.bmm(missing, best))

    def flow(self, state: Pass, flows: Banks, statistics: Tensor | None) -> None:
        """Accumulate sum_b F_b T(x_b)."""
        if statistics is None or not self.bank.trainable:
            return
        assert self.rows is not None
        (kept,) = state.kept.pop(self.number)
        incoming = self.read(flows)
        if self.bank.gathers:
            d = kept.shape[-1]
            for j in range(d):
                statistics.index_add_(0, kept[..., j].reshape(-1), incoming.flatten(0, 1))
        elif self.bank.shifts_each:
            self._flow_each(kept, incoming, statistics)
        else:
            self.rows.add(statistics, torch.bmm(kept.transpose(1, 2), incoming))

    def choose(self, state: Pass, choice: Choice) -> None:
        """Fill the missing variables of the active leaves: draws, or modes."""
        active = self.active(choice)
        # Each active leaf needs its parameters once more.
        width = self.bank.values[0, :, 0].numel()
        for rows, samples, units in zip(
            *(column.split(max(1, CHOICE_CHUNK // width)) for column in active), strict=True
        ):
            self._fill(state, choice, rows, samples, units)

    def _fill(
        self, state: Pass, choice: Choice, rows: Tensor, samples: Tensor, units: Tensor
    ) -> None:
        assert self.rows is not None
        params = self.bank.values[self.rows.numbers(rows), :, units]  # [n, d, *P]
        family = self.bank.family
        if choice.generator is None:
            filled = family.mode(params)
        else:
            filled = family.sample(params, choice.generator)
        columns = self.variables[rows]
        where = samples.unsqueeze(-1).expand_as(columns)
        missing = ~state.observed[where, columns]
        choice.x[where[missing], columns[missing]] = filled[missing].to(choice.x.dtype)

    def expectation(self, flows: Banks, per_unit: Tensor, out: Tensor) -> None:
        """Add sum_k F_k * per_unit [rows, d, K, *] to out [B, V, *]; * has 0 or 1 dimension."""
        assert self.rows is not None
        table = self.rows.of(per_unit)
        extra = table.shape[3:]
        flat = table.movedim(2, 1).flatten(2)  # [G, K, d * extra]
        means = torch.bmm(self.read(flows), flat)  # [G, B, d * extra]
        means = means.unflatten(-1, (self.variables.shape[1], *extra))
        means = means.transpose(0, 1).flatten(1, 2)  # [B, G * d, *extra]
        out.index_add_(1, self.variables.reshape(-1), means)
