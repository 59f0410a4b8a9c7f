"""Mixtures: elementwise sums of several inputs of the same size."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pccore.compile.kernels import dense
from pccore.compile.layer import BankRows, InnerLayer
from pccore.compile.plan import LayerSpec
from pccore.compile.state import Choice, Pass
from pccore.compile.weight_bank import WeightBank
from pccore.logarithm import log


class MixLayer(InnerLayer):
    """Elementwise sums of n inputs: unit k mixes unit k of each, weights [G, K, n]."""

    def __init__(
        self, number: int, spec: LayerSpec, device: torch.device, bank: WeightBank
    ) -> None:
        super().__init__(number, spec, device)
        self.bank = bank
        self.rows = BankRows(spec.rows, device)

    def _parts(self, state: Pass) -> Iterator[tuple[slice, Tensor]]:
        """Parts, with a copy of the inputs' values [G, n, K, B]."""
        for part in self.parts(self.spec.size * len(self.inputs.sizes) * state.samples):
            values = self.inputs.stacked(state.values, part, state.workspace)
            copy = state.workspace.take("scores", tuple(values.shape), values)
            yield part, copy.copy_(values)

    def _log_weights(self, part: slice) -> Tensor:
        """[G, n, K, 1]."""
        return self.rows.of(self.bank.log_weights, part).mT.unsqueeze(-1)

    def up(self, state: Pass, keep: bool) -> None:
        """Weighted sum in the linear domain, shifted by the largest input of each unit."""
        shape = (2, len(self.spec.groups), self.spec.size, state.samples)
        kept = state.workspace.take(f"mix {self.number if keep else ''}", shape, state.values)
        if keep:
            state.kept[self.number] = kept
        exact = self.bank.log_scale is not None
        for part, values in self._parts(state):
            sums, top = kept[0, part], kept[1, part]
            weights = self.rows.of(self.bank.linear, part).mT.unsqueeze(-1)
            torch.amax(values, 1, out=top)
            top.clamp_min_(torch.finfo(top.dtype).min)
            dense.exp_(values.sub_(top.unsqueeze(1))).mul_(weights)
            torch.sum(values, 1, out=sums)
            out = self.read(state.values, part)
            log(sums, out)
            out += top
            if exact or (dense.underflows(sums) and dense.lost(sums, top)):
                exact = True
                values.copy_(self.inputs.stacked(state.values, part, state.workspace))
                out.copy_(dense.weighted_log_sum(values, self._log_weights(part), 1))
        if exact:
            state.underflown.add(self.number)

    def up_max(self, state: Pass, keep: bool = False) -> None:
        """Maximum over the inputs."""
        for part, values in self._parts(state):
            self.read(state.values, part).copy_((values + self._log_weights(part)).amax(1))

    def flow(self, state: Pass, flows: Tensor, statistics: Tensor | None) -> None:
        """Each input receives its share."""
        exact = self.number in state.underflown
        kept = state.kept[self.number]
        for part, values in self._parts(state):
            weights = self.rows.of(self.bank.linear, part)
            incoming = self.read(flows, part)
            if exact:
                dense.shares(values, self._log_weights(part), incoming, 1)
                if statistics is not None:
                    tiny = torch.finfo(weights.dtype).tiny
                    gradient = values.sum(3).mT / weights.clamp_min(tiny)
                    self.rows.add(statistics, gradient, part)
            else:
                sums, top = kept[0, part], kept[1, part]
                dense.exp_(values.sub_(top.unsqueeze(1)))
                out = state.workspace.take("ratio", tuple(sums.shape), sums)
                values *= dense.ratio(incoming, sums, out).unsqueeze(1)
                if statistics is not None:
                    self.rows.add(statistics, values.sum(3).mT, part)
                values *= weights.mT.unsqueeze(-1)
            self.inputs.add_stacked(flows, values, part)

    def choose(self, state: Pass, choice: Choice) -> None:
        """Pick one input; the unit index stays."""
        groups, samples, units = self.active(choice)
        counts = choice.counts_of(self.spec.parameters)
        log_weights = self.rows.of(self.bank.log_weights)
        step = max(1, dense.EXACT_CHUNK // max(1, self.spec.size * len(self.inputs.sizes)))
        for start in range(0, len(groups), step):
            g, b, k = (column[start : start + step] for column in (groups, samples, units))
            values = torch.stack(self.inputs.at(state.values, g, b), 1)  # [n, inputs, K]
            scores = values.gather(2, k[:, None, None].expand(-1, values.shape[1], 1)).squeeze(2)
            picked = dense.draw(scores + log_weights[g, k], choice.generator)
            if counts is not None:
                self.rows.tally(counts, g, k, picked)
            self.inputs.activate(choice.active, g, b, picked * self.spec.size + k)
