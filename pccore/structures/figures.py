"""Small circuits with a story: the figures of Poon & Domingos 2011, and circuits that are wrong.

Each function makes one circuit by `pccore.build`; its meta has "title" and "story". `figures`
lists those that become sample models. Leaves are the paper's indicators: x1 is [X1 = 1] and
¬x1 is [X1 = 0].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pccore.build import (
    Expression,
    Terms,
    circuit,
    gaussian,
    indicator,
    mix,
    product,
)
from pccore.errors import OptionError
from pccore.graph import Circuit


def figures() -> Mapping[str, Callable[[], Circuit]]:
    """The makers of the sample models, by name."""
    makers = (
        figure1_naive_bayes,
        figure1_junction_tree,
        figure2_hidden_variable,
        figure3_parity,
        figure3_mixture,
        incomplete,
        inconsistent,
        valid_though_broken,
        consistent_not_decomposable,
        squared_gaussian,
        buried_mistake,
    )
    return MappingProxyType({maker.__name__: maker for maker in makers})


def _literals(variable: str) -> tuple[Expression, Expression]:
    """The indicators x and ¬x of a Boolean variable, as shared leaves."""
    name = variable.lower()
    return indicator(variable, 1).named(name), indicator(variable, 0).named(f"¬{name}")


def _finish(root: Expression | Terms, variables: list[str], title: str, story: str) -> Circuit:
    return circuit(root, variables, {"title": title, "story": story})


# -- figures ---------------------------------------------------------------------------------


def figure1_naive_bayes() -> Circuit:
    """Figure 1, top: a mixture of three components over two variables.

    S = 0.5 (0.6 x1 + 0.4 ¬x1)(0.3 x2 + 0.7 ¬x2) + 0.2 (0.6 x1 + 0.4 ¬x1)(0.2 x2 + 0.8 ¬x2)
    + 0.3 (0.9 x1 + 0.1 ¬x1)(0.2 x2 + 0.8 ¬x2). Source: Poon & Domingos 2011, sec. 2.
    """
    c1, c2, c3 = _components()
    return _finish(
        (0.5 * c1 + 0.2 * c2 + 0.3 * c3).named("S"),
        ["X1", "X2"],
        "Naive Bayes mixture (SPN paper, figure 1)",
        "Three components in which X1 and X2 are independent. Two components share the same "
        "distribution of X1, two share that of X2: shared parts are drawn once. "
        "P(X1 = 1, X2 = 0) is 0.522, and X1 = 1 alone has the probability 0.69.",
    )


def _components() -> tuple[Expression, Expression, Expression]:
    """The three products of figure 1, which share two of their four sums."""
    x1, not_x1 = _literals("X1")
    x2, not_x2 = _literals("X2")
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
    x1, not_x1 = _literals("X1")
    x2, not_x2 = _literals("X2")
    x3, not_x3 = _literals("X3")
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
    return _finish(
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
    return _finish(
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
    x, not_x = _literals("X1")
    odd: Expression = x
    even: Expression = not_x
    for i in range(2, n + 1):
        x, not_x = _literals(f"X{i}")
        stay = product(even, not_x).named(f"E{i - 1}¬x{i}")
        turn = product(odd, x).named(f"O{i - 1}x{i}")
        if i < n:
            up = product(even, x).named(f"E{i - 1}x{i}")
            keep = product(odd, not_x).named(f"O{i - 1}¬x{i}")
            odd = (0.5 * up + 0.5 * keep).named(f"O{i}")
        even = (0.5 * stay + 0.5 * turn).named(f"E{i}")
    return _finish(
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
    pairs = [_literals(f"X{i}") for i in range(1, n + 1)]
    states = [state for state in range(2**n) if state.bit_count() % 2 == 0]
    children: list[Expression] = []
    for state in states:
        bits = [state >> (n - 1 - i) & 1 for i in range(n)]
        factors = [pair[0] if bit else pair[1] for pair, bit in zip(pairs, bits, strict=True)]
        children.append(product(*factors).named("".join(str(bit) for bit in bits)))
    return _finish(
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


# -- circuits that are wrong -----------------------------------------------------------------


def incomplete() -> Circuit:
    """A sum whose children have different scopes: 0.6 (..X1..)(..X2..) + 0.4 (..X1..).

    S(*) = 1, while the sum over all states is 1.4.
    """
    x1, not_x1 = _literals("X1")
    x2, not_x2 = _literals("X2")
    a = (0.9 * x1 + 0.1 * not_x1).named("A1")
    b = (0.2 * x1 + 0.8 * not_x1).named("B1")
    c = (0.7 * x2 + 0.3 * not_x2).named("A2")
    return _finish(
        (0.6 * (a * c).named("P") + 0.4 * b).named("S"),
        ["X1", "X2"],
        "Broken: incomplete (not smooth)",
        "The second child of the root forgets X2. For a complete state it counts fully for "
        "X2 = 0 and for X2 = 1, but when X2 is summed out it counts only once: the circuit "
        "says 1 where the states sum to 1.4. Repair: multiply the second child by a "
        "distribution of X2.",
    )


def inconsistent() -> Circuit:
    """A complete circuit with a product of x1 and ¬x1: 0.5 (A1 A2) + 0.5 (x1 ¬x1 A2).

    x1 ¬x1 is 0 in every state, and 1 when X1 is summed out: S(*) = 1, the states sum to 0.5.
    """
    x1, not_x1 = _literals("X1")
    x2, not_x2 = _literals("X2")
    a = (0.6 * x1 + 0.4 * not_x1).named("A1")
    b = (0.3 * x2 + 0.7 * not_x2).named("A2")
    good = (a * b).named("P1")
    bad = product(x1, not_x1, b).named("P2")
    return _finish(
        (0.5 * good + 0.5 * bad).named("S"),
        ["X1", "X2"],
        "Broken: inconsistent (not decomposable)",
        "The second product contains both x1 and ¬x1, which are never true together: it is 0 "
        "in every state. Yet when X1 is summed out both indicators become 1 and the product "
        "counts: the circuit says 1 where the states sum to 0.5. Repair: keep one of the two.",
    )


def valid_though_broken() -> Circuit:
    """½ x1 x2 ¬x2 + ½ x1: incomplete and inconsistent, but its two mistakes cancel.

    Source: Poon & Domingos 2011, sec. 2.
    """
    x1, _ = _literals("X1")
    x2, not_x2 = _literals("X2")
    both = product(x1, x2, not_x2).named("P")
    return _finish(
        (0.5 * both + 0.5 * x1).named("S"),
        ["X1", "X2"],
        "Broken, and yet valid",
        "The product holds x2 and ¬x2 (inconsistent) and the other child of the root forgets "
        "X2 (incomplete). One mistake counts too much exactly where the other counts too "
        "little, so that every marginal is right. Completeness and consistency are sufficient, "
        "not necessary; but no part of such a circuit can be trusted on its own.",
    )


def consistent_not_decomposable() -> Circuit:
    """A product of two sums that both know X1, in a way that never conflicts: x1 x1 B.

    Consistent, hence valid for Boolean indicators, but not decomposable.
    """
    x1, not_x1 = _literals("X1")
    x2, not_x2 = _literals("X2")
    again = indicator("X1", 1).named("x1 again")
    b = (0.3 * x2 + 0.7 * not_x2).named("A2")
    twice = product(x1, again, b).named("P1")
    once = product(not_x1, (0.8 * x2 + 0.2 * not_x2).named("B2")).named("P2")
    return _finish(
        (0.4 * twice + 0.6 * once).named("S"),
        ["X1", "X2"],
        "Not decomposable, though consistent",
        "The first product contains x1 twice. Nothing conflicts, and since an indicator times "
        "itself is itself, all probabilities are right: consistency is weaker than "
        "decomposability. Algorithms that rely on disjoint scopes must refuse it all the same. "
        "Repair: drop one of the two.",
    )


def squared_gaussian() -> Circuit:
    """A product of two Gaussians of the same variable: no density any more.

    The integral of N(x; 0, 1) N(x; 1, 1) is N(1; 0, 2), about 0.2197, where the circuit says 1.
    """
    left = gaussian("X1", 0.0, 1.0).named("left")
    right = gaussian("X1", 1.0, 1.0).named("right")
    other = gaussian("X2", 0.0, 1.0).named("other")
    return _finish(
        product(left, right, other).named("P"),
        ["X1", "X2"],
        "Broken: two densities of one variable",
        "Both left and right are densities of X1, so their product does not integrate to 1 "
        "but to 0.2197. Summing out X1 sets each of them to 1 and misses that. A sum (a "
        "mixture) or a single Gaussian was meant.",
    )


def buried_mistake() -> Circuit:
    """Parity of six variables with one wire in the wrong place, deep down.

    The sum E3 has a child over (X1, X3) instead of (X1, X2, X3).
    """
    x, not_x = _literals("X1")
    even: Expression = not_x
    odd: Expression = x
    first = not_x
    for i in range(2, 7):
        x, not_x = _literals(f"X{i}")
        start = first if i == 3 else even  # the mistake: E1 where E2 was meant
        stay = product(start, not_x).named(f"E{i - 1}¬x{i}")
        turn = product(odd, x).named(f"O{i - 1}x{i}")
        up = product(even, x).named(f"E{i - 1}x{i}")
        keep = product(odd, not_x).named(f"O{i - 1}¬x{i}")
        even = (0.5 * stay + 0.5 * turn).named(f"E{i}")
        odd = (0.5 * up + 0.5 * keep).named(f"O{i}")
    return _finish(
        even,
        [f"X{i}" for i in range(1, 7)],
        "Broken: one wrong wire",
        "The parity circuit of six variables in which one product is wired to the wrong sum. "
        "One unit in the middle is at fault, and everything above it is wrong because of it; "
        "the picture alone hardly shows it. Run the check, and follow the witness.",
    )
