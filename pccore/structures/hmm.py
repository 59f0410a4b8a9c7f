"""Hidden Markov models as circuits: every sum is a hidden state that can be named and asked.

A chain is unrolled from its end: the unit of step t and state k is the emission of k times a sum
over the states of step t + 1, weighted by the transition from k. Sharing the units of a step
among all states of the step before keeps the circuit linear in the length.

Source: Rabiner, "A tutorial on hidden Markov models", 1989 (the backward recursion).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pccore.build import Expression, mix, product
from pccore.errors import OptionError

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
