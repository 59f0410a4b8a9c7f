"""Tables of small regions: the very values and statistics of the program that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.compile import compile_circuit
from pccore.compile.tabulate import Tables, states_for, tables_for
from pccore.graph import Circuit
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure
from tests.strategies import random_circuit


def compare(model: Circuit, x: np.ndarray, states: int) -> bool:
    """Whether there were tables; asserts that they change nothing."""
    program = compile_circuit(model, dtype=torch.float64)
    tables = Tables.of(program.circuit, states, program)  # worth their trouble or not
    if tables is None:
        return False
    rows = torch.tensor(x, dtype=torch.float64)
    expected = program.zero_statistics()
    plain = program.evaluate(rows, keep=True)
    program.flows(plain, expected)
    found = program.zero_statistics()
    state = tables.up(rows, program)
    outer = tables.program
    torch.testing.assert_close(outer.root_values(state.outer), program.root_values(plain))
    tables.down(state, outer.root_flows(state.outer), found, program)
    for bank, a, b in zip(program.banks, expected, found, strict=True):
        if bank.trainable:
            torch.testing.assert_close(bank.counts(b), bank.counts(a))
    return True


@pytest.mark.parametrize("variables", [3, 8, 13])
@pytest.mark.parametrize("states", [2, 16, 300])
def test_random_trees(variables: int, states: int) -> None:
    options = {"layout": "sectors", "units": 3, "replicas": 2}
    model = build_structure("rat", Shape.of(variables), options)
    x = np.random.default_rng(0).integers(0, 2, (40, variables))
    assert compare(model, x, states) is (2**variables > states)


@pytest.mark.parametrize("product", ["kronecker", "hadamard"])
def test_einets_with_several_states(product: str) -> None:
    options = {"depth": 3, "units": 3, "replicas": 3, "product": product}
    shape = Shape.of(9, [Support("finite", n) for n in (2, 3, 4) * 3])
    model = build_structure("rat", shape, options)
    x = np.random.default_rng(1).integers(0, (2, 3, 4) * 3, (50, 9))
    assert compare(model, x, 16)


@settings(max_examples=60)
@given(st.integers(0, 10_000))
def test_random_circuits(seed: int) -> None:
    model = random_circuit(seed, variables=5, tied=seed % 2 == 0)
    x = np.random.default_rng(seed).integers(0, [model.domain(v).states for v in range(5)], (20, 5))
    compare(model, x, 8)


def test_tables_follow_the_parameters_of_the_program() -> None:
    model = build_structure("rat", Shape.of(8), {"layout": "sectors", "units": 2, "replicas": 3})
    program = compile_circuit(model)
    tables = Tables.of(model, 16, program)
    assert tables is not None
    other = build_structure(
        "rat", Shape.of(8), {"layout": "sectors", "units": 2, "replicas": 3, "seed": 1}
    )
    x = torch.tensor(np.random.default_rng(0).integers(0, 2, (64, 8)), dtype=torch.float32)
    before = tables.program.root_values(tables.up(x, program).outer)
    program.load({name: other.params[name] for name in model.params if name in other.params})
    after = tables.program.root_values(tables.up(x, program).outer)
    torch.testing.assert_close(after, program(x))
    assert not torch.allclose(before, after)


def test_tables_have_to_pay() -> None:
    assert [states_for(n) for n in (1, 100, 500, 10**6)] == [1, 64, 256, 512]
    pair = build_structure("naive_bayes", Shape.of(12), {"components": 4})
    assert tables_for(compile_circuit(pair), 256) is None
    real = build_structure("rat", Shape.of(8, Support("real")), {})
    assert tables_for(compile_circuit(real), 256) is None
