"""Blanks in a sequence, and the hidden states behind it: jointly most probable answers.

The most probable completion of several blanks together sums hidden variables out before it takes a
maximum, which no circuit does in one pass unless it is deterministic. Few blanks are enumerated,
exactly; for more the max-product explanation is a bound from below. With its hidden variables
visible (`pccore.transform.with_states`) a circuit is often deterministic, and the most probable
states are exact: for a hidden Markov model this is Viterbi's path.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pccore.compile import Program, compile_circuit
from pccore.errors import EvidenceError
from pccore.evidence import Evidence, evidence_rows
from pccore.graph import Circuit
from pccore.queries import log_value, mpe
from pccore.queries.table import Quality
from pccore.transform import hidden_names, marginalise, with_states

#: Completions that are scored one by one.
MOST_COMPLETIONS = 20_000


@dataclass(frozen=True, eq=False)
class Together:
    """values: the row, [V] float64, with its blanks filled in. log_probability: log P(blanks |
    rest) in nats of these values. quality: whether no others are more probable."""

    values: torch.Tensor
    log_probability: float
    quality: Quality


def fill_together(program: Program, evidence: Evidence, most: int = MOST_COMPLETIONS) -> Together:
    """The most probable values of all missing finite variables of one row together.

    most: completions that are enumerated; beyond, `pccore.queries.mpe`. Raises EvidenceError for
    other evidence than one possible row, PropertyError as `mpe`.
    """
    row = _one_row(program.circuit, evidence)
    blanks = torch.nonzero(torch.isnan(row)).flatten().tolist()
    states = [program.circuit.domain(v).states for v in blanks]
    count = math.prod(s or most + 1 for s in states)
    if count <= most:
        rows = row.repeat(count, 1)
        grid = itertools.product(*(range(s or 0) for s in states))
        if blanks:
            rows[:, blanks] = torch.tensor(list(grid), dtype=torch.float64)
        found, quality = rows[int(log_value(program, rows).argmax())], "exact"
    else:
        explained = mpe(program, row)
        found, quality = explained.assignment[0], explained.quality
    logs = log_value(program, torch.stack([row, found]))
    if float(logs[0]) == -math.inf:
        raise EvidenceError("the evidence has probability zero under this circuit")
    return Together(found, float(logs[1] - logs[0]), quality)


@dataclass(frozen=True, eq=False)
class HiddenPath:
    """states: of each group's hidden variable, [L]. log_probability: log P(states | evidence) in
    nats. quality: whether no other states are more probable."""

    states: np.ndarray
    log_probability: float
    quality: Quality


def most_probable_states(circuit: Circuit, groups: Sequence[int], evidence: Evidence) -> HiddenPath:
    """The most probable states of all hidden variables together given one row; what is missing
    in the row is summed out.

    groups: as `pccore.transform.hidden_groups` gives them. Raises EvidenceError for other evidence
    than one possible row, OptionError where the groups have no hidden variables.
    """
    row = _one_row(circuit, evidence)
    whole = with_states(circuit, groups)
    missing = [circuit.variables[v] for v in torch.nonzero(torch.isnan(row)).flatten().tolist()]
    unknown = torch.cat([row, torch.full((len(groups),), math.nan, dtype=torch.float64)])
    searched = marginalise(whole, missing) if missing else whole
    program = compile_circuit(searched, dtype=torch.float64)
    found = mpe(program, unknown)
    known = torch.stack([unknown, found.assignment[0]])
    known[:, : len(row)] = row
    logs = log_value(program, known)
    columns = [whole.variable_index(name) for name in hidden_names(circuit, groups)]
    states = found.assignment[0, columns].numpy().astype(np.int64)
    return HiddenPath(states, float(logs[1] - logs[0]), found.quality)


def _one_row(circuit: Circuit, evidence: Evidence) -> torch.Tensor:
    rows = evidence_rows(circuit, evidence)
    if len(rows) != 1:
        raise EvidenceError(f"blanks are filled in one row of evidence, not {len(rows)}")
    return rows[0]
