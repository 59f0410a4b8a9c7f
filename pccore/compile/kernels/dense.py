"""Sums as matrix products, in plain torch (CPU and CUDA).

Notation: G groups, I inputs, O outputs, B samples, samples last. Values are log-densities,
weights are linear and non-negative, [G, O, I]. A sum is computed in the linear domain between a
shift by the maximum and a logarithm (log-einsum-exp, Peharz et al. 2020, eq. 5); its flow pass is
two more matrix products (Liu et al. 2024, sec. 3). What the weights learn from is the gradient
d log S / d w, a plain matrix product; times the weights it is the expected counts.

Where the shifted sum underflows although some child is possible (a zero or tiny weight on the
largest child), the few columns concerned are redone exactly in log space.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Below this a shifted float32 sum has lost digits; chosen well above the denormals.
UNDERFLOW = 1e-30
LOG2_E = 1 / math.log(2)
#: Numbers one exact chunk may hold.
EXACT_CHUNK = 2**22


def exp_(values: Tensor) -> Tensor:
    """exp in place. torch's exp2 is four times as fast as its exp on a CPU with AVX-512."""
    return values.mul_(LOG2_E).exp2_()


def top_of(log_values: Tensor, dim: int) -> Tensor:
    """Maximum over a dimension, kept; a finite number where everything is impossible."""
    return log_values.amax(dim, keepdim=True).clamp_min(torch.finfo(log_values.dtype).min)


def safe_divisor(log_values: Tensor) -> Tensor:
    """Log-values to be subtracted: +inf for impossible ones, so that nothing is left of them."""
    return log_values.masked_fill(torch.isneginf(log_values), torch.inf)


def underflows(sums: Tensor) -> bool:
    """Whether some shifted sum may have lost its digits."""
    return bool(sums.amin() < UNDERFLOW)


def lost_columns(sums: Tensor, reached: Tensor) -> Tensor:
    """Indices (g, b) as [n, 2] of columns of [G, O, B] where some sum has underflowed.

    reached: [G, O, B], positive where some child with a positive weight is possible; a sum of 0
    that is not reached is a true zero.
    """
    return torch.nonzero(((sums < UNDERFLOW) & (reached > 0)).any(1))


def exact_sum(log_children: Tensor, log_weights: Tensor, groups: Tensor) -> Tensor:
    """logsumexp over I of children [n, I] + log_weights [G, O, I] at groups [n] -> [n, O]."""
    step = max(1, EXACT_CHUNK // max(1, log_weights.shape[1] * log_weights.shape[2]))
    parts = [
        torch.logsumexp(
            log_children[start : start + step, None] + log_weights[groups[start : start + step]],
            dim=2,
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
    gradient: Tensor | None,
) -> Tensor:
    """Flows of the children for columns redone in log space: [n, I].

    log_sums, flows: [n, O] of the sums. gradient: [G, O, I], added to where given; edges of
    weight zero get none.
    """
    step = max(1, EXACT_CHUNK // max(1, log_weights.shape[1] * log_weights.shape[2]))
    below = safe_divisor(log_sums)
    parts: list[Tensor] = []
    for start in range(0, len(groups), step):
        rows = slice(start, start + step)
        chosen = log_weights[groups[rows]]
        share = torch.exp(log_children[rows, None] + chosen - below[rows, :, None])
        flow = share * flows[rows, :, None]
        parts.append(flow.sum(1))
        if gradient is not None:
            smallest = torch.finfo(chosen.dtype).tiny
            per_weight = flow / torch.exp(chosen).clamp_min(smallest)
            gradient.index_add_(0, groups[rows], per_weight)
    return torch.cat(parts)


def max_sum(log_children: Tensor, log_weights: Tensor, out: Tensor) -> None:
    """max over I of children [G, I, B] + log_weights [G, O, I] -> out [G, O, B]."""
    groups, outputs, inputs = log_weights.shape
    samples = log_children.shape[2]
    per_tile = max(1, EXACT_CHUNK // max(1, inputs * samples))
    group_step = max(1, min(groups, per_tile // outputs))
    output_step = max(1, min(outputs, per_tile // group_step))
    for g in range(0, groups, group_step):
        children = log_children[g : g + group_step, None]
        for o in range(0, outputs, output_step):
            part = log_weights[g : g + group_step, o : o + output_step, :, None]
            out[g : g + group_step, o : o + output_step] = (children + part).amax(2)


def weighted_terms(values: Tensor, weights: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Makes the terms weight * exp(value - top) of `values`; returns (their sums, top).

    top: the maximum over the dimension, kept. Columns that are `lost` have to be redone.
    """
    top = top_of(values, dim)
    exp_(values.sub_(top)).mul_(weights)
    return values.sum(dim), top


def lost(sums: Tensor, top: Tensor) -> bool:
    """Whether a sum of terms exp(value - top) is too small to tell although some term is
    possible; sums and top have the same shape."""
    return bool(((sums < UNDERFLOW) & (top > torch.finfo(top.dtype).min)).any())


def weighted_log_sum(values: Tensor, log_weights: Tensor, dim: int) -> Tensor:
    """logsumexp of values + log_weights over a dimension, exactly; `values` is overwritten.

    The weights meet values near 0: next to a log-value of -1000 their digits would be lost, and
    a chain of a thousand sums would drift.
    """
    top = top_of(values, dim)
    values.sub_(top).add_(log_weights)
    second = top_of(values, dim)
    total = exp_(values.sub_(second)).sum(dim).log_()
    return total.add_(second.squeeze(dim)).add_(top.squeeze(dim))


def shares(values: Tensor, log_weights: Tensor, flow: Tensor, dim: int) -> Tensor:
    """The flow of a sum divided among its terms by w exp(value), exactly; `values` is overwritten.

    The terms are added up once more instead of read from the sums' log-values, whose rounding
    would change the amount of flow from layer to layer.
    """
    values.sub_(top_of(values, dim)).add_(log_weights)
    exp_(values.sub_(top_of(values, dim)))
    return values.mul_(ratio(flow, values.sum(dim)).unsqueeze(dim))


def ratio(flow: Tensor, sums: Tensor, out: Tensor | None = None) -> Tensor:
    """flow / sums, 0 where a sum is too small to tell."""
    return torch.div(flow, sums, out=out).masked_fill_(sums < UNDERFLOW, 0.0)


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
