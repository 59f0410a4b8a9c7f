"""Components of the top mixture against enumeration: shares, means, and muting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings

from pccore import oracle
from pccore.build import bernoulli, circuit
from pccore.completion import Component, component_means, component_program, components_of, mute
from pccore.errors import EvidenceError, OptionError, PropertyError
from pccore.graph import Circuit
from pccore.queries import log_partition
from pccore.structures import Shape, build_structure
from pccore.structures.figures import figures
from tests.strategies import circuits

EVIDENCE = np.array([np.nan, 1.0, np.nan, 0.0])


def built(structure: str, **options: object) -> Circuit:
    return build_structure(structure, Shape.of(4, None, (2, 2)), {"units": 2, "seed": 3, **options})


def picture_models() -> list[Circuit]:
    return [
        built("rat", depth=2, replicas=2),
        built("pd", delta="1"),  # a mixing layer over the splits: nested sums
        built("pd", delta="1", mixing="dense", product="hadamard"),
        build_structure("naive_bayes", Shape.of(4, None, (2, 2)), {"components": 3}),
    ]


def mixed(model: Circuit, components: Sequence[Component]) -> np.ndarray:
    """The components' tables, weighted by their prior shares."""
    tables = [np.exp(oracle.log_table(model, None, one.unit)) for one in components]
    return np.einsum("c,cn->n", [one.prior for one in components], tables)


@pytest.mark.parametrize("model", picture_models(), ids=["rat", "pd", "dense", "mixture"])
def test_shares_are_posteriors_and_components_make_up_the_whole(model: Circuit):
    found = components_of(model, EVIDENCE)
    assert sum(one.share for one in found.components) == pytest.approx(1)
    assert sum(one.prior for one in found.components) == pytest.approx(1)
    assert 1 <= found.effective <= len(found.components) + 1e-9
    shares = [one.share for one in found.components]
    assert shares == sorted(shares, reverse=True)
    whole = np.exp(oracle.log_table(model))
    parts = [
        one.prior * np.exp(oracle.log_table(model, None, one.unit)) for one in found.components
    ]
    assert np.sum(parts, axis=0) == pytest.approx(whole, abs=1e-6)
    likelihood = np.exp(oracle.log_probability(model, EVIDENCE))
    for one in found.components:
        own = np.exp(oracle.log_probability(model, EVIDENCE, one.unit))
        assert one.share == pytest.approx(one.prior * own / likelihood, abs=1e-6)


@pytest.mark.parametrize("model", picture_models(), ids=["rat", "pd", "dense", "mixture"])
def test_muting_renormalises_the_rest(model: Circuit):
    found = components_of(model, EVIDENCE)
    gone, kept = found.components[:2], found.components[2:]
    quiet = mute(model, [one.id for one in gone])
    assert float(log_partition(quiet)) == pytest.approx(0, abs=1e-6)
    left = sum(one.prior for one in kept)
    expected = mixed(model, kept) / left
    assert np.exp(oracle.log_table(quiet)) == pytest.approx(expected, abs=1e-7)
    again = {one.id: one for one in components_of(quiet, EVIDENCE).components}
    assert all(again[one.id].share == pytest.approx(0, abs=1e-12) for one in gone)


@pytest.mark.parametrize("model", picture_models(), ids=["rat", "pd", "dense", "mixture"])
def test_means_are_those_of_the_components(model: Circuit):
    shown = components_of(model, EVIDENCE).components[:3]
    for evidence in (None, EVIDENCE):
        means = component_means(component_program(model), shown, evidence)
        for one, mean in zip(shown, means, strict=True):
            tables = oracle.marginals(model, evidence, one.unit)
            assert mean == pytest.approx([float(table[1]) for table in tables], abs=1e-6)


@settings(max_examples=40)
@given(circuits(normalised=False))
def test_any_circuit_can_lose_its_first_component(model: Circuit):
    nothing = np.full(len(model.variables), np.nan)
    try:
        found = components_of(model, nothing)
    except OptionError:
        return  # no sum above everything
    first, *rest = found.components
    if not any(one.share > 1e-9 for one in rest):
        return
    quiet = mute(model, [first.id])
    muted = {one.id: one.share for one in components_of(quiet, nothing).components}
    assert muted[first.id] == 0
    left = sum(one.share for one in rest)
    for one in rest:
        assert muted[one.id] == pytest.approx(one.share / left, abs=1e-6)


def test_weights_that_others_share_stay():
    model = figures()["figure1_naive_bayes"]()
    found = components_of(model, np.array([1.0, np.nan]))
    assert [model.unit_name(one.unit) for one in found.components] == ["C1", "C3", "C2"]
    quiet = mute(model, [found.components[0].id])
    weights = [edge.weight for edge in quiet.children(quiet.root)]
    assert weights == pytest.approx([0.0, 0.4, 0.6])
    assert mute(model, []) is model
    assert model.children(model.root)[0].weight == 0.5  # nothing was written in place


def test_refusals():
    model = figures()["figure1_naive_bayes"]()
    ids = [one.id for one in components_of(model, np.array([np.nan, np.nan])).components]
    with pytest.raises(OptionError, match="at least one"):
        mute(model, ids)
    with pytest.raises(OptionError, match=r"'9\.9\.9'"):
        mute(model, ["9.9.9"])
    with pytest.raises(OptionError, match="no components"):
        components_of(circuit(bernoulli("A", 0.5) * bernoulli("B", 0.5)), np.full(2, np.nan))
    with pytest.raises(PropertyError):
        components_of(figures()["incomplete"](), np.full(2, np.nan))
    sure = circuit(0.5 * bernoulli("A", 1.0) + 0.5 * bernoulli("A", 1.0))
    with pytest.raises(EvidenceError, match="probability zero"):
        components_of(sure, np.array([0.0]))
    assert component_means(component_program(model), []).shape == (0, 2)
