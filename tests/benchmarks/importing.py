"""Reading large circuits of other programs, and evaluating them over a test set.

    pccore bench importing [--json]

A random PSDD of about --edges edges is written to a file and read back in a process of its own:
seconds and peak memory (goals: 20 s and 2 GB for 10^6). Then random rows are evaluated by the
compiled circuit and by a plain Python loop over its nodes, one row after the other, the values
compared before the times (goal: 20 times faster).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from pccore.compile import compile_circuit
from pccore.files import load_model
from pccore.graph import Circuit
from pccore.queries.likelihood import log_value

GOAL = 20.0


def random_psdd(edges: int, variables: int = 64, elements: int = 4) -> str:
    """A balanced vtree with equally many decision nodes at each inner node.

    Primes and subs are dealt in turn, so that every node is used.
    """
    dice = random.Random(0)
    width = max(elements, edges // (3 * elements * variables))
    lines: list[str] = []

    def add(text: str) -> int:
        lines.append(text.format(len(lines)))
        return len(lines) - 1

    nodes = [
        [add(f"T {{}} {v} {v + 1} {math.log(dice.uniform(0.05, 0.95))!r}") for _ in range(width)]
        for v in range(variables)
    ]
    while len(nodes) > 1:
        top = len(nodes) == 2
        nodes = [
            _decisions(add, left, right, dice, width if not top else 1, elements)
            for left, right in zip(nodes[::2], nodes[1::2], strict=True)
        ]
    return f"psdd {len(lines)}\n" + "\n".join(lines) + "\n"


def _decisions(
    add: Callable[[str], int],
    left: list[int],
    right: list[int],
    dice: random.Random,
    width: int,
    elements: int,
) -> list[int]:
    """Decision nodes over primes and subs; a single one, the root, has all of them."""
    count = elements if width > 1 else len(left)
    made: list[int] = []
    for k in range(width):
        weights = [dice.random() + 0.01 for _ in range(count)]
        pairs = [
            f"{left[(k + j) % len(left)]} {right[(k + 7 * j) % len(right)]} "
            f"{math.log(w / sum(weights))!r}"
            for j, w in enumerate(weights)
        ]
        made.append(add(f"D {{}} 0 {count} {' '.join(pairs)}"))
    return made


class NodeByNode:
    """The circuit as Python lists, evaluated one node and one row at a time."""

    def __init__(self, circuit: Circuit) -> None:
        self.steps: list[tuple[str, object]] = []
        number: dict[tuple[int, int], int] = {}
        for g, group in enumerate(circuit.groups):
            for k in range(group.size):
                unit = (g, k)
                number[unit] = len(number)
                if group.kind == "leaf":
                    p = float(circuit.params[group.parameter].reshape(-1)[k])
                    self.steps.append(("leaf", (group.variables[0], (1 - p, p))))
                    continue
                edges = circuit.children(circuit.root._replace(group=g, index=k))
                below = [number[edge.child.group, edge.child.index] for edge in edges]
                weights = [edge.weight for edge in edges]
                self.steps.append((group.kind, (below, weights)))
        self.root = number[circuit.root.group, circuit.root.index]

    def log_value(self, row: list[int]) -> float:
        """log S(row)."""
        values: list[float] = []
        for kind, step in self.steps:
            first, second = step  # type: ignore[misc]
            if kind == "leaf":
                p = second[row[first]]
                values.append(math.log(p) if p else -math.inf)
            elif kind == "product":
                values.append(sum(values[c] for c in first))
            else:
                terms = [values[c] for c in first]
                top = max(terms)
                if top == -math.inf:
                    values.append(top)
                else:
                    total = sum(w * math.exp(v - top) for v, w in zip(terms, second, strict=True))
                    values.append(top + math.log(total))
        return values[self.root]


def main(arguments: list[str] | None = None) -> int:
    """Run it; 1 if a goal is missed or the values differ."""
    parser = argparse.ArgumentParser(prog="pccore bench importing", description=__doc__)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.read:
        before = time.perf_counter()
        circuit = load_model(Path(options.read))
        seconds = time.perf_counter() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        print(json.dumps({"edges": circuit.num_edges, "read_s": seconds, "peak_mib": peak}))
        return 0
    found = measured(options.edges, options.rows)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:<22}{value:.6g}")
    return 0 if found["times_faster"] >= GOAL and found["difference"] < 1e-9 else 1


def measured(edges: int, rows: int) -> dict[str, float]:
    """The numbers of one run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.psdd"
        path.write_text(random_psdd(edges))
        command = [sys.executable, "-m", "tests.benchmarks.importing", "--read", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        circuit = load_model(path)
    data = torch.randint(0, 2, (rows, len(circuit.variables))).double()
    program = compile_circuit(circuit, dtype=torch.float64)
    log_value(program, data[:10])
    before = time.perf_counter()
    values = log_value(program, data)
    found["compiled_row_ms"] = (time.perf_counter() - before) / rows * 1e3
    plain = NodeByNode(circuit)
    few = [[int(x) for x in row] for row in data[:3].tolist()]
    before = time.perf_counter()
    expected = [plain.log_value(row) for row in few]
    found["node_by_node_row_ms"] = (time.perf_counter() - before) / len(few) * 1e3
    difference = max(abs(a - b) for a, b in zip(expected, values.tolist(), strict=False))
    found["difference"] = difference
    found["times_faster"] = found["node_by_node_row_ms"] / found["compiled_row_ms"]
    return found


if __name__ == "__main__":
    sys.exit(main())
