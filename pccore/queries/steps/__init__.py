"""Queries step by step, with the numbers filled in: what a lecturer would write on the board.

    values = unit_values(circuit, {"X1": 1})
    for step in up_steps(values):
        print(step.title, step.equation, step.filled)      # A1 = 0.6·x1 + 0.4·¬x1 ...

Each pass is a tuple of `Step`s in the order in which the engine may compute the units. Every number
is read out of the run behind `values` through the address book of the compiled program.
"""

from pccore.queries.steps.base import MAX_UNITS, Interval, Part, Roll, Scale, Step, number
from pccore.queries.steps.mpe import Walk, explain, max_values, mpe_steps
from pccore.queries.steps.passes import derivative_steps, em_weights, flow_steps, up_steps
from pccore.queries.steps.sampling import child_probabilities, draw, sample_steps
from pccore.queries.steps.tree import InducedTree, written_tree

__all__ = [
    "MAX_UNITS",
    "InducedTree",
    "Interval",
    "Part",
    "Roll",
    "Scale",
    "Step",
    "Walk",
    "child_probabilities",
    "derivative_steps",
    "draw",
    "em_weights",
    "explain",
    "flow_steps",
    "max_values",
    "mpe_steps",
    "number",
    "sample_steps",
    "up_steps",
    "written_tree",
]
