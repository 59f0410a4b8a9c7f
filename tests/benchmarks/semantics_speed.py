"""How long the checks take on a million edges and on a circuit that is being edited (issue 2).

    pccore bench semantics_speed      one table; the best of --repeats, in milliseconds

Three circuits of about a million edges: dense groups, irregular edges stored as arrays, and a
hundred thousand groups of one unit. Each as it is, and with a violation of each kind at the top, so
that witnesses have to be found and the states below compared. Making the circuit counts. Then
everything that follows an edit of a circuit of 200 units: the full check, what its violation
breaks, and whether it is valid all the same.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch

from pccore.check import check
from pccore.compile import compile_circuit
from pccore.consequence import consequence, validity
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SparseEdges, SumGroup
from pccore.leaves.bernoulli import Bernoulli
from pccore.queries import unit_values
from pccore.structures.figures import figure3_parity

#: The properties that the goal of issue 2 is about.
THREE = ("smooth", "consistent", "decomposable")
GOAL = 5000.0  # milliseconds for these three on a million edges
EDIT_GOAL = 200.0


def dense(size: int = 64, variables: int = 128) -> Circuit:
    """A chain of dense sums over elementwise products: variables - 1 blocks of size x size."""
    groups: list[Group] = []
    params = {"half": torch.full((1, size), 0.5), "even": torch.full((size, size), 1 / size)}
    below = -1
    for v in range(2 * variables):
        groups.append(LeafGroup(f"x{v}", size, Bernoulli(), (v,), "half"))
        if below < 0:
            below = 0
            continue
        leaf = len(groups) - 1
        groups.append(ProductGroup(f"p{v}", size, (below, leaf)))
        groups.append(SumGroup(f"s{v}", size, (leaf + 1,), "even"))
        below = leaf + 2
    names = [f"X{v}" for v in range(2 * variables)]
    return Circuit(groups, [(below, 0)], names, params)


def irregular(size: int = 1800, variables: int = 64) -> Circuit:
    """Sums of five random products, products of a random sum and a random leaf, as arrays."""
    rng = np.random.default_rng(0)
    groups: list[Group] = []
    many = 2 * size
    params = {
        "half": torch.full((1, size), 0.5),
        "fifth": torch.full((5 * size,), 0.2),
    }
    below = -1
    for v in range(variables):
        groups.append(LeafGroup(f"x{v}", size, Bernoulli(), (v,), "half"))
        leaf = len(groups) - 1
        if below < 0:
            below = leaf
            continue
        pairs = np.stack([rng.integers(0, size, many), size + rng.integers(0, size, many)], 1)
        edges = SparseEdges(2 * np.arange(many + 1), pairs.reshape(-1))
        groups.append(ProductGroup(f"p{v}", many, (below, leaf), edges))
        picks = rng.integers(0, many, 5 * size)
        groups.append(SumGroup(f"s{v}", size, (leaf + 1,), "fifth",
                               SparseEdges(5 * np.arange(size + 1), picks)))  # fmt: skip
        below = leaf + 2
    return Circuit(groups, [(below, 0)], [f"X{v}" for v in range(variables)], params)


def scalar(width: int = 500, layers: int = 100, children: int = 18) -> Circuit:
    """Groups of one unit: in each layer as many sums as products of the layer before."""
    rng = np.random.default_rng(0)
    groups: list[Group] = []
    params = {"p": torch.full((1, 1), 0.5), "w": torch.full((1, children), 1 / children)}
    below: list[int] = []
    for v in range(layers):
        leaves = len(groups)
        groups += [LeafGroup(f"x{v}_{k}", 1, Bernoulli(), (v,), "p") for k in range(4)]
        if not below:
            below = [leaves + k % 4 for k in range(width)]
            continue
        first = len(groups)
        groups += [ProductGroup(f"p{v}_{k}", 1, (below[k], leaves + k % 4)) for k in range(width)]
        picks = first + np.argsort(rng.random((width, width)), 1)[:, :children]
        groups += [
            SumGroup(f"s{v}_{k}", 1, tuple(row), "w") for k, row in enumerate(picks.tolist())
        ]
        below = list(range(first + width, first + 2 * width))
    return Circuit(groups, [(below[0], 0)], [f"X{v}" for v in range(layers)], params)


def broken(circuit: Circuit) -> Circuit:
    """The root times a leaf that its scope has already, plus the root alone below a sum."""
    root = circuit.root
    one = LeafGroup("again", 1, Bernoulli(), (0,), "again")
    two = LeafGroup("new", 1, Bernoulli(), (len(circuit.variables),), "again")
    top = len(circuit.groups)
    pick = SumGroup("pick", 1, (root.group,), "one",
                    SparseEdges(np.array([0, 1]), np.array([root.index])))  # fmt: skip
    groups = [
        *circuit.groups,
        one,
        two,
        pick,
        ProductGroup("twice", 1, (top + 2, top, top + 1)),
        SumGroup("lacking", 1, (top + 2, top + 3), "both"),
    ]
    params = circuit.params.updated(
        {
            "again": torch.full((1, 1), 0.5),
            "one": torch.ones(1),
            "both": torch.full((1, 2), 0.5),
        }
    )
    return Circuit(groups, [(top + 4, 0)], [*circuit.variables, "new"], params)


def fresh(circuit: Circuit) -> Circuit:
    """The circuit made anew, so that nothing (the scopes, say) is known beforehand."""
    return Circuit(circuit.groups, circuit.roots, circuit.variables, circuit.params)


def best(action: Callable[[], object], repeats: int) -> float:
    """The shortest of some runs, in milliseconds."""
    times: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - start))
    return min(times)


def large(repeats: int) -> list[tuple[str, float, float | None]]:
    """The three properties, and all of them, on a million edges."""
    rows: list[tuple[str, float, float | None]] = []
    for name, make in (("dense groups", dense), ("irregular", irregular), ("scalar", scalar)):
        circuit = make()
        size = f"{name}, {circuit.num_edges:,} edges, {len(circuit.groups):,} groups"
        report = check(circuit, THREE)
        assert all(report.holds(one) for one in THREE)
        rows.append(
            (f"{size}: three", best(lambda c=circuit: check(fresh(c), THREE), repeats), GOAL)
        )
        rows.append((f"{size}: all", best(lambda c=circuit: check(fresh(c)), repeats), None))
        wrong = broken(circuit)
        found = check(wrong, THREE)
        assert not any(found.holds(one) for one in THREE)
        rows.append(
            (f"{name}, broken: three", best(lambda c=wrong: check(fresh(c), THREE), repeats), GOAL)
        )
    return rows


def edited(repeats: int) -> list[tuple[str, float, float | None]]:
    """What follows an edit of about 200 units."""
    circuit = figure3_parity(26)
    wrong = broken(circuit)
    program = compile_circuit(circuit, dtype=torch.float64)
    size = f"{circuit.num_units} units"
    few = broken(figure3_parity(10))  # little enough to be enumerated
    witness = check(few).violations[0]
    assert consequence(few, witness) is not None
    assert validity(few).verdict == "invalid"
    work: tuple[tuple[str, Callable[[], object]], ...] = (
        (f"{size}: full check", lambda: check(circuit)),
        (f"{size}, broken: full check", lambda: check(wrong)),
        (f"{size}: value of every unit", lambda: unit_values(program, {})),
        ("12 variables: what a violation breaks", lambda: consequence(few, witness)),
        ("12 variables: valid or not", lambda: validity(few)),
    )
    return [(name, best(action, repeats), EDIT_GOAL) for name, action in work]


def main() -> None:
    """Measure everything and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = large(arguments.repeats) + edited(arguments.repeats)
    if arguments.json:
        print(json.dumps({title: round(value, 1) for title, value, _ in rows}))
        return
    for title, value, goal in rows:
        verdict = (
            "" if goal is None else f"goal {goal:.0f} ms" + ("" if value < goal else ": MISSED")
        )
        print(f"{title:60}{value:>10.1f} ms   {verdict}")


if __name__ == "__main__":
    main()
