"""Leaves: a region of factorised leaves is one matrix product, or one gather.

log p(x_d; unit k) summed over the d variables of a region is c . T(x) with the coefficients
c [K, S * d] and the statistics T [S * d, B] (leaves/base.py); missing values have T = 0.
Categoricals with many states gather rows of a table instead of multiplying by one-hots.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pccore.compile.buffers import ALL
from pccore.compile.kernels.fused import Kernels
from pccore.compile.layer import BankRows, Layer
from pccore.compile.leaf_bank import IMPOSSIBLE, LeafBank
from pccore.compile.plan import LayerSpec
from pccore.compile.state import Choice, Pass
from pccore.leaves.base import LeafFamily, Support
from pccore.logarithm import log

#: By how much smaller the parts are in which numbers are looked up in, or added to, a table one
#: by one: they wait in the cache for their turn.
COUNTED = 2
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
        kernels: Kernels | None,
    ) -> None:
        super().__init__(number, spec, device)
        self.bank = bank
        self.rows = BankRows(spec.rows, device)
        # Where leaves of several families share a variable, a value may lie outside the
        # support of this one.
        support = bank.family.support
        self._partial = any(domains[v] != support for group in variables for v in group)
        self._has_base = type(bank.family).log_base is not LeafFamily.log_base
        self.variables = torch.tensor(variables, dtype=torch.long, device=device)  # [G, d]
        d, states = self.variables.shape[1], bank.family.num_statistics
        numbers = self.rows.numbers(torch.arange(len(variables), device=device))
        pair = numbers[:, None] * d + torch.arange(d, device=device)
        self._table_start = pair * states  # [G, d]: first table row of (group, variable)
        # The fused kernels read a table whose rows are those of the groups.
        whole = bank.gathers and self.rows.index is None
        self._kernels = kernels if whole else None

    def _columns(self, data: Tensor, state: Pass) -> Tensor:
        """[V, B] -> [G, d, B]; in the workspace, until the next call."""
        shape = (self.variables.numel(), state.samples)
        flat = state.workspace.take("columns of leaves", shape, data)
        torch.index_select(data, 0, self.variables.reshape(-1), out=flat)
        return flat.unflatten(0, self.variables.shape)

    def _data(self, state: Pass) -> tuple[Tensor, Tensor | None]:
        """(x, observed), each [G, d, B]; x is 0 where it is missing or impossible here.

        observed is None where nothing is missing, which saves the passes over it.
        """
        x = self._columns(state.columns, state)
        observed = None if state.complete else self._columns(state.seen, state)
        if self._partial:
            x = torch.where(self.bank.family.support.contains(x), x, 0.0)
        if self.bank.shift is not None:
            # Squares of larger numbers overflow; the densities are exp(-10^17) anyway.
            limit = torch.finfo(x.dtype).max ** 0.4
            x.clamp_(-limit, limit)
        return x, observed

    def _states(self, state: Pass, keep: bool, dtype: torch.dtype) -> Tensor:
        """States [G, d, B], -1 where missing; in the workspace."""
        x, observed = self._data(state)
        if observed is not None:
            x.masked_fill_(~observed, -1)
        name = f"states {self.number if keep else ''}"
        return state.workspace.take(name, tuple(x.shape), x, dtype).copy_(x)

    def _statistics(self, state: Pass) -> Tensor:
        """T(x) as [G, S * d, B], 0 where missing; in the workspace."""
        x, observed = self._data(state)
        if self.bank.shift is not None:
            x -= self.rows.of(self.bank.shift)
        groups, d, samples = x.shape
        name = f"statistics {self.number}"
        shape = (groups, self.bank.family.num_statistics, d, samples)
        kept = state.workspace.take(name, shape, x)
        self.bank.family.sufficient_statistics(x, 1, out=kept)
        if observed is not None:
            kept *= observed.unsqueeze(1)
        return kept.flatten(1, 2)

    def up(self, state: Pass, keep: bool) -> None:
        """Log-densities; a missing variable contributes 0."""
        out = self.read(state.values)
        if self._kernels is not None:
            kept = self._states(state, keep, torch.int32)
            table = self.rows.of(self.bank.table(self.bank.coefficients))
            self._kernels.categorical_up(kept, table, out)
        elif self.bank.gathers:
            kept = self._states(state, keep, torch.int64)
            look_up = (
                self._look_up_values if keep and self.bank.learns_from_values else self._look_up
            )
            look_up(state, kept, out)
        elif self.bank.shifts_each:
            kept = self._up_each(state, out)
        else:
            kept = self._statistics(state)
            torch.bmm(self.rows.of(self.bank.coefficients), kept, out=out)
            if self._has_base:
                x, observed = self._data(state)
                base = self.bank.family.log_base(x)
                out += (base if observed is None else base * observed).sum(1, keepdim=True)
            if self.bank.shift is None:  # the densities of the others are never 0
                out.masked_fill_(out < IMPOSSIBLE / 2, -torch.inf)
        if self._partial:
            outside = self._columns(state.seen, state)
            outside &= ~self.bank.family.support.contains(self._columns(state.columns, state))
            out.masked_fill_(outside.any(1, keepdim=True), -torch.inf)
        if keep:
            state.kept[self.number] = kept

    def _table_rows(self, state: Pass, states: Tensor, part: slice, out: Tensor) -> Tensor:
        """Rows of the table for states [G, d, B] of a part; missing values have that of zeros."""
        torch.add(states, self._table_start[part].unsqueeze(2), out=out)
        if not state.complete:
            out.masked_fill_(states < 0, self.bank.coefficients.shape[0] - 1)
        return out

    def _look_up(self, state: Pass, states: Tensor, out: Tensor) -> None:
        """Sum of the table rows of each (group, sample)."""
        _, d, samples = states.shape
        if d == 1 and self.bank.states_last and state.complete:
            table = self.rows.of(self.bank.table(self.bank.coefficients))[:, 0]  # [G, S, K]
            torch.gather(table.mT.contiguous(), 2, states.expand(-1, self.spec.size, -1), out=out)
            return
        for part in self.parts(samples * (d + self.spec.size)):
            own = states[part]
            bags = state.workspace.take("bags", (len(own), samples, d), own)
            self._table_rows(state, own, part, bags.mT)
            sums = torch.nn.functional.embedding_bag(
                bags.flatten(0, 1), self.bank.coefficients, mode="sum"
            )
            out[part] = sums.unflatten(0, (-1, samples)).mT

    def _look_up_values(self, state: Pass, states: Tensor, out: Tensor) -> None:
        """The same from the probabilities: one batch needs the logarithms of few of them."""
        shape = (*states.shape[:2], self.spec.size, states.shape[2])
        for part in self.parts(COUNTED * math.prod(shape[1:])):
            own = states[part].unsqueeze(2)
            found = state.workspace.take("looked up", (len(own), *shape[1:]), out)
            index = own if state.complete else own.clamp_min(0)
            values = self.rows.of(self.bank.values, part)
            torch.gather(values, 3, index.expand(found.shape), out=found)
            if not state.complete:
                found.masked_fill_(own < 0, 1.0)
            torch.sum(log(found, found), 1, out=out[part])

    def _moved(self, x: Tensor, j: int) -> Tensor:
        """x [G, d, B] at variable j, less the shift of each unit: [G, K, B]."""
        assert self.bank.shift is not None
        return x[:, j, None] - self.rows.of(self.bank.shift)[:, j].unsqueeze(2)

    def _up_each(self, state: Pass, out: Tensor) -> Tensor:
        """Unit by unit, each with its own shift; returns x, NaN where missing."""
        x, observed = self._data(state)
        x = x.clone()  # is kept
        params = self.rows.of(self.bank.parameters)
        out.zero_()
        for j in range(x.shape[1]):
            values = self.bank.family.log_prob(self._moved(x, j), params[:, j].unsqueeze(2))
            out += values if observed is None else torch.where(observed[:, j, None], values, 0.0)
        return x if observed is None else torch.where(observed, x, torch.nan)

    def _flow_each(self, x: Tensor, incoming: Tensor, statistics: Tensor) -> None:
        """What `flow` does, for units with their own shifts."""
        parts: list[Tensor] = []
        for j in range(x.shape[1]):
            observed = ~torch.isnan(x[:, j, None])
            moved = torch.where(observed, self._moved(x, j), 0.0)
            per_unit = self.bank.family.sufficient_statistics(moved)  # [G, K, B, S]
            flow = torch.where(observed, incoming, 0.0)
            parts.append(torch.einsum("gkb,gkbs->gks", flow, per_unit))
        self.rows.add(statistics, torch.stack(parts, 3).flatten(2))

    def up_max(self, state: Pass, keep: bool = False) -> None:
        """Missing variables contribute the log-density of their mode."""
        self.up(state, keep)
        best = self.rows.of(self.bank.best)  # [G, d, K]
        missing = (~self._columns(state.seen, state)).to(best.dtype)
        self.read(state.values).add_(torch.bmm(best.mT, missing))

    def flow(self, state: Pass, flows: Tensor, statistics: Tensor | None) -> None:
        """Accumulate sum_b F_b T(x_b)."""
        if statistics is None or not self.bank.trainable:
            return
        kept = state.kept[self.number]
        incoming = self.read(flows)
        if self._kernels is not None:
            counts = self.rows.of(self.bank.table(statistics))
            self._kernels.categorical_flow(kept, incoming, counts)
        elif self.bank.gathers:
            self._count(state, incoming, statistics)
        elif self.bank.shifts_each:
            self._flow_each(kept, incoming, statistics)
        else:
            self.rows.add_product(statistics, incoming, kept.mT)

    def _count(self, state: Pass, incoming: Tensor, statistics: Tensor) -> None:
        """Add the flow of each (group, sample) to the table rows of its states."""
        states = state.kept[self.number]
        _, d, samples = states.shape
        if self.bank.states_last:
            self._count_states(state, incoming, self.rows.of(statistics))
            return
        take = state.workspace.take
        for part in self.parts(COUNTED * samples * d * self.spec.size):
            flow = incoming[part].mT.contiguous().unsqueeze(1)  # [G, 1, B, K]
            own = states[part]
            rows = take("rows", (len(own), d, samples, self.spec.size), flow).copy_(flow)
            index = self._table_rows(state, own, part, take("bags", tuple(own.shape), own))
            statistics.index_add_(0, index.reshape(-1), rows.flatten(0, 2))

    def _count_states(self, state: Pass, incoming: Tensor, counts: Tensor) -> None:
        """The same for counts [G, d, K, C], whose states lie together; a missing value adds 0."""
        states = state.kept[self.number]
        flow = incoming.unsqueeze(1)
        if not state.complete:
            flow = flow * (states >= 0).unsqueeze(2)
            states = states.clamp_min(0)
        shape = (*states.shape[:2], self.spec.size, states.shape[2])
        counts.scatter_add_(3, states.unsqueeze(2).expand(shape), flow.expand(shape))

    def choose(self, state: Pass, choice: Choice) -> None:
        """Fill the missing variables of the active leaves: draws, or modes."""
        if choice.x is None:
            return
        active = self.active(choice)
        # Each active leaf needs its parameters once more.
        width = self.bank.values[0, :, 0].numel()
        for groups, samples, units in zip(
            *(column.split(max(1, CHOICE_CHUNK // width)) for column in active), strict=True
        ):
            self._fill(state, choice.x, choice.generator, groups, samples, units)

    def _fill(
        self,
        state: Pass,
        x: Tensor,
        generator: torch.Generator | None,
        groups: Tensor,
        samples: Tensor,
        units: Tensor,
    ) -> None:
        params = self.bank.values[self.rows.numbers(groups), :, units]  # [n, d, *P]
        family = self.bank.family
        filled = family.mode(params) if generator is None else family.sample(params, generator)
        columns = self.variables[groups]
        where = samples.unsqueeze(-1).expand_as(columns)
        missing = ~state.observed[where, columns]
        x[where[missing], columns[missing]] = filled[missing].to(x.dtype)

    def add_slopes(self, state: Pass, flows: Tensor, out: Tensor) -> None:
        """Add sum_k F_k d log p_k(x) / dx to out [V, B], 0 where x is missing; only real variables
        have a slope."""
        if self.bank.family.support.kind != "real":
            return
        x, observed = self._data(state)
        incoming = self.read(flows)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            if self.bank.shifts_each:
                params = self.rows.of(self.bank.parameters)
                total = x.new_zeros(())
                for j in range(x.shape[1]):
                    moved = self._moved(x, j)
                    values = self.bank.family.log_prob(moved, params[:, j].unsqueeze(2))
                    total = total + (values * incoming).sum()
            else:
                local = x if self.bank.shift is None else x - self.rows.of(self.bank.shift)
                statistics = self.bank.family.sufficient_statistics(local, 1).flatten(1, 2)
                pull = torch.bmm(self.rows.of(self.bank.coefficients).mT, incoming)
                total = (statistics * pull).sum()
                if self._has_base:
                    base = self.bank.family.log_base(local)
                    total = total + (base * incoming.sum(1, keepdim=True)).sum()
            (slopes,) = torch.autograd.grad(total, x)
        if observed is not None:
            slopes = torch.where(observed, slopes, 0.0)
        out.index_add_(0, self.variables.reshape(-1), slopes.flatten(0, 1))

    def expectation(self, flows: Tensor, per_unit: Tensor, out: Tensor) -> None:
        """Add sum_k F_k * per_unit [rows, d, K, n] to out [V, n, B]."""
        table = self.rows.of(per_unit)
        extra = table.shape[3]
        flat = table.transpose(2, 3).flatten(1, 2)  # [G, d * n, K]
        means = torch.bmm(flat, self.read(flows, ALL))  # [G, d * n, B]
        out.index_add_(0, self.variables.reshape(-1), means.unflatten(1, (-1, extra)).flatten(0, 1))
