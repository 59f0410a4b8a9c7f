"""Small circuits of well-known models: classifier, Markov chain, tree, mixture, logic."""

from __future__ import annotations

from pccore.build import bernoulli, categorical, gaussian, indicator, mix, product
from pccore.datasets import load
from pccore.graph import Circuit
from pccore.structures.chow_liu import chow_liu
from pccore.structures.figures.base import finish, literals
from pccore.structures.hmm import hidden_markov

#: P(word | class) of `naive_bayes_spam`, for ordinary mail and spam.
WORDS = (("free", 0.08, 0.62), ("winner", 0.01, 0.38), ("meeting", 0.45, 0.04), ("link", 0.3, 0.85))
#: Mean and variance of duration (minutes) and waiting time (minutes) of both kinds of eruption.
ERUPTIONS = ((0.36, (2.0, 0.07), (54.5, 34.0)), (0.64, (4.3, 0.17), (80.0, 36.0)))
#: What a friend does (walk, shop, clean) on a rainy and on a sunny day.
HABITS = ((0.1, 0.4, 0.5), (0.6, 0.3, 0.1))
TREE_VARIABLES = 12


def naive_bayes_spam() -> Circuit:
    """A classifier: the class is a variable of its own, the words are independent given it."""
    children = [
        product(
            indicator("Spam", k).named("spam" if k else "¬spam"),
            *(bernoulli(w, p[k]).named(f"{w}|{'spam' if k else 'mail'}") for w, *p in WORDS),
        ).named("Spam=1" if k else "Spam=0")
        for k in (0, 1)
    ]
    return finish(
        mix([0.7, 0.3], children).named("S"),
        ["Spam", *(word for word, *_ in WORDS)],
        "Naive Bayes classifier: spam",
        "The oldest probabilistic classifier as a circuit: given the class, the words of a mail "
        "are independent. Observe some words and ask for the marginal of Spam; words you do not "
        "know of are simply left out. With the class as a variable the root is deterministic, so "
        "the most probable explanation is exact.",
    )


def weather_hmm() -> Circuit:
    """A hidden Markov model of four days: the weather is hidden, what a friend does is seen."""

    def emission(variable: str, state: int):
        return categorical(variable, HABITS[state])

    root = hidden_markov(
        ["X1", "X2", "X3", "X4"],
        [0.6, 0.4],
        [[0.7, 0.3], [0.4, 0.6]],
        emission,
        ["rain", "sun"],
    )
    return finish(
        root,
        ["X1", "X2", "X3", "X4"],
        "Hidden Markov model: a friend's weather",
        "A friend far away tells what they did on four days: 0 a walk, 1 shopping, 2 cleaning. "
        "The weather there is never seen; every sum is the hidden weather of a day, named Z1 to "
        "Z4. Name these hidden variables on the Query page to ask whether it rained, or to tell "
        "the circuit that it did. The circuit is the backward recursion of the forward-backward "
        "algorithm.",
    )


def chow_liu_tree() -> Circuit:
    """A Chow-Liu tree learned from the first variables of the bundled two-level-tree data."""
    names = [f"X{v}" for v in range(TREE_VARIABLES)]
    root, _ = chow_liu(load("two-level-tree").train[:, :TREE_VARIABLES], names)
    return finish(
        root,
        names,
        "Chow-Liu tree, learned",
        f"The tree that fits best to 7,000 rows of the first {TREE_VARIABLES} variables of the "
        "two-level-tree data: of all trees it has the largest sum of mutual informations along "
        "its edges. Each variable depends on one other, so each has a sum for each state of that "
        "one. The circuit is deterministic: its weights are conditional frequencies, and its most "
        "probable explanation is exact.",
    )


def old_geyser() -> Circuit:
    """A mixture of two Gaussians with diagonal covariance."""
    children = [
        product(
            gaussian("Duration", *duration).named(f"Duration|{kind}"),
            gaussian("Waiting", *waiting).named(f"Waiting|{kind}"),
        ).named(kind)
        for kind, (_, duration, waiting) in zip(("short", "long"), ERUPTIONS, strict=True)
    ]
    return finish(
        mix([weight for weight, *_ in ERUPTIONS], children).named("S"),
        ["Duration", "Waiting"],
        "Gaussian mixture: a geyser",
        "Eruptions of a geyser come in two kinds: short ones, after which the next follows within "
        "the hour, and long ones with a longer wait, all in minutes. Two products of two Gaussians "
        "each, mixed by the root. Observe Duration and the mean of Waiting follows; without "
        "evidence the two are correlated, although they are independent within each kind.",
    )


def course_psdd() -> Circuit:
    """A deterministic, structured-decomposable circuit whose support is a set of rules.

    Logic (L), Knowledge representation (K), Probability (P), Artificial intelligence (A) with
    P or L; A implies P; K implies A or L. The vtree is ((L, K), (P, A)). Source: after the example
    of Kisa, Van den Broeck, Choi and Darwiche 2014; the numbers are ours.
    """
    logic, no_logic = literals("L")
    krep, no_krep = literals("K")
    prob, no_prob = literals("P")
    ai, no_ai = literals("A")
    neither = product(no_logic, no_krep).named("¬l ¬k")
    only_k = product(no_logic, krep).named("¬l k")
    with_l = product(logic, (0.8 * krep + 0.2 * no_krep).named("K|l")).named("l, K open")
    free_a = product(prob, (0.9 * ai + 0.1 * no_ai).named("A|p,¬l")).named("p, A open")
    both = product(prob, ai).named("p a")
    some_p = product(prob, (0.25 * ai + 0.75 * no_ai).named("A|p,l")).named("p, A open, l")
    open_p = (0.4 * some_p + 0.6 * product(no_prob, no_ai).named("¬p ¬a")).named("P,A|l")
    children = [
        product(neither, free_a).named("no logic, no KR"),
        product(only_k, both).named("only KR"),
        product(with_l, open_p).named("logic"),
    ]
    return finish(
        mix([0.6, 0.1, 0.3], children).named("S"),
        ["L", "K", "P", "A"],
        "A logic of courses (a small PSDD)",
        "Students must take Probability or Logic; AI needs Probability; Knowledge representation "
        "needs AI or Logic. Nine of the sixteen states obey, and the circuit gives a positive "
        "probability to these alone: its sums are decisions, at most one child of each is positive "
        "in any state. Such a circuit is deterministic and structured, so that its most probable "
        "explanation and even distances between two of its kind are exact.",
    )
