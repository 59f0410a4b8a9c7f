"""Hidden Markov models as circuits: every sum is a hidden state that can be named and asked.

A chain is unrolled from its end: the unit of step t and state k is the emission of k times a sum
over the states of step t + 1, weighted by the transition from k. Sharing the units of a step
among all states of the step before keeps the circuit linear in the length.

The structure is homogeneous where every step has the same parameters (they are tied), and trained
by EM it is what Baum and Welch compute. `hidden_markov` writes a model out unit by unit, with
names for its states.

Sources: Rabiner, "A tutorial on hidden Markov models", 1989 (the backward recursion); Liu, Zhang
and Van den Broeck 2023, sec. 2 (hidden Markov models as circuits).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from pccore.build import Expression, mix, product
from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.options import option
from pccore.structures.base import Shape, Size, Structure
from pccore.structures.drafting import Draft
from pccore.structures.latent_tree import (
    add_emissions,
    add_tree,
    finished,
    labels_of,
    leaf_size,
    total,
    tree_size,
)
from pccore.structures.leaf_groups import LeafOptions
from pccore.structures.spanning import Tree

#: Makes the leaf of a variable in a hidden state: (variable, state) -> leaf.
Emission = Callable[[str, int], Expression]


def hidden_markov(
    variables: Sequence[str],
    initial: Sequence[float],
    transition: Sequence[Sequence[float]],
    emission: Emission,
    states: Sequence[str],
    hidden: str = "Z",
) -> Expression:
    """The root of the circuit of P(x_1 ... x_T), one observation a step.

    initial: P(z_1 = k), [K]. transition: P(z_t+1 = j | z_t = k), [K][K], the same at every step.
    states: a short name for each hidden state. hidden: the letter of the hidden variables; the
    root is named Z1, the sum over z_t after state k is named "Zt|k".

    Raises OptionError where the sizes do not fit.
    """
    count = len(states)
    sizes = [len(initial), len(transition), *(len(row) for row in transition)]
    if not variables or not count or any(size != count for size in sizes):
        raise OptionError(
            f"{count} hidden states need an initial vector of {count} and a transition of "
            f"{count} rows of {count}, and at least one variable"
        )
    last = len(variables)
    units: list[Expression] = []
    for step in range(last, 0, -1):
        variable = variables[step - 1]
        leaves = [emission(variable, k).named(f"{variable}|{states[k]}") for k in range(count)]
        if step == last:
            units = leaves
            continue
        later = [
            mix(list(transition[k]), units).named(f"{hidden}{step + 1}|{states[k]}")
            for k in range(count)
        ]
        units = [
            product(leaf, after).named(f"{hidden}{step}={states[k]}")
            for k, (leaf, after) in enumerate(zip(leaves, later, strict=True))
        ]
    return mix(list(initial), units).named(f"{hidden}1")


@dataclass(frozen=True)
class HmmOptions(LeafOptions):
    """Options of hidden Markov models."""

    units: int = option(16, help="K, hidden states", minimum=1, maximum=4096)
    homogeneous: bool = option(
        True,
        help="the same transition and emission at every step; no: every step has its own",
    )
    roots: int = option(1, help="root units, such as one for each class", minimum=1, maximum=1024)


def _build(shape: Shape, options: HmmOptions) -> Circuit:
    _size(shape, options)
    steps = [[v] for v in range(shape.num_variables)]
    chain = Tree(tuple(range(-1, len(steps) - 1)), tuple(range(len(steps))))
    draft, labels = Draft(), labels_of(shape, steps)
    generator = torch.Generator().manual_seed(options.seed)
    tied = options.homogeneous
    leaves = add_emissions(draft, shape, steps, labels, options.units, options, generator, tied)
    top = add_tree(draft, chain, leaves, labels, "transition" if tied else None)
    return finished(draft, top, shape, options, options.roots, leaves)


def _size(shape: Shape, options: HmmOptions) -> Size:
    length, tied = shape.num_variables, options.homogeneous
    steps = [[v] for v in range(length)]
    return total(
        leaf_size(shape, steps, options.units, options, tied),
        tree_size(length, length - 1, options.units, options.roots, tied),
    )


STRUCTURE = Structure(
    name="hmm",
    title="Hidden Markov model",
    description="A chain of hidden states along the columns, one column a step; for sequences of "
    "any length and vocabulary.",
    options=HmmOptions,
    build=_build,
    size=_size,
    repeats=8,
)
