"""Budgets, tiles, and the memory that is announced before a run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from pccore.compile import Program, compile_circuit
from pccore.compile.tiling import in_tiles
from pccore.errors import MemoryLimitError
from pccore.learn.base import Expectation
from pccore.leaves.base import Support
from pccore.structures import build_structure
from pccore.structures.base import Shape

#: Trains one model in a process of its own and prints what was announced and what was taken.
CHILD = r"""
import json, re, resource, torch
from pccore.compile import compile_circuit
from pccore.learn.em import OnlineEM, OnlineEMOptions
from pccore.leaves.base import Support
from pccore.structures import build_structure
from pccore.structures.base import Shape

def learn(options, samples):
    circuit = build_structure("rat", Shape.of(256, Support("real")), options)
    now = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
    program = compile_circuit(circuit)
    learner = OnlineEM(program, samples, OnlineEMOptions(0.1, 0.1))
    x = torch.randn(samples, 256)
    for _ in range(2):
        learner.batch(x)
    return now, program.needs(samples, training=True).total

torch.set_num_threads(1)
learn({"depth": 2, "replicas": 2, "units": 2}, 10)
before, announced = learn({"depth": 5, "replicas": 10, "units": 40}, 200)
# Not ru_maxrss, which a process takes over from the one that starts it.
peak = 1024 * int(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1])
print(json.dumps({"announced": announced, "taken": peak - before}))
"""


@pytest.fixture(scope="module")
def program() -> Program:
    shape = Shape.of(16, Support("finite", 3))
    return compile_circuit(build_structure("rat", shape, {"depth": 3, "units": 6}))


def test_the_announced_peak_is_right_within_a_fifth() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, timeout=300
    )
    found = json.loads(done.stdout)
    assert found["taken"] == pytest.approx(found["announced"], rel=0.2)


def test_a_budget_makes_the_tiles_smaller_and_the_answer_stays(program: Program) -> None:
    x = torch.randint(0, 3, (5000, 16)).float()
    whole = program.tile_rows(2**24, training=True)
    # The parameters are not part of the budget, the buffers are.
    tight = compile_circuit(program.circuit, memory=2 * 2**20)
    assert tight.tile_rows(2**24, training=True) < whole
    spent = tight.needs(5000, training=True)
    assert spent.samples == tight.tile_rows(2**24, training=True) < 5000
    first, second = program.zero_statistics(), tight.zero_statistics()
    one, two = Expectation(program)(x, first), Expectation(tight)(x, second)
    assert one.log_likelihood == pytest.approx(two.log_likelihood, rel=1e-5)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_memory_that_runs_out_is_met_by_smaller_tiles(program: Program) -> None:
    rows = torch.arange(10.0)[:, None]
    tried: list[int] = []

    def work(tile: torch.Tensor) -> torch.Tensor:
        tried.append(len(tile))
        if len(tile) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")
        return tile

    assert torch.equal(torch.cat(list(in_tiles(program, rows, work))), rows)
    assert tried == [10, 5, 3, 3, 3, 1]


def test_a_row_that_is_too_much_is_a_clear_error(program: Program) -> None:
    def work(tile: torch.Tensor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(MemoryLimitError, match="one row of data needs more memory"):
        list(in_tiles(program, torch.zeros(4, 1), work))


def test_other_errors_pass_through(program: Program) -> None:
    def work(tile: torch.Tensor) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        list(in_tiles(program, torch.zeros(4, 1), work))
