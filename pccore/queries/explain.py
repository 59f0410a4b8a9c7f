"""Top-down queries: most probable explanation, samples, conditional samples, completions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pccore.compile.tiling import in_tiles
from pccore.errors import OptionError
from pccore.evidence import Evidence
from pccore.queries.subject import Model, checked, licensed, refuse_impossible
from pccore.queries.table import Quality


@dataclass(frozen=True)
class Explanation:
    """A probable completion of the evidence.

    assignment: [B, V] float64, observed values kept; a variable that is not in the root's
    scope stays NaN. log_value: [B], a lower bound on the
    maximum of log S(x): with up="max" the max-product value of the root, the log-measure of
    one induced tree, with up="sum" log S(assignment). quality: "exact" on deterministic
    circuits, else "bound".
    """

    assignment: Tensor
    log_value: Tensor
    quality: Quality


def mpe(
    model: Model, evidence: Evidence, root: int = 0, up: Literal["max", "sum"] = "max"
) -> Explanation:
    """Most probable explanation: an up pass and a trace back of the largest terms, [B, V].

    up="max" is max-product. up="sum" takes sums up and maxima down, the variant that Poon &
    Domingos 2011 complete images with: each sum picks the child that explains the
    evidence best when all completions below are counted, not only the best one. Both are
    exact on deterministic (selective) circuits; elsewhere they bound the maximum from below,
    and are labelled so. Raises PropertyError, EvidenceError.
    """
    program, licence = licensed(model, "mpe")
    rows = checked(program, evidence)
    assignments: list[Tensor] = []
    values: list[Tensor] = []

    def best(tile: Tensor) -> tuple[Tensor, Tensor]:
        state = program.evaluate(tile, mode=up)
        value = program.root_values(state, root)
        refuse_impossible(value, len(rows), sum(map(len, values)))
        found = program.descend(state, None, root).double().cpu()
        # Evidence comes back as it was given, not rounded to the program's precision.
        found = torch.where(torch.isnan(tile), found, tile)
        return found, (program(found, root) if up == "sum" else value).double().cpu()

    for found, value in in_tiles(program, rows, best, buffers=2):
        assignments.append(found)
        values.append(value)
    return Explanation(torch.cat(assignments), torch.cat(values), licence.quality)


def sample(
    model: Model,
    count: int,
    evidence: Evidence | None = None,
    seed: int | None = None,
    root: int = 0,
) -> Tensor:
    """Exact samples of P(X | e): [count, V], or [B, count, V] for B > 1 rows of evidence.

    The same seed gives the same samples on the same device. A variable that is not in the
    root's scope stays NaN. Raises PropertyError unless the circuit is smooth and
    decomposable, EvidenceError for impossible evidence, OptionError for a negative count.
    """
    if count < 0:
        raise OptionError(f"cannot draw {count} samples")
    program, _ = licensed(model, "sample")
    generator = torch.Generator(device=program.device)
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed % 2**63)
    width = len(program.circuit.variables)
    rows = (
        torch.full((1, width), torch.nan, dtype=torch.float64)
        if evidence is None
        else checked(program, evidence)
    )
    drawn: list[Tensor] = []

    def draw(tile: Tensor) -> Tensor:
        state = program.evaluate(tile)
        done = sum(map(len, drawn))
        refuse_impossible(program.root_values(state, root), len(rows), done, count)
        found = program.descend(state, generator, root).double().cpu()
        return torch.where(torch.isnan(tile), found, tile)

    wanted = rows.repeat_interleave(count, 0)
    for found in in_tiles(program, wanted, draw, buffers=2):
        drawn.append(found)
    result = torch.cat(drawn) if drawn else rows[:0]
    return result if len(rows) == 1 else result.unflatten(0, (len(rows), count))
