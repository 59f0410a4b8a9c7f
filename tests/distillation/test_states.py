"""Hidden variables made variables of the circuit: nothing changes but what can be seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pccore import oracle
from pccore.check import check
from pccore.distillation import Assignments, assign, hidden_groups, values_of, with_states
from pccore.distillation.states import below, blurred, deterministic
from pccore.errors import DataError, NotFoundError, OptionError
from pccore.graph import Circuit
from pccore.structures import build_structure, shape_of
from tests.distillation.support import binary


def tree(units: int = 2, structure: str = "hclt") -> Circuit:
    return build_structure(structure, shape_of(binary(4)), {"units": units})


@pytest.mark.parametrize("structure", ["hclt", "hmm"])
def test_summing_the_hidden_variables_out_gives_the_circuit(structure: str) -> None:
    model = tree(structure=structure)
    groups = hidden_groups(model)
    whole = with_states(model, groups)
    assert len(whole.variables) == 8
    joint = np.exp(oracle.log_table(whole)).reshape(16, -1)
    np.testing.assert_allclose(joint.sum(1), np.exp(oracle.log_table(model)), rtol=1e-6)
    # Given all of them every sum has one possible child.
    report = check(whole, ("smooth", "decomposable", "deterministic"))
    assert not report.violations
    assert deterministic(whole)
    assert not deterministic(model)


def test_some_hidden_variables_leave_the_others_hidden() -> None:
    model = tree()
    groups = hidden_groups(model)
    whole = with_states(model, groups[:2])
    joint = np.exp(oracle.log_table(whole)).reshape(16, -1)
    np.testing.assert_allclose(joint.sum(1), np.exp(oracle.log_table(model)), rtol=1e-6)
    assert not deterministic(whole)
    assert set(model.params) <= set(whole.params)
    inside = below(model, groups)
    assert inside == {model.groups[g].parameter for g in groups}  # type: ignore[union-attr]


def test_groups_that_are_no_hidden_variables_are_refused() -> None:
    rat = build_structure("rat", shape_of(binary(4)), {"units": 2, "replicas": 2, "depth": 2})
    with pytest.raises(OptionError, match="does not say"):
        hidden_groups(rat)
    leaf = next(group.name for group in rat.groups if group.kind == "leaf")
    with pytest.raises(OptionError, match="no hidden variables of this circuit"):
        with_states(rat, hidden_groups(rat, [leaf]))
    with pytest.raises(NotFoundError, match="no group 'nobody'"):
        hidden_groups(rat, ["nobody"])
    model = tree(units=1)
    with pytest.raises(OptionError, match="one state"):
        with_states(model, hidden_groups(model))


def test_states_are_the_clusters_of_the_embeddings() -> None:
    data = binary(4)
    model = tree()
    groups = hidden_groups(model)
    found = assign(model, groups, values_of(data, model, groups))
    assert found.states["train"].shape == (len(data.train), 4)
    for i, g in enumerate(groups):
        (column,) = model.scopes[g]
        # Two clusters of a binary column are its values.
        pairs = np.unique(np.stack([found.states["train"][:, i], data.train[:, column]]), axis=1)
        assert pairs.shape[1] == 2
    assert found.used.tolist() == [2, 2, 2, 2]
    joined = found.join(data, model, groups)
    assert joined.train.shape == (len(data.train), 8)
    assert joined.supports[4].states == 2


def test_unknown_states_are_missing_and_wrong_shapes_are_refused() -> None:
    data = binary(4)
    model = tree()
    groups = hidden_groups(model)
    embeddings = {s: list(parts) for s, parts in values_of(data, model, groups).items()}
    embeddings["train"][0] = embeddings["train"][0].copy()
    embeddings["train"][0][0] = np.nan
    found = assign(model, groups, embeddings)
    assert found.states["train"][0, 0] == -1
    assert np.isnan(found.join(data, model, groups).train[0, 4])
    short = Assignments({s: v[1:] for s, v in found.states.items()}, found.used)
    with pytest.raises(DataError, match="hidden variables"):
        short.join(data, model, groups)
    with pytest.raises(DataError, match="3 embeddings for 4"):
        assign(model, groups, {s: parts[:3] for s, parts in embeddings.items()})


def test_tied_steps_share_their_centres() -> None:
    data = binary(6)
    model = build_structure("hmm", shape_of(data), {"units": 2})
    groups = hidden_groups(model)
    found = assign(model, groups, values_of(data, model, groups))
    values = data.train[:, [model.scopes[g].__iter__().__next__() for g in groups]]
    # One meaning everywhere: state 1 is the same value at every step.
    same = found.states["train"] == values
    assert same.all() or not same.any()
    assert torch.equal(torch.tensor(found.used), torch.tensor([2] * 6))


@pytest.mark.parametrize("structure", ["hclt", "hmm"])
def test_blurred_states_are_nearer_to_each_other(structure: str) -> None:
    model = tree(3, structure)
    made = blurred(model, 0.6)
    made.validate_params()
    assert np.exp(oracle.log_table(made)).sum() == pytest.approx(1.0)
    for name, own in model.params.items():
        units = 0 if own.ndim == 2 else 1  # weights [units, inputs], leaves [columns, units, ...]
        spread = made.params[name].std(units, unbiased=False)
        torch.testing.assert_close(spread, 0.4 * own.std(units, unbiased=False))
    assert blurred(model, 0.0) is model
