"""Memory of a HyperSPN as the number of variables grows: stored, and while it is evaluated.

    pccore bench hyperspn_memory [--variables 64,256,1024,4096]

k = 5, r = 1, h = 5, one row of binary data. Ordinary evaluation compiles the circuit with all its
weights and keeps the value of every unit; evaluation in post-order makes the weights of one sector
at a time and keeps O(k log n) values (Shih et al. 2021, sec. 3.1). Counted are numbers alive for a
row, and weights; the files hold embeddings and network, or every weight.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from pccore.compile import compile_circuit
from pccore.files import save_model
from pccore.queries.post_order import evaluate_in_post_order
from pccore.structures import Shape, build_structure
from pccore.transform.generate import dense_shapes, materialised
from tests.benchmarks._speed.output import Output


def main() -> None:
    """Evaluate in both ways, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variables", default="64,256,1024,4096")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    output = Output(options, "pccore bench hyperspn_memory")
    rows: list[list[str]] = []
    found: list[dict[str, float]] = []
    for text in options.variables.split(","):
        one = measure(int(text), options.replicas)
        found.append(one)
        rows.append([text, *(f"{value:,.0f}" for key, value in one.items() if key != "error")])
    head = ["variables", "values: all", "values: post-order", "weights: all",
            "weights: post-order", "file, bytes: all", "file, bytes: network"]  # fmt: skip
    output.table(head, rows)
    worst = max(one["error"] for one in found)
    output.say(f"largest difference of the log-likelihoods, relative: {worst:.1e}")
    output.result["results"] = found
    output.finish()
    if worst > 1e-4:
        raise SystemExit("the two ways of evaluating disagree")


def measure(variables: int, replicas: int) -> dict[str, float]:
    """Numbers alive, and sizes of files."""
    options = {"units": 5, "replicas": replicas}
    circuit = build_structure("hyperspn", Shape.of(variables), options)
    x = np.random.default_rng(0).integers(0, 2, (1, variables)).astype(np.float32)
    few = evaluate_in_post_order(circuit, x)
    program = compile_circuit(circuit)
    value = float(program(x)[0])
    weights = sum(rows * inputs for rows, inputs in dense_shapes(circuit).values())
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.pc.safetensors" for name in ("all", "network")]
        save_model(materialised(circuit), paths[0])
        save_model(circuit, paths[1])
        sizes = [path.stat().st_size for path in paths]
    return {
        "values_all": program.plan.rows,
        "values_post_order": few.alive,
        "weights_all": weights,
        "weights_post_order": few.weights,
        "bytes_all": sizes[0],
        "bytes_network": sizes[1],
        "error": abs(float(few.log_values[0]) - value) / abs(value),
    }


if __name__ == "__main__":
    main()
