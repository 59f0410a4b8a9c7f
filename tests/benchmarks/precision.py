"""Which precision the sums of a large EiNet can be computed in on a CPU, and what it would gain.

    pccore bench precision

Products of the shapes of an einsum layer with K = 40 by each library and precision, and the
log-likelihood of a RAT EiNet (512 Gaussian variables, D = 4, R = 10) with the products of its sums
rounded to bfloat16, beside float32 and float64.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pccore.compile import compile_circuit
from pccore.compile.kernels.precision import fast_products, helps
from pccore.leaves.base import Support
from pccore.structures import build_structure
from pccore.structures.base import Shape

#: Groups, sums, pairs, samples: a part of a layer that stays in the cache.
LAYER = (8, 40, 1600, 100)


def rate(product: Callable[[], object], flops: float, repeats: int = 60) -> float:
    """GFLOP/s, best of several."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - start)
    return flops / best / 1e9


def rates() -> dict[str, float]:
    """GFLOP/s of the sums of one part of a layer."""
    groups, sums, pairs, samples = LAYER
    weights, values = torch.rand(groups, sums, pairs), torch.rand(groups, pairs, samples)
    flops = 2.0 * groups * sums * pairs * samples
    found = {"float32, torch's choice": rate(lambda: weights @ values, flops)}
    with fast_products:
        found["float32 in a pass"] = rate(lambda: weights @ values, flops)
    small, other = weights.bfloat16(), values.bfloat16()
    found["bfloat16"] = rate(lambda: small @ other, flops)
    found["bfloat16, children rounded first"] = rate(lambda: small @ values.bfloat16(), flops)
    return found


@contextmanager
def rounded() -> Iterator[None]:
    """torch.bmm in bfloat16, for the time of an experiment."""
    original = torch.bmm

    def product(left: Tensor, right: Tensor, *, out: Tensor | None = None) -> Tensor:
        found = original(left.bfloat16(), right.bfloat16()).to(left.dtype)
        return found if out is None else out.copy_(found)

    torch.bmm = product
    try:
        yield
    finally:
        torch.bmm = original


def differences(units: int) -> dict[str, float]:
    """Mean and largest error of the log-likelihood, in nats, against float64."""
    shape = Shape.of(512, Support("real"))
    circuit = build_structure("rat", shape, {"depth": 4, "replicas": 10, "units": units})
    x = torch.randn(200, 512, generator=torch.Generator().manual_seed(0))
    exact = compile_circuit(circuit, dtype=torch.float64)(x.double())
    program = compile_circuit(circuit)
    state = program.evaluate(x)
    found: dict[str, float] = {"log_likelihood": float(exact.mean())}
    errors = {"float32": (program.root_values(state).double() - exact).abs()}
    with rounded():
        for layer in program.layers:
            if layer.spec.kind != "leaf":
                layer.up(state, keep=False)
    errors["bfloat16"] = (program.root_values(state).double() - exact).abs()
    for name, error in errors.items():
        found |= {
            f"{name}, mean error": float(error.mean()),
            f"{name}, largest": float(error.max()),
        }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    result: dict[str, Any] = {
        "exact_fast_products": helps(),
        "gflops": rates(),
        "log_likelihood": {f"K={units}": differences(units) for units in (10, 40)},
    }
    if options.json:
        print(json.dumps(result))
        return
    print(f"products in float32 by the wider library, exact here: {'yes' if helps() else 'no'}")
    for name, value in result["gflops"].items():
        print(f"{name:36} {value:7.0f} GFLOP/s")
    for name, values in result["log_likelihood"].items():
        print(name, ", ".join(f"{key} {value:.2e}" for key, value in values.items()))


if __name__ == "__main__":
    main()
