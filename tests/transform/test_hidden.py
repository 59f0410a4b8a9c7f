"""Hidden variables of groups, made visible in any circuit; against enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore import oracle
from pccore.check import check
from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.reference import evaluate
from pccore.structures import Shape, build_structure
from pccore.transform import augment_groups, hidden_groups, hidden_names, with_states
from tests.strategies import circuits


@settings(max_examples=60, deadline=None)
@given(circuits(variables=3, normalised=False, zero_weights=True, tied=True, roots=2), st.data())
def test_one_more_state_says_that_none_takes_part(model: Circuit, data: st.DataObject) -> None:
    several = [g for g, group in enumerate(model.groups) if group.size > 1]
    if not several:
        return
    chosen = data.draw(st.lists(st.sampled_from(several), unique=True, max_size=2))
    latents = {f"Z{g}": [g] for g in chosen}
    made = augment_groups(model, latents, "state")
    if not check(made, ("decomposable",)).holds("decomposable"):
        return
    reached = [g for g in chosen if any(name == f"Z{g}" for name in _mentioned(made))]
    x = oracle.states(model)
    missing = np.full((len(x), len(chosen)), math.nan)
    found = np.exp(evaluate(made, np.concatenate([x, missing], 1)).root)
    np.testing.assert_allclose(found, np.exp(evaluate(model, x).root), rtol=1e-6, atol=1e-300)
    for g in reached:
        assert made.domain(made.variable_index(f"Z{g}")).states == model.groups[g].size + 1


def _mentioned(model: Circuit) -> set[str]:
    return {model.variables[v] for v in model.domains}


def test_the_states_of_a_replica_and_of_no_replica_add_up() -> None:
    """A region of one of two random trees takes part as often as its tree is chosen."""
    model = build_structure("rat", Shape.of(8), {"depth": 2, "replicas": 2, "units": 3})
    g = next(
        p for p, group in enumerate(model.groups)
        if group.kind == "sum" and group.size == 3 and len(model.scopes[p]) == 4
    )  # fmt: skip
    made = with_states(model, [g], "state")
    assert check(made).properties["smooth"] == check(made).properties["decomposable"] == "yes"
    table = np.exp(oracle.log_table(made)).reshape(-1, 4).sum(0)
    assert table.sum() == pytest.approx(1, abs=1e-5)
    assert 0 < table[:3].sum() < 1 and table[3] > 0
    with pytest.raises(OptionError, match="would be missing"):
        with_states(model, [g])


def test_several_at_once_are_what_one_after_the_other_is() -> None:
    model = build_structure("hmm", Shape.of(3), {"units": 2})
    groups = hidden_groups(model)
    both = with_states(model, groups[:2])
    names = hidden_names(model, groups[:2])
    one = augment_groups(model, {names[0]: [groups[0]]})
    second = [g.name for g in one.groups].index(model.groups[groups[1]].name)
    after = augment_groups(one, {names[1]: [second]})
    np.testing.assert_allclose(oracle.log_table(both), oracle.log_table(after), atol=1e-6)


def test_refusals() -> None:
    model = build_structure("hmm", Shape.of(3), {"units": 2})
    for name in ("", "X0"):
        with pytest.raises(OptionError, match="name"):
            augment_groups(model, {name: [0]})
    root = model.root.group
    with pytest.raises(OptionError, match="one state"):
        augment_groups(model, {"Z": [root]})
    assert torch.equal(model.params["root"], with_states(model, [0]).params["root"])
