"""Hidden variables of scopes, made visible; against enumeration."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import oracle
from pccore.check import check
from pccore.compile import compile_circuit
from pccore.errors import NotFoundError, OptionError
from pccore.graph import Circuit
from pccore.leaves.base import Support
from pccore.reference import evaluate
from pccore.structures import Shape, build_structure, summarise
from pccore.structures.hclt import learn_tree
from pccore.transform import augment, states_of
from tests.strategies import circuits


def data_shape(width: int) -> Shape:
    rng = np.random.default_rng(0)
    data = rng.integers(0, 2, (100, width)).astype(np.float32)
    for v in range(1, width):
        keep = rng.random(100) < 0.6
        data[keep, v] = data[keep, v - 1]
    about = Shape.of(width, Support("finite", 2))
    return replace(about, data=data, summary=summarise(data, about.supports))


def with_missing(model: Circuit, x: np.ndarray, latents: int) -> np.ndarray:
    return np.concatenate([x, np.full((len(x), latents), math.nan)], axis=1)


def unchanged(model: Circuit, augmented: Circuit) -> None:
    """Summed out, the new variables leave no trace, and each state adds its own part."""
    more = len(augmented.variables) - len(model.variables)
    x = oracle.states(model)
    expected = np.exp(evaluate(model, x).root)
    found = np.exp(evaluate(augmented, with_missing(model, x, more)).root)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-300)
    every = np.exp(oracle.log_table(augmented)).reshape(len(x), -1).sum(1)
    np.testing.assert_allclose(every, np.exp(oracle.log_table(model)), rtol=1e-6, atol=1e-300)


@settings(max_examples=60, deadline=None)
@given(circuits(variables=3, normalised=False, zero_weights=True, tied=True, roots=2), st.data())
def test_any_scope_of_any_circuit(model: Circuit, data: st.DataObject) -> None:
    scopes = {tuple(model.scopes[g]) for g, group in enumerate(model.groups)}
    scope = data.draw(st.sampled_from(sorted(scopes)))
    columns = [model.variables[v] for v in scope]
    try:
        augmented = augment(model, {"Z": columns})
    except OptionError as error:
        assert "no two products" in str(error)
        return
    unchanged(model, augmented)
    assert augmented.variables == (*model.variables, "Z")
    for wanted in ("smooth", "decomposable"):
        assert check(augmented).holds(wanted) == check(model).holds(wanted)
    assert set(model.params) <= set(augmented.params)


def subtrees(about: Shape) -> dict[str, list[str]]:
    """The scope of each hidden variable of a hidden Chow-Liu tree."""
    tree = learn_tree(about)
    below = {v: [v] for v in tree.order}
    for v in reversed(tree.order[1:]):
        below[tree.parent[v]] += below[v]
    return {f"Z{v}": [about.variables[w] for w in sorted(below[v])] for v in tree.order}


def test_a_hidden_tree_with_all_its_variables_visible_is_deterministic() -> None:
    about = data_shape(5)
    model = build_structure("hclt", about, {"units": 3, "start": "random"})
    latents = subtrees(about)
    augmented = augment(model, latents)
    assert len(augmented.variables) == 10
    assert len(augmented.groups) == len(model.groups) + 5 + sum(
        g.kind == "leaf" and g.name == f"L(X{v})" and len(latents[f"Z{v}"]) == 1
        for v in range(5)
        for g in model.groups
    )
    assert check(model).properties["deterministic"] == "no"
    properties = check(augmented).properties
    assert (
        properties["deterministic"] == properties["smooth"] == properties["decomposable"] == "yes"
    )
    rows = about.data
    assert rows is not None
    x = with_missing(model, rows[:10], 5)
    np.testing.assert_allclose(
        evaluate(augmented, x).root, evaluate(model, rows[:10]).root, rtol=1e-9
    )
    torch.testing.assert_close(compile_circuit(augmented)(x), compile_circuit(model)(rows[:10]))


def test_the_joint_with_a_state_is_what_the_sums_say() -> None:
    about = data_shape(4)
    model = build_structure("hclt", about, {"units": 2, "start": "random"})
    augmented = augment(model, {"Z": about.variables})
    root = model.params["root"][0].double().numpy()
    assert about.data is not None
    trace = evaluate(model, about.data[:5])
    top = model.groups[model.root.group].inputs[0]
    assert states_of(model, about.variables) == [
        f"{model.groups[top].name}[0]", f"{model.groups[top].name}[1]"
    ]  # fmt: skip
    for state in range(2):
        x = np.concatenate([about.data[:5], np.full((5, 1), state)], axis=1)
        expected = trace.log_values[top][:, state] + math.log(root[state])
        np.testing.assert_allclose(evaluate(augmented, x).root[:, 0], expected, rtol=1e-9)


def test_replicas_that_split_otherwise_say_nothing_of_it() -> None:
    model = build_structure("rat", Shape.of(4), {"depth": 1, "replicas": 2, "units": 2})
    left = next(g for g in model.groups if g.kind == "leaf" and len(g.variables) == 2)
    columns = [model.variables[v] for v in left.variables]
    with pytest.raises(OptionError, match="no two products"):
        augment(model, {"Z": columns})  # its leaves are factors
    whole = augment(model, {"Z": model.variables})
    unchanged(model, whole)
    deeper = build_structure("rat", Shape.of(8), {"depth": 2, "replicas": 2, "units": 2})
    part = next(s for s in deeper.scopes if len(s) == 4)
    made = augment(deeper, {"Z": [deeper.variables[v] for v in part]})
    assert any("any Z" in g.name for g in made.groups)
    assert check(made).properties["smooth"] == "yes"
    unchanged(deeper, made)


def test_refusals() -> None:
    model = build_structure("rat", Shape.of(4), {"depth": 1, "replicas": 1, "units": 2})
    with pytest.raises(NotFoundError, match="'Q'"):
        augment(model, {"Z": ["Q"]})
    for name in ("", "X0"):
        with pytest.raises(OptionError, match="name"):
            augment(model, {name: model.variables})
