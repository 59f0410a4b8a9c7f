"""Every repair of every witness of random circuits keeps what it promises, by enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import oracle
from pccore.build import bernoulli, categorical, indicator, mix, product
from pccore.build import circuit as assemble
from pccore.check import Report, Witness, check
from pccore.graph import Circuit, Unit
from pccore.reference import evaluate
from pccore.repair import Repair, repairs
from tests.strategies import SEEDS, random_broken, random_graph

REPAIRABLE = (
    "smooth", "consistent", "decomposable", "weights", "normalized", "reachable", "alternating",
    "alive",
)  # fmt: skip


def random_mess(seed: int) -> Circuit:
    """Sums and products at random over three variables of two or three states, shared freely,
    with zero weights, several roots and leaves that are no indicators."""
    rng = np.random.default_rng(seed)
    states = rng.integers(2, 4, 3)
    nodes: list[object] = []
    for v, n in enumerate(states.tolist()):
        nodes += [indicator(f"X{v}", c, n) for c in range(n)]
        spread = rng.dirichlet(np.ones(n))
        nodes.append(bernoulli(f"X{v}", 0.3) if n == 2 else categorical(f"X{v}", spread.tolist()))
    for number in range(int(rng.integers(2, 9))):
        picks = rng.integers(0, len(nodes), int(rng.integers(1, 4))).tolist()
        below = [nodes[i] for i in picks]
        if rng.random() < 0.5:
            made = product(*below).named(f"p{number + 100}")  # type: ignore[arg-type]
        else:
            weights = rng.choice([0.0, 0.25, 0.5, 1.0, 2.0], len(below)).tolist()
            made = mix(weights, below).named(f"s{number + 100}")  # type: ignore[arg-type]
        nodes.append(made)
    tops = nodes[-1:] if rng.random() < 0.7 else nodes[-2:]
    return assemble(tops)  # type: ignore[arg-type]


def values(model: Circuit, rows: np.ndarray, unit: Unit) -> np.ndarray:
    return np.exp(evaluate(model, rows).log_value(unit))


def named(model: Circuit) -> dict[str, Unit]:
    units = (Unit(g, k) for g, group in enumerate(model.groups) for k in range(group.size))
    return {model.unit_name(unit): unit for unit in units}


def above(model: Circuit, unit: Unit) -> set[str]:
    """Names of the units that depend on one, and its own."""
    users = {unit}
    for g, group in enumerate(model.groups):
        for k in range(group.size):
            if users.intersection(edge.child for edge in model.children(Unit(g, k))):
                users.add(Unit(g, k))
    return {model.unit_name(one) for one in users}


def full_rows(model: Circuit) -> np.ndarray:
    """Every complete state of every variable that some leaf mentions."""
    domains = [
        range(model.domain(v).states or 0) if v in model.domains else [np.nan]
        for v in range(len(model.variables))
    ]
    grids = np.meshgrid(*domains, indexing="ij")
    return np.stack([grid.reshape(-1) for grid in grids], axis=1).astype(np.float64)


def is_gone(witness: Witness, before: Circuit, report: Report) -> bool:
    """Whether no witness of the same property, unit and children is left."""
    after = report.circuit

    def told(model: Circuit, one: Witness) -> tuple[object, ...]:
        children = tuple(model.unit_name(child) for child in one.children)
        shown = children if one.property in ("consistent", "decomposable", "weights") else ()
        return (model.unit_name(one.unit), shown)

    return told(before, witness) not in {told(after, one) for one in report.of(witness.property)}


def check_promises(model: Circuit, witness: Witness, repair: Repair) -> None:
    mended = repair.apply()
    mended.validate_params()
    report = check(mended, (witness.property,))
    assert is_gone(witness, model, report), f"{repair.name}: {witness.message}"
    assert mended.variables == model.variables and len(mended.roots) == len(model.roots)
    if witness.property == "weights":  # nothing can be evaluated before
        assert repair.preserves == "changes"
        return
    rows = full_rows(model)
    for old, new in zip(model.roots, mended.roots, strict=True):
        before, after = values(model, rows, old), values(mended, rows, new)
        if repair.preserves == "distribution" and before.sum() > 0:
            before, after = before / before.sum(), after / after.sum()
        if repair.preserves != "changes":
            np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-12)
    # Units keep their names: what has the name of an old one is still what it was.
    users = above(model, witness.unit)
    users |= {model.unit_name(child) for child in witness.children}  # may be changed in place
    ours, theirs = named(model), named(mended)
    if repair.name in ("normalise", "legal_parameters"):
        return
    was, now = evaluate(model, rows), evaluate(mended, rows)
    for name in ours.keys() & theirs.keys():
        if repair.preserves == "exact" or name not in users:
            np.testing.assert_allclose(
                np.exp(now.log_value(theirs[name])), np.exp(was.log_value(ours[name])),
                rtol=1e-9, atol=1e-12, err_msg=f"{repair.name}: {name}",
            )  # fmt: skip


@settings(max_examples=100)
@given(SEEDS)
def test_on_random_graphs(seed: int) -> None:
    model = random_mess(seed)
    report = check(model, REPAIRABLE)
    for witness in report.witnesses[:10]:
        for repair in repairs(model, witness):
            check_promises(model, witness, repair)


@settings(max_examples=60)
@given(
    SEEDS,
    st.sampled_from(["smooth", "decomposable", "weights", "normalized", "reachable"]),
    st.booleans(),
)
def test_on_groups(seed: int, clause: str, grouped: bool) -> None:
    broken = random_broken(
        seed, clause, variables=3, grouped=grouped, normalised=False, tied=True, zero_weights=True
    )
    report = check(broken.circuit, REPAIRABLE)
    for witness in report.witnesses[:4]:
        for repair in repairs(broken.circuit, witness):
            check_promises(broken.circuit, witness, repair)


@settings(max_examples=60)
@given(SEEDS)
def test_faults_are_not_moved_elsewhere(seed: int) -> None:
    """A unit that was in order is in order after a repair; new units that are not are copies.

    A product that shared variables before may come to contradict itself, by factors of 1 that are
    added below it; repairs of sums say so.
    """
    model = random_mess(seed) if seed % 2 else random_graph(seed)
    kinds = ("smooth", "decomposable", "consistent")
    report = check(model, kinds)
    known = {(w.property, model.unit_name(w.unit)) for w in report.witnesses}
    for witness in report.witnesses[:6]:
        for repair in repairs(model, witness):
            mended = repair.apply()
            for left in check(mended, kinds).witnesses:
                name = mended.unit_name(left.unit).rstrip("'")
                if ("decomposable", name) in known:
                    assert "smooth" not in repair.name or "products first" in repair.explanation
                    continue
                assert (left.property, name) in known, repair.name


@settings(max_examples=60)
@given(SEEDS)
def test_a_uniform_completion_keeps_what_it_says_that_it_keeps(seed: int) -> None:
    """S(*) and every S(e) that does not observe the missing variables."""
    broken = random_broken(seed, "smooth", variables=3, normalised=False).circuit
    for witness in check(broken).of("smooth"):
        offer = next(r for r in repairs(broken, witness) if r.preserves == "changes")
        mended = offer.apply()
        rows = oracle.states(broken)
        rows[:, list(witness.variables)] = np.nan
        np.testing.assert_allclose(
            values(mended, rows, mended.root), values(broken, rows, broken.root), rtol=1e-9
        )


def test_the_promises_can_fail() -> None:
    """The checks above see a repair that changes more than it says, or mends nothing."""
    both = product(bernoulli("A", 0.2), bernoulli("B", 0.3))
    model = assemble(mix([0.5, 0.5], [both, bernoulli("A", 0.4)]))
    (witness,) = check(model).of("smooth")
    exact, uniform = repairs(model, witness)
    with pytest.raises(AssertionError):
        check_promises(model, witness, Repair("liar", "", "", "exact", uniform.apply))
    with pytest.raises(AssertionError):
        check_promises(model, witness, Repair("idle", "", "", "exact", lambda: model))
    check_promises(model, witness, exact)
