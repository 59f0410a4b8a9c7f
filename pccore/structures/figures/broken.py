"""Circuits that are wrong on purpose, each in one way that its story tells."""

from __future__ import annotations

from pccore.build import Expression, bernoulli, circuit, gaussian, indicator, product
from pccore.graph import Circuit
from pccore.structures.figures.base import finish, literals


def incomplete() -> Circuit:
    """A sum whose children have different scopes: 0.6 (..X1..)(..X2..) + 0.4 (..X1..).

    S(*) = 1, while the sum over all states is 1.4.
    """
    x1, not_x1 = literals("X1")
    x2, not_x2 = literals("X2")
    a = (0.9 * x1 + 0.1 * not_x1).named("A1")
    b = (0.2 * x1 + 0.8 * not_x1).named("B1")
    c = (0.7 * x2 + 0.3 * not_x2).named("A2")
    return finish(
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
    x1, not_x1 = literals("X1")
    x2, not_x2 = literals("X2")
    a = (0.6 * x1 + 0.4 * not_x1).named("A1")
    b = (0.3 * x2 + 0.7 * not_x2).named("A2")
    good = (a * b).named("P1")
    bad = product(x1, not_x1, b).named("P2")
    return finish(
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
    x1, _ = literals("X1")
    x2, not_x2 = literals("X2")
    both = product(x1, x2, not_x2).named("P")
    return finish(
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
    x1, not_x1 = literals("X1")
    x2, not_x2 = literals("X2")
    again = indicator("X1", 1).named("x1 again")
    b = (0.3 * x2 + 0.7 * not_x2).named("A2")
    twice = product(x1, again, b).named("P1")
    once = product(not_x1, (0.8 * x2 + 0.2 * not_x2).named("B2")).named("P2")
    return finish(
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
    return finish(
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
    x, not_x = literals("X1")
    even: Expression = not_x
    odd: Expression = x
    first = not_x
    for i in range(2, 7):
        x, not_x = literals(f"X{i}")
        start = first if i == 3 else even  # the mistake: E1 where E2 was meant
        stay = product(start, not_x).named(f"E{i - 1}¬x{i}")
        turn = product(odd, x).named(f"O{i - 1}x{i}")
        up = product(even, x).named(f"E{i - 1}x{i}")
        keep = product(odd, not_x).named(f"O{i - 1}¬x{i}")
        even = (0.5 * stay + 0.5 * turn).named(f"E{i}")
        odd = (0.5 * up + 0.5 * keep).named(f"O{i}")
    return finish(
        even,
        [f"X{i}" for i in range(1, 7)],
        "Broken: one wrong wire",
        "The parity circuit of six variables in which one product is wired to the wrong sum. "
        "One unit in the middle is at fault, and everything above it is wrong because of it; "
        "the picture alone hardly shows it. Run the check, and follow the witness.",
    )


def two_paths() -> Circuit:
    """A product whose factors share a unit: X3 arrives by two paths.

    The circuit says 1 where the states sum to 0.3² + 0.7² = 0.58.
    """
    x1, not_x1 = literals("X1")
    x2, not_x2 = literals("X2")
    x3, not_x3 = literals("X3")
    shared = (0.3 * x3 + 0.7 * not_x3).named("shared")
    left = ((0.6 * x1 + 0.4 * not_x1).named("A1") * shared).named("left")
    right = ((0.2 * x2 + 0.8 * not_x2).named("A2") * shared).named("right")
    return finish(
        product(left, right).named("P"),
        ["X1", "X2", "X3"],
        "Broken: one unit, two paths",
        "Sharing is what makes circuits small, but not inside one product: the sum over X3 is a "
        "factor of the left part and of the right part, so the product counts it twice. In a "
        "state it gives 0.3 or 0.7 squared, and squares do not sum to 1: the circuit says 1 where "
        "the states sum to 0.58. Follow the two paths from P to X3. Repair: sum X3 out of one "
        "part.",
    )


def forgotten_day() -> Circuit:
    """A hidden Markov model in which one state of one day emits nothing: incomplete deep down.

    The sum over the weather of day 3 has a child without X3, below two shared parents.
    """
    rainy: Expression | None = None
    sunny: Expression | None = None
    for day in (4, 3, 2, 1):
        walk_r = bernoulli(f"X{day}", 0.2).named(f"X{day}|rain")
        walk_s = bernoulli(f"X{day}", 0.9).named(f"X{day}|sun")
        if rainy is None or sunny is None:
            rainy, sunny = walk_r, walk_s
            continue
        after_r = (0.7 * rainy + 0.3 * sunny).named(f"Z{day + 1}|rain")
        after_s = (0.4 * rainy + 0.6 * sunny).named(f"Z{day + 1}|sun")
        rainy = product(walk_r, after_r).named(f"day{day} rain")
        # The mistake: on a sunny third day nobody notes whether there was a walk.
        forgotten = day == 3
        sunny = (after_s if forgotten else product(walk_s, after_s)).named(f"day{day} sun")
    assert rainy is not None and sunny is not None
    return finish(
        (0.5 * rainy + 0.5 * sunny).named("Z1"),
        ["X1", "X2", "X3", "X4"],
        "Broken: a day is forgotten",
        "A hidden Markov model of four days of walks, in which a sunny third day says nothing of "
        "X3. Two sums above it, shared by everything before, mix a child that knows X3 with one "
        "that does not. A state in which X3 is observed counts the forgetful child fully for "
        "either value, so the states sum to more than the circuit says. Repair: give the child a "
        "distribution of X3.",
    )


def unnormalised() -> Circuit:
    """Weights 3 and 5: a legal circuit whose value is no probability, Z = 8."""
    x1, not_x1 = literals("X1")
    x2, not_x2 = literals("X2")
    first = ((0.9 * x1 + 0.1 * not_x1).named("A1") * (0.2 * x2 + 0.8 * not_x2).named("A2")).named(
        "C1"
    )
    second = ((0.3 * x1 + 0.7 * not_x1).named("B1") * (0.6 * x2 + 0.4 * not_x2).named("B2")).named(
        "C2"
    )
    return finish(
        (3.0 * first + 5.0 * second).named("S"),
        ["X1", "X2"],
        "Unnormalised: Z is 8",
        "Nothing is broken, but the weights of the root are counts and not probabilities: 3 and 5. "
        "S(x) is a measure, and P(x) = S(x) / Z with Z = S(*) = 8, one more pass. Who reads S as a "
        "probability is off by a factor of 8. Repair, if it bothers you: divide the weights by "
        "their sum, which changes no probability.",
    )


def dead_parts() -> Circuit:
    """Parts that never count: what is below a weight of 0, and units that no root reaches."""
    x1, not_x1 = literals("X1")
    x2, not_x2 = literals("X2")
    a = ((0.6 * x1 + 0.4 * not_x1).named("A1") * (0.3 * x2 + 0.7 * not_x2).named("A2")).named("C1")
    b = ((0.9 * x1 + 0.1 * not_x1).named("B1") * (0.5 * x2 + 0.5 * not_x2).named("B2")).named("C2")
    root = (1.0 * a + 0.0 * b).named("S")
    orphan = ((0.2 * x1 + 0.8 * not_x1).named("D1") * x2).named("nobody")
    whole = circuit(
        [root, orphan],
        ["X1", "X2"],
        {
            "title": "Broken: dead parts",
            "story": "Half of this circuit does nothing: C2 has the weight 0, so B1 and B2 never "
            "count, and no root depends on the product called nobody. Every answer is right; it "
            "only costs time, and training can never bring a weight of 0 back to life. Such parts "
            "are what pruning leaves behind. Repair: drop them, which changes no answer.",
        },
    )
    return whole.with_roots(whole.roots[:1])
