"""Sums as matrix products, in plain torch (CPU and CUDA).

Notation: G groups, B samples, I inputs, O outputs. Values are log-densities, weights are
linear and non-negative. A sum is computed in the linear domain between a shift by the
maximum and a logarithm (log-einsum-exp, Peharz et al. 2020, eq. 5); its flow pass is two
more matrix products (Liu et al. 2024, sec. 3).

Where the shifted sum underflows although some child is possible (a zero or tiny weight on
the largest child), the few rows concerned are redone exactly in log space.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Below this a shifted float32 sum has lost digits; chosen well above the denormals.
UNDERFLOW = 1e-30
#: Numbers one exact chunk may hold.
EXACT_CHUNK = 2**22


@dataclass(frozen=True, slots=True)
class Shifted:
    """Children in the linear domain: values = linear * exp(shift), linear in [0, 1].

    linear: [G, B, I]. shift: [G, B, 1], the maximum over I, 0 where that is -inf.
    """

    linear: Tensor
    shift: Tensor


def shifted(log_values: Tensor) -> Shifted:
    """exp(values - max over the last dimension), with the maximum."""
    top = log_values.amax(-1, keepdim=True)
    shift = torch.where(torch.isinf(top), torch.zeros_like(top), top)
    return Shifted(torch.exp(log_values - shift), shift)


def outer(left: Tensor, right: Tensor) -> Tensor:
    """[G, B, K1], [G, B, K2] -> [G, B, K1 * K2], row-major."""
    return (left.unsqueeze(-1) * right.unsqueeze(-2)).flatten(-2)


def lost_rows(sums: Tensor) -> Tensor:
    """Indices (g, b) as [n, 2] of rows of [G, B, O] where some sum has underflowed."""
    if bool((sums >= UNDERFLOW).all()):
        return torch.empty((0, 2), dtype=torch.long, device=sums.device)
    return torch.nonzero((sums < UNDERFLOW).any(-1))


def exact_sum(log_children: Tensor, log_weights: Tensor, groups: Tensor) -> Tensor:
    """logsumexp over I of children [n, I] + log_weights [G, I, O] at groups [n] -> [n, O]."""
    step = max(1, EXACT_CHUNK // max(1, log_weights.shape[1] * log_weights.shape[2]))
    parts = [
        torch.logsumexp(
            log_children[start : start + step, :, None] + log_weights[groups[start : start + step]],
            dim=1,
        )
        for start in range(0, len(groups), step)
    ]
    return torch.cat(parts)


def exact_flow(
    log_children: Tensor,
    log_weights: Tensor,
    groups: Tensor,
    log_sums: Tensor,
    flows: Tensor,
    edge_flows: Tensor | None,
) -> Tensor:
    """Flows of the children for rows redone in log space: [n, I].

    log_sums, flows: [n, O] of the sums. edge_flows: [G, I, O], added to where given.
    """
    step = max(1, EXACT_CHUNK // max(1, log_weights.shape[1] * log_weights.shape[2]))
    safe = torch.where(torch.isinf(log_sums), torch.zeros_like(log_sums), log_sums)
    parts: list[Tensor] = []
    for start in range(0, len(groups), step):
        rows = slice(start, start + step)
        share = torch.exp(
            log_children[rows, :, None] + log_weights[groups[rows]] - safe[rows, None, :]
        )
        flow = share * torch.where(torch.isinf(log_sums), 0.0, flows)[rows, None, :]
        parts.append(flow.sum(-1))
        if edge_flows is not None:
            edge_flows.index_add_(0, groups[rows], flow)
    return torch.cat(parts)


def max_sum(log_children: Tensor, log_weights: Tensor) -> Tensor:
    """max over I of children [G, B, I] + log_weights [G, I, O] -> [G, B, O]."""
    groups, inputs, outputs = log_weights.shape
    samples = log_children.shape[1]
    result = log_children.new_empty(groups, samples, outputs)
    # Tiles over groups first, then samples: each reads its weights once, in memory order.
    per_tile = max(1, EXACT_CHUNK // max(1, inputs * outputs))
    group_step = max(1, min(groups, per_tile))
    sample_step = max(1, per_tile // group_step)
    for g in range(0, groups, group_step):
        weights = log_weights[g : g + group_step, None]
        for b in range(0, samples, sample_step):
            part = log_children[g : g + group_step, b : b + sample_step, :, None]
            result[g : g + group_step, b : b + sample_step] = (part + weights).amax(2)
    return result


def draw(log_scores: Tensor, generator: torch.Generator | None) -> Tensor:
    """One index for each row of unnormalised log-scores [n, I]: sampled, or the maximum.

    Sampling adds Gumbel noise; without a generator the first maximum is taken.
    """
    if generator is None:
        return log_scores.argmax(-1)
    uniform = torch.rand(
        log_scores.shape, generator=generator, dtype=log_scores.dtype, device=log_scores.device
    )
    # -log(-log(u)) with u kept inside (0, 1): float32 rand can return 0.
    tiny = torch.finfo(log_scores.dtype).tiny
    return (log_scores - torch.log(-torch.log(uniform.clamp_min(tiny)))).argmax(-1)
