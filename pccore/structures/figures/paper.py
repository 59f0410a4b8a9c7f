"""The figures of Poon & Domingos 2011; both models of figure 3 for any number of variables."""

from __future__ import annotations

from pccore.build import Expression, indicator, mix, product
from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.structures.figures.base import finish, literals


def figure1_naive_bayes() -> Circuit:
    """Figure 1, top: a mixture of three components over two variables.

    S = 0.5 (0.6 x1 + 0.4 ¬x1)(0.3 x2 + 0.7 ¬x2) + 0.2 (0.6 x1 + 0.4 ¬x1)(0.2 x2 + 0.8 ¬x2)
    + 0.3 (0.9 x1 + 0.1 ¬x1)(0.2 x2 + 0.8 ¬x2). Source: Poon & Domingos 2011, sec. 2.
    """
    c1, c2, c3 = _components()
    return finish(
        (0.5 * c1 + 0.2 * c2 + 0.3 * c3).named("S"),
        ["X1", "X2"],
        "Naive Bayes mixture (SPN paper, figure 1)",
        "Three components in which X1 and X2 are independent. Two components share the same "
        "distribution of X1, two share that of X2: shared parts are drawn once. "
        "P(X1 = 1, X2 = 0) is 0.522, and X1 = 1 alone has the probability 0.69.",
    )


def _components() -> tuple[Expression, Expression, Expression]:
    """The three products of figure 1, which share two of their four sums."""
    x1, not_x1 = literals("X1")
    x2, not_x2 = literals("X2")
    a = (0.6 * x1 + 0.4 * not_x1).named("A1")
    b = (0.9 * x1 + 0.1 * not_x1).named("B1")
    c = (0.3 * x2 + 0.7 * not_x2).named("A2")
    d = (0.2 * x2 + 0.8 * not_x2).named("B2")
    return (a * c).named("C1"), (a * d).named("C2"), (b * d).named("C3")


def figure1_junction_tree() -> Circuit:
    """Figure 1, bottom: clusters (X1, X2) and (X1, X3) with the separator X1.

    P(x1) P(x2 | x1) P(x3 | x1) with P(X1 = 1) = 0.7, P(X2 = 1 | X1) = 0.2, 0.9 and
    P(X3 = 1 | X1) = 0.6, 0.1 for X1 = 0, 1. The structure is the figure's, the numbers are ours.
    """
    x1, not_x1 = literals("X1")
    x2, not_x2 = literals("X2")
    x3, not_x3 = literals("X3")
    given0 = product(
        not_x1,
        (0.2 * x2 + 0.8 * not_x2).named("X2|¬x1"),
        (0.6 * x3 + 0.4 * not_x3).named("X3|¬x1"),
    ).named("X1=0")
    given1 = product(
        x1,
        (0.9 * x2 + 0.1 * not_x2).named("X2|x1"),
        (0.1 * x3 + 0.9 * not_x3).named("X3|x1"),
    ).named("X1=1")
    return finish(
        (0.3 * given0 + 0.7 * given1).named("S"),
        ["X1", "X2", "X3"],
        "Junction tree (SPN paper, figure 1)",
        "A tree of two clusters, (X1, X2) and (X1, X3), that meet in X1. The root sums over "
        "the states of X1; below each of them X2 and X3 are independent. Exactly one child of "
        "the root is positive for a complete state, so the circuit is deterministic and its "
        "most probable explanation exact.",
    )


def figure2_hidden_variable() -> Circuit:
    """Figure 2: the root sum of figure 1 with its hidden variable Y made explicit.

    Component j is multiplied by the indicator [Y = j]; with Y unobserved it is figure 1 again.
    """
    weights = (0.5, 0.2, 0.3)
    children = [
        product(indicator("Y", j, 3).named(f"y{j}"), component).named(f"Y={j}")
        for j, component in enumerate(_components())
    ]
    return finish(
        mix(weights, children).named("S"),
        ["X1", "X2", "Y"],
        "A sum is a hidden variable (SPN paper, figure 2)",
        "The naive Bayes mixture with the variable Y that tells which component was chosen. "
        "Leave Y out of the evidence and every answer is that of the mixture; ask for the "
        "marginal of Y and you get the responsibilities that EM uses.",
    )


def figure3_parity(n: int = 5) -> Circuit:
    """Figure 3, top: uniform over the states of n variables with an even number of ones.

    3 (2 n - 3) sums and products, since E_i (the first i variables have an even number of ones)
    and O_i (odd) are shared. n from 2 to 1000, else OptionError.
    """
    _check_count(n, 1000)
    x, not_x = literals("X1")
    odd: Expression = x
    even: Expression = not_x
    for i in range(2, n + 1):
        x, not_x = literals(f"X{i}")
        stay = product(even, not_x).named(f"E{i - 1}¬x{i}")
        turn = product(odd, x).named(f"O{i - 1}x{i}")
        if i < n:
            up = product(even, x).named(f"E{i - 1}x{i}")
            keep = product(odd, not_x).named(f"O{i - 1}¬x{i}")
            odd = (0.5 * up + 0.5 * keep).named(f"O{i}")
        even = (0.5 * stay + 0.5 * turn).named(f"E{i}")
    return finish(
        even,
        [f"X{i}" for i in range(1, n + 1)],
        f"Parity of {n} variables (SPN paper, figure 3)",
        f"The uniform distribution over the states of {n} variables with an even number of "
        "ones. No two variables are independent, even given all but one of the others, yet the "
        "circuit grows only linearly because both parities of every prefix are shared. "
        "Compare it with the mixture of the same distribution.",
    )


def figure3_mixture(n: int = 5) -> Circuit:
    """Figure 3, bottom: the distribution of `figure3_parity` as a mixture of complete states.

    2^(n-1) products; n from 2 to 14, else OptionError.
    """
    _check_count(n, 14)
    pairs = [literals(f"X{i}") for i in range(1, n + 1)]
    states = [state for state in range(2**n) if state.bit_count() % 2 == 0]
    children: list[Expression] = []
    for state in states:
        bits = [state >> (n - 1 - i) & 1 for i in range(n)]
        factors = [pair[0] if bit else pair[1] for pair, bit in zip(pairs, bits, strict=True)]
        children.append(product(*factors).named("".join(str(bit) for bit in bits)))
    return finish(
        mix([1 / len(states)] * len(states), children).named("S"),
        [f"X{i}" for i in range(1, n + 1)],
        f"Parity of {n} variables as a mixture (SPN paper, figure 3)",
        f"The same distribution as the parity circuit, but flat: each of the {len(states)} "
        "components must be one complete state, since a component with any freedom would give "
        "some odd state a positive probability. The number of components doubles with every "
        "variable.",
    )


def _check_count(n: int, most: int) -> None:
    if not 2 <= n <= most:
        raise OptionError(f"needs 2 to {most} variables, not {n}", where="n")
